-- +goose Up

-- As in 00018, with what 00030 added. It is not a part of 00030, which locks the table: whoever reads the view has locked the
-- view first, and then the table.
CREATE OR REPLACE VIEW record_details WITH (security_barrier = true) AS
SELECT r.id, r.patient_id, r.created_by, r.record_type, r.title, r.description, r.symptoms, r.diagnosis, r.treatment,
    r.medications, r.visit_date, r.version, r.created_at, r.updated_at, u.username, u.email, u.first_name, u.last_name, u.role,
    r.error_reason, r.language, NULL::timestamptz AS deleted_at
FROM health_records r JOIN users u ON u.id = r.created_by
WHERE r.patient_id = (SELECT caller_id('patient'))
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = r.patient_id OFFSET 0); -- see 00028

-- The same columns, of records that are deleted now.
CREATE VIEW deleted_record_details WITH (security_barrier = true) AS
SELECT v.record_id AS id, v.patient_id, v.created_by, v.record_type, v.title, v.description, v.symptoms, v.diagnosis, v.treatment,
    v.medications, v.visit_date, v.version, v.created_at, v.updated_at, u.username, u.email, u.first_name, u.last_name, u.role,
    v.error_reason, v.language, v.deleted_at
FROM record_versions v JOIN users u ON u.id = v.created_by
WHERE v.deleted_at IS NOT NULL AND v.restored_at IS NULL
    AND (v.patient_id = (SELECT caller_id('patient'))
        OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = v.patient_id OFFSET 0)); -- see 00028

-- +goose Down
DROP VIEW deleted_record_details;
DROP VIEW record_details;
CREATE VIEW record_details WITH (security_barrier = true) AS
SELECT r.id, r.patient_id, r.created_by, r.record_type, r.title, r.description, r.symptoms, r.diagnosis, r.treatment,
    r.medications, r.visit_date, r.version, r.created_at, r.updated_at, u.username, u.email, u.first_name, u.last_name, u.role
FROM health_records r JOIN users u ON u.id = r.created_by
WHERE r.patient_id = (SELECT caller_id('patient'))
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = r.patient_id OFFSET 0); -- see 00028
