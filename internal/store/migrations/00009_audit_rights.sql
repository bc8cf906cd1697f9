-- +goose Up

-- A private comment shows in the patient's log as what it is besides: a doctor read the
-- record. Its row has the record for its object. Before, it had the comment, as a public
-- one has: which of them it is, the comment tells as long as it is there. When it went with
-- its record, nothing does, and the row is that of a doctor who listed records.
CREATE OR REPLACE VIEW callers_audit WITH (security_barrier = true) AS
SELECT l.id, l.at, l.user_id, l.role,
    CASE WHEN as_it_is THEN l.operation WHEN comment_gone THEN 'listRecords' ELSE 'getRecord' END AS operation,
    CASE WHEN as_it_is THEN l.object_kind ELSE 'record' END AS object_kind,
    CASE WHEN as_it_is THEN l.object_id WHEN l.object_kind = 'comment' THEN c.record_id ELSE l.object_id END AS object_id,
    l.reason, l.decision,
    nullif(l.assignment_ids[array_position(l.patient_ids, caller_id('patient'))], 0) AS assignment_id,
    u.username, u.first_name, u.last_name
FROM audit_log l
LEFT JOIN doctor_comments c ON c.id = l.object_id AND l.object_kind = 'comment' AND l.operation = 'addComment'
CROSS JOIN LATERAL (
    SELECT coalesce(l.operation <> 'addComment' OR l.decision <> 'allowed' OR NOT c.is_private, false) AS as_it_is,
        l.object_kind = 'comment' AND c.id IS NULL AS comment_gone
) AS row
LEFT JOIN users u ON u.id = l.user_id AND (u.role <> 'PATIENT' OR u.id = caller_id('user'))
WHERE l.patient_ids @> ARRAY[caller_id('patient')];

-- +goose Down
CREATE OR REPLACE VIEW callers_audit WITH (security_barrier = true) AS
SELECT l.id, l.at, l.user_id, l.role, l.operation, l.object_kind, l.object_id, l.reason, l.decision,
    nullif(l.assignment_ids[array_position(l.patient_ids, caller_id('patient'))], 0) AS assignment_id,
    u.username, u.first_name, u.last_name
FROM audit_log l
LEFT JOIN users u ON u.id = l.user_id AND (u.role <> 'PATIENT' OR u.id = caller_id('user'))
WHERE l.patient_ids @> ARRAY[caller_id('patient')];
