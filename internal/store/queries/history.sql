-- The versions of records and comments, which triggers keep. Each statement finds the record first: see kept_records.
--
-- One row if the caller may see the record, whether it is deleted or not. It precedes ListRecordVersions in its batch, as
-- CountComments does.
-- name: CountRecordVersions :one
SELECT (present.versions + earlier.versions)::bigint AS total,
    r.patient_id AS seen_patient, seen.assignment_id AS seen_through, seen.emergency::boolean AS seen_in_emergency
FROM kept_records r
JOIN LATERAL (
    SELECT a.assignment_id, a.emergency FROM patient_access a
    WHERE a.user_id = @caller AND a.patient_id = r.patient_id ORDER BY a.emergency, a.assignment_id LIMIT 1
) AS seen ON true
CROSS JOIN LATERAL (SELECT count(*) AS versions FROM health_records h WHERE h.id = r.id) AS present
CROSS JOIN LATERAL (
    SELECT count(*) AS versions
    FROM (SELECT v.version FROM record_versions v WHERE v.record_id = r.id ORDER BY v.version LIMIT @count_up_to::bigint) AS counted
) AS earlier
WHERE r.id = @record_id;

-- The latest version comes first.
-- name: ListRecordVersions :many
WITH record AS MATERIALIZED (
    SELECT k.id FROM kept_records k WHERE k.id = @record_id
), page AS (
    SELECT t.version FROM (
        SELECT r.version FROM record JOIN health_records r ON r.id = record.id AND r.version </*beyond*/ @beyond_id::bigint
        UNION ALL
        SELECT o.version FROM record CROSS JOIN LATERAL (
            SELECT p.version FROM record_versions p WHERE p.record_id = record.id AND p.version </*beyond*/ @beyond_id
            ORDER BY p.version DESC/*order*/ LIMIT @depth
        ) AS o
    ) AS t
    ORDER BY t.version DESC/*order*/ LIMIT @most OFFSET @skip
)
SELECT v.* FROM page CROSS JOIN LATERAL (
    SELECT d.* FROM record_version_details d WHERE d.record_id = @record_id AND d.version = page.version OFFSET 0
) AS v
ORDER BY page.version DESC/*order*/;

-- name: GetRecordVersion :one
SELECT sqlc.embed(v),
    v.patient_id AS seen_patient, seen.assignment_id AS seen_through, seen.emergency::boolean AS seen_in_emergency
FROM record_version_details v
JOIN LATERAL (
    SELECT a.assignment_id, a.emergency FROM patient_access a
    WHERE a.user_id = @caller AND a.patient_id = v.patient_id ORDER BY a.emergency, a.assignment_id LIMIT 1
) AS seen ON true
WHERE v.record_id = @record_id AND v.version = @version;

-- name: CompareRecordVersions :one
SELECT sqlc.embed(v), sqlc.embed(w),
    v.patient_id AS seen_patient, seen.assignment_id AS seen_through, seen.emergency::boolean AS seen_in_emergency
FROM record_version_details v
JOIN record_version_details w ON w.record_id = @record_id AND w.version = @other
JOIN LATERAL (
    SELECT a.assignment_id, a.emergency FROM patient_access a
    WHERE a.user_id = @caller AND a.patient_id = v.patient_id ORDER BY a.emergency, a.assignment_id LIMIT 1
) AS seen ON true
WHERE v.record_id = @record_id AND v.version = @version;

-- name: RestoreRecord :one
SELECT r.restored::bigint FROM restore_record(@id, @version) AS r;

-- As CountRecordVersions. A comment has few versions: its author corrects it within a day at most.
-- name: CountCommentVersions :one
SELECT (SELECT count(*) FROM comment_version_details v WHERE v.comment_id = c.id)::bigint AS total,
    c.patient_id AS seen_patient, seen.assignment_id AS seen_through, seen.emergency::boolean AS seen_in_emergency
FROM comment_details c
JOIN LATERAL (
    SELECT a.assignment_id, a.emergency FROM patient_access a
    WHERE a.user_id = @caller AND a.patient_id = c.patient_id ORDER BY a.emergency, a.assignment_id LIMIT 1
) AS seen ON true
WHERE c.id = @comment_id AND (@sees_private::boolean OR NOT c.is_private);

-- name: ListCommentVersions :many
SELECT v.version, v.comment, v.updated_at
FROM (SELECT d.id FROM comment_details d WHERE d.id = @comment_id AND (@sees_private::boolean OR NOT d.is_private)) AS c
CROSS JOIN LATERAL (
    SELECT t.* FROM comment_version_details t WHERE t.comment_id = c.id AND t.version </*beyond*/ @beyond_id::bigint
    ORDER BY t.version DESC/*order*/ LIMIT @most OFFSET @skip
) AS v;
