-- +goose Up

-- A key stores the ids and numbers of what the first request made, never its
-- text. A repetition reads the object again, so that a deleted
-- one lives on nowhere. The statements below handle the existing rows.
ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_answer_without_text
    CHECK (NOT jsonb_path_exists(answer, 'strict $.** ? (@.type() == "string")')) NOT VALID;

-- The previous release stores whole records and comments, and may still run. It finds
-- an answer here, and so makes nothing twice, but can show no more than the id.
-- This can be removed once no such program runs.
-- +goose StatementBegin
CREATE FUNCTION keep_ids_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF jsonb_typeof(NEW.answer) = 'object' THEN
        NEW.answer := (
            SELECT coalesce(jsonb_object_agg(part.key, part.value), '{}') FROM jsonb_each(NEW.answer) AS part
            WHERE part.key IN ('ID', 'PatientID', 'Created'));
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER idempotency_keys_ids_only BEFORE INSERT OR UPDATE OF answer ON idempotency_keys
    FOR EACH ROW WHEN (NEW.answer IS NOT NULL) EXECUTE FUNCTION keep_ids_only();

UPDATE idempotency_keys SET answer = answer WHERE jsonb_typeof(answer) = 'object';
ALTER TABLE idempotency_keys VALIDATE CONSTRAINT idempotency_keys_answer_without_text;

-- +goose Down
ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_answer_without_text;
DROP TRIGGER idempotency_keys_ids_only ON idempotency_keys;
DROP FUNCTION keep_ids_only;
