-- +goose Up

-- The same rights as before, by the comment's own patient.
ALTER POLICY caller_reads ON doctor_comments USING (
    (NOT is_private OR caller_role() = 'DOCTOR')
    AND (patient_id = (SELECT caller_id('patient')) OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = doctor_comments.patient_id)));
ALTER POLICY caller_adds ON doctor_comments WITH CHECK (
    doctor_id = caller_id('verified_doctor')
    AND EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = doctor_comments.patient_id AND c.source IS DISTINCT FROM 'break_glass'));
ALTER POLICY caller_changes ON doctor_comments USING (
    doctor_id = caller_id('verified_doctor') AND created_at > statement_timestamp() - interval '24 hours'
    AND EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = doctor_comments.patient_id AND c.source IS DISTINCT FROM 'break_glass'));

-- The comments that the policy shows, with the doctor who wrote each: as record_details.
CREATE OR REPLACE VIEW comment_details WITH (security_barrier = true) AS
SELECT c.id, c.record_id, c.comment, c.is_private, c.created_at, c.doctor_id,
    d.specialization, d.license_number, d.years_of_experience,
    u.id AS user_id, u.username, u.first_name, u.last_name, c.version, coalesce(c.updated_at, c.created_at) AS updated_at, c.patient_id
FROM doctor_comments c
JOIN doctor_profiles d ON d.id = c.doctor_id
JOIN users u ON u.id = d.user_id
WHERE (NOT c.is_private OR (SELECT caller_role()) = 'DOCTOR')
    AND (c.patient_id = (SELECT caller_id('patient')) OR EXISTS (SELECT FROM callers_patients a WHERE a.patient_id = c.patient_id));

-- +goose Down
DROP VIEW comment_details;
CREATE VIEW comment_details WITH (security_invoker = true) AS
SELECT c.id, c.record_id, c.comment, c.is_private, c.created_at, c.doctor_id,
    d.specialization, d.license_number, d.years_of_experience,
    u.id AS user_id, u.username, u.first_name, u.last_name, c.version, coalesce(c.updated_at, c.created_at) AS updated_at
FROM doctor_comments c
JOIN doctor_profiles d ON d.id = c.doctor_id
JOIN users u ON u.id = d.user_id;
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
