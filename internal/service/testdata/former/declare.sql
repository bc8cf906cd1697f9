-- Each assignment that a declaration changes gets an audit row in the statement
-- that changes it.
--
-- One declaration of an owner is carried out at a time.
-- name: LockOwner :exec
SELECT pg_advisory_xact_lock(hashtextextended('assignments of ' || @owner::text, 0));

-- Locks the doctor with the username and the doctors of the owner's open assignments,
-- in the order of LockDoctor's rule.
-- name: LockDoctorsOfOwner :many
SELECT d.id, (d.verified_at IS NOT NULL)::boolean AS verified, u.active, (lower(u.username) = lower(@username::text))::boolean AS named
FROM doctor_profiles d JOIN users u ON u.id = d.user_id
WHERE d.id IN (
    SELECT n.id FROM doctor_profiles n JOIN users nu ON nu.id = n.user_id WHERE lower(nu.username) = lower(@username)
    UNION ALL
    SELECT a.doctor_id FROM assignments a
    WHERE a.owner = @owner::text AND (a.ends_at IS NULL OR a.ends_at > greatest(a.starts_at, statement_timestamp()))
)
ORDER BY d.id FOR NO KEY UPDATE OF d;

-- name: UsernameTaken :one
SELECT EXISTS (SELECT FROM users WHERE lower(username) = lower(@username::text));

-- name: FindPatients :many
SELECT n.username::text AS username, p.id AS patient_id, u.id AS user_id
FROM (SELECT unnest(@usernames::text[]) AS username) AS n
LEFT JOIN users u ON lower(u.username) = lower(n.username)
LEFT JOIN patient_profiles p ON p.user_id = u.id;

-- Ends the owner's assignments that are not wanted (any more): those of another
-- doctor or patient, and those that run already though they are to begin later.
-- name: EndUnwanted :many
WITH ended AS (
    UPDATE assignments a SET ends_at = greatest(a.starts_at, statement_timestamp())
    FROM doctor_profiles d JOIN users u ON u.id = d.user_id
    WHERE d.id = a.doctor_id AND a.owner = @owner::text AND (a.ends_at IS NULL OR a.ends_at > greatest(a.starts_at, statement_timestamp()))
        AND NOT (a.doctor_id = @doctor_id AND a.patient_id = ANY(@patient_ids::bigint[])
            AND (a.starts_at > statement_timestamp() OR @starts_at::timestamptz <= statement_timestamp()))
    RETURNING u.username, a.id, a.patient_id
), audit AS (
    INSERT INTO audit_log (role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision)
    SELECT 'CONTROLLER', 'endDeclared', 'assignment', id, ARRAY[patient_id], ARRAY[id], 'role', 'allowed' FROM ended
)
SELECT username FROM ended;

-- Gives the owner's assignments of the doctor the declared period and reason,
-- and the event of an assignment that has not begun its new start. An assignment that would
-- overlap another owner's stays as it is.
-- name: AdjustDeclared :exec
WITH wanted AS (
    SELECT a.id, a.patient_id, a.doctor_id, a.starts_at AS starts_before,
        CASE WHEN a.starts_at > statement_timestamp() THEN greatest(@starts_at::timestamptz, statement_timestamp()) ELSE a.starts_at END AS starts_at
    FROM assignments a
    WHERE a.owner = @owner::text AND a.doctor_id = @doctor_id AND (a.ends_at IS NULL OR a.ends_at > greatest(a.starts_at, statement_timestamp()))
), changed AS (
    UPDATE assignments a SET starts_at = w.starts_at, ends_at = sqlc.narg('ends_at')::timestamptz, reason = @reason
    FROM wanted w
    WHERE a.id = w.id
        AND (a.starts_at <> w.starts_at OR a.ends_at IS DISTINCT FROM sqlc.narg('ends_at')::timestamptz OR a.reason <> @reason)
        AND NOT EXISTS (
            SELECT FROM assignments o
            WHERE o.patient_id = w.patient_id AND o.doctor_id = w.doctor_id AND o.id <> w.id AND o.source <> 'break_glass'
                AND tstzrange(o.starts_at, o.ends_at) && tstzrange(w.starts_at, sqlc.narg('ends_at')::timestamptz))
    RETURNING a.id, a.patient_id, a.starts_at, w.starts_before
), audit AS (
    INSERT INTO audit_log (role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision)
    SELECT 'CONTROLLER', 'adjustDeclared', 'assignment', id, ARRAY[patient_id], ARRAY[id], 'role', 'allowed' FROM changed
)
UPDATE outbox o SET created_at = c.starts_at, next_at = c.starts_at
FROM changed c
WHERE o.assignment_id = c.id AND o.type = 'assignment.created' AND o.finished_at IS NULL AND c.starts_at <> c.starts_before;

-- Assigns the doctor to those of the patients to whom they are not assigned in
-- any part of the period. The event takes place when the assignment begins.
-- name: InsertDeclared :execrows
WITH created AS (
    INSERT INTO assignments (patient_id, doctor_id, source, owner, declared_by, reason, starts_at, ends_at)
    SELECT p.id, @doctor_id, 'kubernetes', @owner::text, @declared_by::text, @reason,
        greatest(@starts_at::timestamptz, statement_timestamp()), sqlc.narg('ends_at')::timestamptz
    FROM (SELECT unnest(@patient_ids::bigint[]) AS id) AS p
    WHERE NOT EXISTS (
        SELECT FROM assignments o
        WHERE o.patient_id = p.id AND o.doctor_id = @doctor_id AND o.source <> 'break_glass'
            AND tstzrange(o.starts_at, o.ends_at)
                && tstzrange(greatest(@starts_at::timestamptz, statement_timestamp()), sqlc.narg('ends_at')::timestamptz))
    ON CONFLICT DO NOTHING
    RETURNING *
), audit AS (
    INSERT INTO audit_log (role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision)
    SELECT 'CONTROLLER', 'declare', 'assignment', id, ARRAY[patient_id], ARRAY[id], 'role', 'allowed' FROM created
)
INSERT INTO outbox (type, patient_id, doctor_id, assignment_id, created_at, next_at)
SELECT 'assignment.created', patient_id, doctor_id, id, starts_at, starts_at FROM created;

-- name: RetainAssignments :exec
WITH retained AS (
    UPDATE assignments SET owner = NULL
    WHERE owner = @owner::text AND (ends_at IS NULL OR ends_at > greatest(starts_at, statement_timestamp()))
    RETURNING id, patient_id
)
INSERT INTO audit_log (role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision)
SELECT 'CONTROLLER', 'disown', 'assignment', id, ARRAY[patient_id], ARRAY[id], 'role', 'allowed' FROM retained;
