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

-- Each version of a record, the present one too, if the policy of health_records would show it.
CREATE VIEW record_states WITH (security_barrier = true) AS
SELECT r.id AS record_id, r.version, r.patient_id, r.created_by, r.record_type, r.title, r.description, r.symptoms, r.diagnosis,
    r.treatment, r.medications, r.visit_date, r.error_reason, r.language, r.updated_at, r.updated_by,
    NULL::timestamptz AS deleted_at, NULL::timestamptz AS restored_at
FROM health_records r
WHERE r.patient_id = (SELECT caller_id('patient'))
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = r.patient_id OFFSET 0) -- see 00028
UNION ALL
SELECT o.record_id, o.version, o.patient_id, o.created_by, o.record_type, o.title, o.description, o.symptoms, o.diagnosis,
    o.treatment, o.medications, o.visit_date, o.error_reason, o.language, o.updated_at, o.updated_by, o.deleted_at, o.restored_at
FROM record_versions o
WHERE o.patient_id = (SELECT caller_id('patient'))
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = o.patient_id OFFSET 0);

-- The same with who made it and what it changed. Names are null for an import, a command, and
-- a version that a former release wrote over the first one.
CREATE VIEW record_version_details WITH (security_barrier = true) AS
SELECT v.record_id, v.version, v.patient_id, v.record_type, v.title, v.description, v.symptoms, v.diagnosis, v.treatment, v.medications,
    v.visit_date, v.error_reason, v.language, v.updated_at, v.deleted_at, v.restored_at,
    u.id AS user_id, u.username, u.email, u.first_name, u.last_name, u.role,
    CASE WHEN b.version IS NULL THEN '{}' ELSE array_remove(ARRAY[
        CASE WHEN split_part(v.record_type, ':', -1) <> split_part(b.record_type, ':', -1) THEN 'record_type' END,
        CASE WHEN v.title <> b.title THEN 'title' END,
        CASE WHEN v.description <> b.description THEN 'description' END,
        CASE WHEN v.symptoms <> b.symptoms THEN 'symptoms' END,
        CASE WHEN v.diagnosis <> b.diagnosis THEN 'diagnosis' END,
        CASE WHEN v.treatment <> b.treatment THEN 'treatment' END,
        CASE WHEN v.medications <> b.medications THEN 'medications' END,
        CASE WHEN v.visit_date <> b.visit_date THEN 'visit_date' END,
        CASE WHEN v.language IS DISTINCT FROM b.language THEN 'language' END,
        CASE WHEN v.error_reason IS DISTINCT FROM b.error_reason THEN 'error_reason' END], NULL)
    END::text[] AS changed
FROM record_states v
LEFT JOIN record_versions b ON b.record_id = v.record_id AND b.version = v.version - 1
LEFT JOIN users u ON u.id = CASE v.version WHEN 1 THEN v.created_by ELSE v.updated_by END;

-- The texts of a comment that comment_details shows, before its corrections and now.
CREATE VIEW comment_version_details WITH (security_barrier = true) AS
SELECT c.id AS comment_id, c.version, c.comment, c.updated_at FROM comment_details c
UNION ALL
SELECT c.id, o.version, o.comment, o.updated_at FROM comment_details c JOIN comment_versions o ON o.comment_id = c.id;

-- As in 00016. That a doctor read the earlier texts of a comment is a reading of records, without an object: otherwise the patient
-- would learn the id of a private comment, and a public one would tell the difference.
CREATE OR REPLACE VIEW callers_audit WITH (security_barrier = true) AS
SELECT l.id, l.at, l.user_id, l.role,
    CASE read.record WHEN 0 THEN l.operation WHEN -1 THEN 'listRecords' ELSE 'getRecord' END AS operation,
    CASE read.record WHEN 0 THEN l.object_kind ELSE 'record' END AS object_kind,
    CASE read.record WHEN 0 THEN l.object_id WHEN -1 THEN NULL ELSE read.record END AS object_id,
    l.reason, l.decision,
    nullif(l.assignment_ids[array_position(l.patient_ids, caller_id('patient'))], 0) AS assignment_id,
    u.username, u.first_name, u.last_name,
    CASE l.role WHEN 'CONTROLLER' THEN l.request_id END AS controllers_request
FROM audit_log l
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN l.operation = 'listCommentVersions' AND l.role <> 'PATIENT' AND l.decision = 'allowed' THEN -1
        WHEN l.operation NOT IN ('addComment', 'correctComment') OR l.decision <> 'allowed' THEN 0
        WHEN l.object_kind = 'record' THEN l.object_id
        ELSE coalesce((SELECT CASE WHEN c.is_private THEN c.record_id ELSE 0 END FROM doctor_comments c WHERE c.id = l.object_id), -1)
    END AS record
) AS read
LEFT JOIN users u ON u.id = l.user_id AND (u.role <> 'PATIENT' OR u.id = caller_id('user'))
WHERE l.patient_ids @> ARRAY[caller_id('patient')];

-- +goose Down
-- callers_audit stays as it is, because the rows of the audit log stay, too.
DROP VIEW comment_version_details, record_version_details, record_states, deleted_record_details;
DROP VIEW record_details;
CREATE VIEW record_details WITH (security_barrier = true) AS
SELECT r.id, r.patient_id, r.created_by, r.record_type, r.title, r.description, r.symptoms, r.diagnosis, r.treatment,
    r.medications, r.visit_date, r.version, r.created_at, r.updated_at, u.username, u.email, u.first_name, u.last_name, u.role
FROM health_records r JOIN users u ON u.id = r.created_by
WHERE r.patient_id = (SELECT caller_id('patient'))
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = r.patient_id OFFSET 0); -- see 00028
