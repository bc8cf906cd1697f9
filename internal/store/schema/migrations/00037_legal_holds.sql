-- +goose Up

-- When the patient's data was erased, for good: see 00038. It is a column of this table, so that one lookup locks the patient
-- and answers the question. This migration locks no other table that is in use: nearly every transaction has read this one, and
-- would wait for the other, as the migration for it.
ALTER TABLE patient_profiles ADD COLUMN erased_at timestamptz;

-- The patients whose data must be kept, such as for a lawsuit: neither retention nor an erasure removes it.
CREATE TABLE legal_holds (
    patient_id bigint      NOT NULL,
    reason     text        NOT NULL,
    placed_by  bigint      DEFAULT caller_id('user'), -- the administrator
    placed_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT legal_holds_pkey PRIMARY KEY (patient_id),
    CONSTRAINT legal_holds_patient_fkey FOREIGN KEY (patient_id) REFERENCES patient_profiles (id),
    CONSTRAINT legal_holds_reason_length CHECK (char_length(reason) BETWEEN 1 AND 500)
);
ALTER TABLE legal_holds ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON legal_holds TO CURRENT_USER USING (true);
CREATE POLICY caller ON legal_holds USING (caller_role() = 'ADMIN') WITH CHECK (caller_role() = 'ADMIN' AND placed_by = caller_id('user'));

-- Locks a patient, for an administrator and for commands, which run as the owner, and returns whether their data was erased.
-- Holds, erasures and retention come one after the other.
-- +goose StatementBegin
CREATE FUNCTION lock_patient(patient bigint) RETURNS SETOF boolean LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
    SELECT p.erased_at IS NOT NULL FROM patient_profiles p
    WHERE p.id = patient AND (caller_role() = 'ADMIN' OR pg_has_role(session_user, current_user, 'MEMBER'))
    FOR NO KEY UPDATE;
END;
-- +goose StatementEnd

-- Removes records that were deleted before the time, at most that many, with their versions and comments, and returns how many.
-- Whatever a program asks for, a deleted record is kept for a day. It waits for nobody: what others have locked is left for the
-- next call, such as a record that is being restored.
-- +goose StatementBegin
CREATE FUNCTION remove_deleted_records(before timestamptz, most bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    until    timestamptz := least(before, now() - interval '1 day');
    found    bigint[];
    patients bigint[];
BEGIN
    SELECT array_agg(f.record_id), array_agg(f.patient_id) INTO found, patients
    FROM (
        SELECT v.record_id, v.patient_id FROM record_versions v
        WHERE v.deleted_at < until AND v.deleted_at IS NOT NULL AND v.restored_at IS NULL
            AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.patient_id = v.patient_id)
        ORDER BY v.deleted_at LIMIT most
    ) AS f;
    -- Who places a hold has locked the patient. The next statement sees the holds that were placed before these locks.
    patients := ARRAY(SELECT p.id FROM patient_profiles p WHERE p.id = ANY (patients) ORDER BY p.id FOR SHARE SKIP LOCKED);
    found := ARRAY(
        SELECT v.record_id FROM record_versions v
        WHERE v.record_id = ANY (found) AND v.patient_id = ANY (patients) AND v.deleted_at < until AND v.restored_at IS NULL
            AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.patient_id = v.patient_id)
        ORDER BY v.record_id FOR UPDATE OF v SKIP LOCKED);
    DELETE FROM doctor_comments c WHERE c.record_id = ANY (found);
    DELETE FROM record_versions v WHERE v.record_id = ANY (found);
    RETURN coalesce(cardinality(found), 0);
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION lock_patient, remove_deleted_records FROM PUBLIC;

-- No temporary table can take the place of a table that it uses.
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION remove_deleted_records SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION lock_patient, remove_deleted_records;
DROP TABLE legal_holds;
ALTER TABLE patient_profiles DROP COLUMN erased_at;
