-- +goose Up

-- The same rights as before, by the comment's own patient.
ALTER POLICY caller_reads ON doctor_comments USING (
    (NOT is_private OR caller_role() = 'DOCTOR')
    AND (patient_id = (SELECT caller_id('patient')) OR EXISTS (
        SELECT FROM callers_patients c WHERE c.patient_id = doctor_comments.patient_id OFFSET 0))); -- see 00028
ALTER POLICY caller_adds ON doctor_comments WITH CHECK (
    doctor_id = caller_id('verified_doctor')
    AND EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = doctor_comments.patient_id AND c.source IS DISTINCT FROM 'break_glass'));
ALTER POLICY caller_changes ON doctor_comments USING (
    doctor_id = caller_id('verified_doctor') AND created_at > statement_timestamp() - interval '24 hours'
    AND EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = doctor_comments.patient_id AND c.source IS DISTINCT FROM 'break_glass'));

-- +goose Down
ALTER POLICY caller_reads ON doctor_comments USING (
    (NOT is_private OR caller_role() = 'DOCTOR')
    AND EXISTS (SELECT FROM health_records r WHERE r.id = doctor_comments.record_id));
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
