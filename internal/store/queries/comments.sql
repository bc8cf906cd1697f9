-- The comments that a caller may read. Each of these statements follows another one in its batch, and has the columns of
-- commentRows. It also runs where that one found nothing that the caller may see, and then must not read any comments: the time
-- would tell how many there are.
--
-- Those of the records that the statement before it has shown: GetRecord, LockRecord and ListRecords set their ids. The setting
-- is '' on a connection that had one.
-- name: CommentsOfPage :many
SELECT c.id, c.record_id, c.comment, c.is_private, c.created_at, c.updated_at, c.version,
    c.doctor_id, c.specialization, c.license_number, c.years_of_experience, c.user_id, c.username, c.first_name, c.last_name
FROM comment_details c
WHERE c.record_id = ANY (nullif(current_setting('healthrecords.page', true), '')::bigint[]) AND (@sees_private::boolean OR NOT c.is_private)
ORDER BY c.record_id, c.id;

-- A page of those of a record, which it finds first, by the record's policy.
-- name: ListComments :many
WITH page AS (
    SELECT t.id FROM doctor_comments t
    WHERE t.record_id = (SELECT r.id FROM health_records r WHERE r.id = @record_id)
        AND (@sees_private::boolean OR NOT t.is_private) AND t.id >/*beyond*/ @beyond_id::bigint
    ORDER BY t.id ASC/*order*/ LIMIT @most OFFSET @skip
)
SELECT c.id, c.record_id, c.comment, c.is_private, c.created_at, c.updated_at, c.version,
    c.doctor_id, c.specialization, c.license_number, c.years_of_experience, c.user_id, c.username, c.first_name, c.last_name
FROM page CROSS JOIN LATERAL (SELECT d.* FROM comment_details d WHERE d.id = page.id OFFSET 0) AS c
ORDER BY page.id ASC/*order*/;

-- One row if the caller may see the record: so an empty page of its comments differs from a missing record.
-- name: CountComments :one
SELECT (SELECT count(*) FROM doctor_comments t WHERE t.record_id = r.id AND (@sees_private::boolean OR NOT t.is_private))::bigint AS total,
    r.patient_id AS seen_patient, seen.assignment_id AS seen_through, seen.emergency::boolean AS seen_in_emergency
FROM health_records r
JOIN LATERAL (
    SELECT a.assignment_id, a.emergency FROM patient_access a
    WHERE a.user_id = @caller AND a.patient_id = r.patient_id ORDER BY a.emergency, a.assignment_id LIMIT 1
) AS seen ON true
WHERE r.id = @record_id;

-- A comment that the caller may read, on a record that is not deleted.
-- name: GetComment :one
SELECT sqlc.embed(c), seen.assignment_id, seen.emergency::boolean AS emergency
FROM comment_details c
JOIN LATERAL (
    SELECT a.assignment_id, a.emergency FROM patient_access a
    WHERE a.user_id = @caller AND a.patient_id = c.patient_id ORDER BY a.emergency, a.assignment_id LIMIT 1
) AS seen ON true
WHERE c.id = @id AND (@sees_private::boolean OR NOT c.is_private)
    AND EXISTS (SELECT FROM health_records r WHERE r.id = c.record_id);

-- name: SeesPatient :one
SELECT EXISTS (SELECT FROM patient_access a WHERE a.user_id = @caller AND a.patient_id = @patient_id);

-- The calling doctor's, with its event and its audit row: a transaction of this statement alone is whole. No row if the doctor
-- is not assigned to the record's patient. Emergency access is for reading. A private comment notifies nobody, so it makes no
-- event; and its audit row names the record, because the patient may see the row but not the comment.
-- name: InsertComment :one
WITH access AS (
    SELECT r.id AS record_id, r.patient_id, a.doctor_id, a.id AS assignment_id
    FROM health_records r
    JOIN active_assignments a ON a.patient_id = r.patient_id
    WHERE r.id = @record_id AND a.doctor_id = caller_id('doctor') AND a.source IS DISTINCT FROM 'break_glass'
), comment AS (
    INSERT INTO doctor_comments (record_id, doctor_id, comment, is_private)
    SELECT access.record_id, access.doctor_id, @comment, @is_private FROM access
    RETURNING *
), event AS (
    INSERT INTO outbox (type, patient_id, doctor_id, record_id, comment_id)
    SELECT 'comment.created', access.patient_id, comment.doctor_id, comment.record_id, comment.id
    FROM comment JOIN access ON access.record_id = comment.record_id
    WHERE NOT comment.is_private
), audited AS (
    INSERT INTO audit_log (user_id, role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision,
        request_id, address)
    SELECT caller_id('user'), @role, @operation, CASE WHEN comment.is_private THEN 'record' ELSE 'comment' END,
        CASE WHEN comment.is_private THEN comment.record_id ELSE comment.id END,
        ARRAY[access.patient_id], ARRAY[access.assignment_id], @reason, @decision, @request_id, @address
    FROM comment JOIN access ON access.record_id = comment.record_id
)
SELECT comment.id, comment.created_at, sqlc.embed(d), sqlc.embed(account), access.patient_id
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
