-- +goose NO TRANSACTION
-- +goose Up

-- Gives the comments of former releases their patient, some at a time: each batch is a transaction, and a run that was killed
-- goes on where it stopped.
-- +goose StatementBegin
DO $$
DECLARE
    last bigint := 0;
    until bigint;
BEGIN
    LOOP
        SELECT max(b.id) INTO until FROM (SELECT c.id FROM doctor_comments c WHERE c.id > last ORDER BY c.id LIMIT 5000) AS b;
        EXIT WHEN until IS NULL;
        UPDATE doctor_comments c SET patient_id = r.patient_id
        FROM health_records r WHERE c.id > last AND c.id <= until AND c.patient_id IS NULL AND r.id = c.record_id;
        last := until;
        COMMIT;
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
SELECT;
