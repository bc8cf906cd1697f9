-- Whoever changes a doctor's assignments locks the doctor first, several of them
-- by id: what is decided after that holds until the transaction ends, and nobody
-- waits in a circle. Verifying a doctor locks the same row.
-- name: LockDoctor :one
SELECT (d.verified_at IS NOT NULL)::boolean AS verified
FROM doctor_profiles d JOIN users u ON u.id = d.user_id
WHERE d.id = @id AND u.active
FOR NO KEY UPDATE OF d;

-- name: LockDoctorOfAssignment :execrows
SELECT FROM doctor_profiles d WHERE d.id = (SELECT a.doctor_id FROM assignments a WHERE a.id = @id)
FOR NO KEY UPDATE OF d;

-- No row if the pair is assigned at that time already, or there is no such patient.
-- name: InsertAssignment :one
WITH assignment AS (
    INSERT INTO assignments (patient_id, doctor_id, source, requested_by, reason, starts_at)
    SELECT p.id, @doctor_id, 'rest', @requested_by, @reason, statement_timestamp()
    FROM patient_profiles p WHERE p.id = @patient_id
    ON CONFLICT DO NOTHING
    RETURNING *
), event AS (
    INSERT INTO outbox (type, patient_id, doctor_id, assignment_id)
    SELECT 'assignment.created', patient_id, doctor_id, id FROM assignment
)
SELECT id FROM assignment;

-- name: FindAssignment :one
SELECT p.id AS patient_id, a.id AS assignment_id
FROM patient_profiles p
LEFT JOIN assignments a ON a.patient_id = p.id AND a.doctor_id = @doctor_id AND a.source <> 'break_glass'
    AND a.starts_at <= statement_timestamp() AND (a.ends_at IS NULL OR a.ends_at > statement_timestamp())
WHERE p.id = @patient_id;

-- Lists the caller's own, or everybody's. A doctor is shown who the patient is
-- only while he may see the patient.
-- name: ListAssignments :many
WITH mine AS (
    SELECT a.id, a.patient_id, a.doctor_id, a.starts_at, a.ends_at FROM assignments a
    WHERE @everybody::boolean AND (@id::bigint = 0 OR a.id = @id)
        AND (@patient_id::bigint = 0 OR a.patient_id = @patient_id) AND (@doctor_id::bigint = 0 OR a.doctor_id = @doctor_id)
    UNION ALL
    SELECT a.id, a.patient_id, a.doctor_id, a.starts_at, a.ends_at
    FROM patient_profiles p JOIN assignments a ON a.patient_id = p.id WHERE p.user_id = @caller
    UNION ALL
    SELECT a.id, a.patient_id, a.doctor_id, a.starts_at, a.ends_at
    FROM doctor_profiles d JOIN assignments a ON a.doctor_id = d.id WHERE d.user_id = @caller
), found AS (
    SELECT mine.id FROM mine
    WHERE (@id = 0 OR mine.id = @id)
        AND (@patient_id = 0 OR mine.patient_id = @patient_id) AND (@doctor_id = 0 OR mine.doctor_id = @doctor_id)
        AND (sqlc.narg('active')::boolean IS NULL OR sqlc.narg('active') = (
            mine.starts_at <= statement_timestamp() AND (mine.ends_at IS NULL OR mine.ends_at > statement_timestamp())))
), page AS (
    SELECT found.id FROM found WHERE found.id </*beyond*/ @beyond_id::bigint
    ORDER BY found.id DESC/*order*/ LIMIT @most OFFSET @skip
)
SELECT sqlc.embed(a), sqlc.embed(p), sqlc.embed(patient), sqlc.embed(d), sqlc.embed(doctor),
    requester.id AS requester_id, requester.username, requester.first_name, requester.last_name, requester.role,
    (@everybody OR EXISTS (
        SELECT FROM patient_access x WHERE x.user_id = @caller AND x.patient_id = a.patient_id))::boolean AS sees_patient,
    (SELECT count(*) FROM found)::bigint AS total,
    a.patient_id AS seen_patient, CASE WHEN d.user_id = @caller THEN a.id END AS seen_through,
    (d.user_id = @caller AND a.source = 'break_glass')::boolean AS seen_in_emergency
FROM page
JOIN assignments a ON a.id = page.id
JOIN patient_profiles p ON p.id = a.patient_id
JOIN accounts patient ON patient.id = p.user_id
JOIN doctor_profiles d ON d.id = a.doctor_id
JOIN accounts doctor ON doctor.id = d.user_id
LEFT JOIN users requester ON requester.id = a.requested_by
ORDER BY page.id DESC/*order*/;

-- name: EndAssignment :exec
UPDATE assignments SET ends_at = greatest(starts_at, statement_timestamp())
WHERE id = @id AND (ends_at IS NULL OR ends_at > greatest(starts_at, statement_timestamp()));
