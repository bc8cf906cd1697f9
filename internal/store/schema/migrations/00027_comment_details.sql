-- +goose Up

-- The comments that the policy shows, with the doctor who wrote each: as record_details. It is not a part of 00026, which locks
-- the table: whoever reads the view has locked the view first, and then the table.
CREATE OR REPLACE VIEW comment_details WITH (security_barrier = true) AS
SELECT c.id, c.record_id, c.comment, c.is_private, c.created_at, c.doctor_id,
    d.specialization, d.license_number, d.years_of_experience,
    u.id AS user_id, u.username, u.first_name, u.last_name, c.version, coalesce(c.updated_at, c.created_at) AS updated_at, c.patient_id
FROM doctor_comments c
JOIN doctor_profiles d ON d.id = c.doctor_id
JOIN users u ON u.id = d.user_id
WHERE (NOT c.is_private OR (SELECT caller_role()) = 'DOCTOR')
    AND (c.patient_id = (SELECT caller_id('patient')) OR EXISTS (
        SELECT FROM callers_patients a WHERE a.patient_id = c.patient_id OFFSET 0)); -- see 00028

-- +goose Down
DROP VIEW comment_details;
CREATE VIEW comment_details WITH (security_invoker = true) AS
SELECT c.id, c.record_id, c.comment, c.is_private, c.created_at, c.doctor_id,
    d.specialization, d.license_number, d.years_of_experience,
    u.id AS user_id, u.username, u.first_name, u.last_name, c.version, coalesce(c.updated_at, c.created_at) AS updated_at
FROM doctor_comments c
JOIN doctor_profiles d ON d.id = c.doctor_id
JOIN users u ON u.id = d.user_id;
