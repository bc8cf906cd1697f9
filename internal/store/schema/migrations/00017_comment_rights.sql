-- +goose Up

-- The same rights as before, by IS DISTINCT FROM instead of <>: see settle_assignments in 00016. This is a migration of its
-- own, because a request that reads comments may wait for what another migration holds.
ALTER POLICY caller_adds ON doctor_comments WITH CHECK (
    doctor_id = caller_id('verified_doctor')
    AND EXISTS (
        SELECT FROM health_records r JOIN callers_patients c ON c.patient_id = r.patient_id
        WHERE r.id = doctor_comments.record_id AND c.source IS DISTINCT FROM 'break_glass'));
ALTER POLICY caller_changes ON doctor_comments USING (
    doctor_id = caller_id('verified_doctor') AND created_at > statement_timestamp() - interval '24 hours'
    AND EXISTS (
        SELECT FROM health_records r JOIN callers_patients c ON c.patient_id = r.patient_id
        WHERE r.id = doctor_comments.record_id AND c.source IS DISTINCT FROM 'break_glass'));

-- +goose Down
ALTER POLICY caller_adds ON doctor_comments WITH CHECK (
    doctor_id = caller_id('verified_doctor')
    AND EXISTS (
        SELECT FROM health_records r JOIN callers_patients c ON c.patient_id = r.patient_id
        WHERE r.id = doctor_comments.record_id AND c.source <> 'break_glass'));
ALTER POLICY caller_changes ON doctor_comments USING (
    doctor_id = caller_id('verified_doctor') AND created_at > statement_timestamp() - interval '24 hours'
    AND EXISTS (
        SELECT FROM health_records r JOIN callers_patients c ON c.patient_id = r.patient_id
        WHERE r.id = doctor_comments.record_id AND c.source <> 'break_glass'));
