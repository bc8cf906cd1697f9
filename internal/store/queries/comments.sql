-- One row if the caller may see the record, with the page's comments in it: so an
-- empty page differs from a missing record.
-- name: ListComments :one
SELECT (
        SELECT coalesce(json_agg(row_to_json(c.*)), '[]')
        FROM (
            SELECT d.* FROM comment_details d
            WHERE d.record_id = r.id AND (@sees_private::boolean OR NOT d.is_private) AND d.id >/*beyond*/ @beyond_id::bigint
            ORDER BY d.id ASC/*order*/ LIMIT @most OFFSET @skip
        ) AS c
    )::json AS comments, (
        SELECT count(*) FROM doctor_comments t WHERE t.record_id = r.id AND (@sees_private OR NOT t.is_private)
    )::bigint AS total,
    r.patient_id AS seen_patient, seen.assignment_id AS seen_through, seen.emergency::boolean AS seen_in_emergency
FROM health_records r
JOIN LATERAL (
    SELECT a.assignment_id, a.emergency FROM patient_access a
    WHERE a.user_id = @caller AND a.patient_id = r.patient_id ORDER BY a.emergency, a.assignment_id LIMIT 1
) AS seen ON true
WHERE r.id = @record_id;

-- A comment that the caller may read.
-- name: GetComment :one
SELECT json_build_array(row_to_json(c.*))::json AS comments, r.patient_id, seen.assignment_id, seen.emergency::boolean AS emergency
FROM comment_details c
JOIN health_records r ON r.id = c.record_id
JOIN LATERAL (
    SELECT a.assignment_id, a.emergency FROM patient_access a
    WHERE a.user_id = @caller AND a.patient_id = r.patient_id ORDER BY a.emergency, a.assignment_id LIMIT 1
) AS seen ON true
WHERE c.id = @id AND (@sees_private::boolean OR NOT c.is_private);

-- name: SeesPatient :one
SELECT EXISTS (SELECT FROM patient_access a WHERE a.user_id = @caller AND a.patient_id = @patient_id);

-- No row if the doctor is not assigned to the record's patient. Emergency access
-- is for reading. A private comment notifies nobody, so it makes no event.
-- name: InsertComment :one
WITH access AS (
    SELECT r.id AS record_id, r.patient_id, a.doctor_id, a.id AS assignment_id
    FROM health_records r
    JOIN active_assignments a ON a.patient_id = r.patient_id
    WHERE r.id = @record_id AND a.doctor_id = @doctor_id AND a.source IS DISTINCT FROM 'break_glass'
), comment AS (
    INSERT INTO doctor_comments (record_id, doctor_id, comment, is_private)
    SELECT access.record_id, access.doctor_id, @comment, @is_private FROM access
    RETURNING *
), event AS (
    INSERT INTO outbox (type, patient_id, doctor_id, record_id, comment_id)
    SELECT 'comment.created', access.patient_id, comment.doctor_id, comment.record_id, comment.id
    FROM comment JOIN access ON access.record_id = comment.record_id
    WHERE NOT comment.is_private
)
SELECT comment.id, comment.created_at, sqlc.embed(d), sqlc.embed(account), access.patient_id, access.assignment_id
FROM comment
JOIN access ON access.record_id = comment.record_id
JOIN doctor_profiles d ON d.id = comment.doctor_id
JOIN accounts account ON account.id = d.user_id;

-- Keeps a comment of the calling doctor from changing, if they may correct it by the policy.
-- name: LockComment :one
SELECT c.record_id, c.comment, c.is_private,
    (c.created_at > statement_timestamp() - make_interval(secs => @lifetime::float8))::boolean AS correctable
FROM doctor_comments c
WHERE c.id = @id AND c.doctor_id = @doctor_id
FOR NO KEY UPDATE;

-- Of a locked comment. No row if the doctor is not assigned to the record's patient any
-- more, as for InsertComment. It makes no event: the text of a notification does not contain the comment.
-- name: CorrectComment :one
WITH access AS (
    SELECT r.patient_id, a.id AS assignment_id
    FROM health_records r
    JOIN active_assignments a ON a.patient_id = r.patient_id
    WHERE r.id = @record_id AND a.doctor_id = @doctor_id AND a.source IS DISTINCT FROM 'break_glass'
)
UPDATE doctor_comments c SET comment = @comment, version = version + 1, updated_at = statement_timestamp()
FROM access WHERE c.id = @id
RETURNING access.patient_id, access.assignment_id;
