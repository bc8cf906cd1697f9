-- +goose Up

-- The same rights as before: see 00028. This is a migration of its own, because a request that reads patients may wait for what
-- another migration holds.
ALTER POLICY caller_reads ON patient_profiles USING (
    user_id = caller_id('user') OR (SELECT caller_role()) = 'ADMIN'
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = patient_profiles.id OFFSET 0));

-- +goose Down
ALTER POLICY caller_reads ON patient_profiles USING (
    user_id = caller_id('user') OR (SELECT caller_role()) = 'ADMIN'
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = patient_profiles.id));
