-- Each transaction that changes a doctor's assignments locks the doctor first, and several
-- doctors by id: its decisions then stay true until it ends, and there are no
-- deadlocks. Verifying a doctor locks the same row.
-- name: LockDoctor :one
SELECT (d.verified_at IS NOT NULL)::boolean AS verified
FROM doctor_profiles d JOIN users u ON u.id = d.user_id
WHERE d.id = @id AND u.active
FOR NO KEY UPDATE OF d;

-- Emergency access waits only for the same doctor's other requests for it: a large team keeps its doctors locked for a while. It
-- changes nothing that the others rely on, and an unverified doctor sees nothing through it.
-- name: LockEmergency :exec
SELECT pg_advisory_xact_lock(hashtextextended('emergency access of doctor ' || @id::bigint, 0));

-- name: DoctorVerified :one
SELECT (d.verified_at IS NOT NULL)::boolean AS verified
FROM doctor_profiles d JOIN users u ON u.id = d.user_id
WHERE d.id = @id AND u.active;

-- name: LockDoctorOfAssignment :execrows
SELECT FROM doctor_profiles d WHERE d.id = (SELECT a.doctor_id FROM assignments a WHERE a.id = @id)
FOR NO KEY UPDATE OF d;

-- Claims a locked doctor's access for REST from now on, unless REST claims it already. For a doctor (not beside others) any
-- assignment of the pair will do: a claim beside it would prolong it unseen. RETURNING names no column: a doctor may not
-- read claims. The foreign key detects a missing patient, because a doctor does not see an unassigned one.
-- name: AddClaim :one
WITH claim AS (
    INSERT INTO assignment_claims (patient_id, doctor_id, source, requested_by, reason, starts_at, ends_at)
    SELECT @patient_id::bigint, @doctor_id::bigint, 'rest', @requested_by, @reason, statement_timestamp(), sqlc.narg('ends_at')
    WHERE NOT EXISTS (
        SELECT FROM assignments a
        WHERE NOT @beside_others::boolean AND a.patient_id = @patient_id AND a.doctor_id = @doctor_id AND a.source IS DISTINCT FROM 'break_glass'
            AND a.starts_at <= statement_timestamp() AND (a.ends_at IS NULL OR a.ends_at > statement_timestamp()))
        AND NOT EXISTS (
            SELECT FROM assignment_claims c
            WHERE @beside_others AND c.patient_id = @patient_id AND c.doctor_id = @doctor_id AND c.source = 'rest' AND c.ended_at IS NULL
                AND c.starts_at <= statement_timestamp() AND (c.ends_at IS NULL OR c.ends_at > statement_timestamp()))
    RETURNING true
)
SELECT EXISTS (SELECT FROM claim) AS added, statement_timestamp()::timestamptz AS at;

-- The assignment of a pair at a time, and whether it began then.
-- name: FindAssignment :one
SELECT a.id, (a.starts_at = @at)::boolean AS begun FROM assignments a
WHERE a.patient_id = @patient_id AND a.doctor_id = @doctor_id AND a.source IS DISTINCT FROM 'break_glass'
    AND a.starts_at <= @at AND (a.ends_at IS NULL OR a.ends_at > @at);

-- Emergency access after LockEmergency. No row if it is open already, or the patient does not exist.
-- name: OpenBreakGlass :one
WITH assignment AS (
    INSERT INTO assignments (patient_id, doctor_id, source, requested_by, reason, starts_at, ends_at)
    SELECT @patient_id::bigint, @doctor_id::bigint, 'break_glass', @requested_by, @reason, statement_timestamp(),
        statement_timestamp() + make_interval(secs => @lifetime::float8)
    WHERE NOT EXISTS (
        SELECT FROM assignments a
        WHERE a.patient_id = @patient_id AND a.doctor_id = @doctor_id AND a.source = 'break_glass'
            AND a.starts_at <= statement_timestamp() AND a.ends_at > statement_timestamp()
    )
    RETURNING *
), event AS (
    INSERT INTO outbox (type, patient_id, doctor_id, assignment_id)
    SELECT 'break_glass.opened', patient_id, doctor_id, id FROM assignment
)
SELECT id FROM assignment;

-- name: FindBreakGlass :one
SELECT a.id FROM assignments a
WHERE a.patient_id = @patient_id AND a.doctor_id = @doctor_id AND a.source = 'break_glass'
    AND a.starts_at <= statement_timestamp() AND a.ends_at > statement_timestamp();

-- Lists the caller's own, or everybody's. A doctor sees who the patient is
-- only while they may see the patient. Only one of the parts runs:
-- each has an index for its filter, which a condition with an optional parameter
-- could not use. Emergency access is rare; the other sources are most of the table.
-- name: ListAssignments :many
WITH mine AS (
    SELECT a.id, a.patient_id, a.doctor_id, a.starts_at, a.ends_at FROM assignments a
    WHERE @id::bigint <> 0 AND a.id = @id
        AND (@everybody::boolean OR EXISTS (SELECT FROM patient_profiles p WHERE p.id = a.patient_id AND p.user_id = @caller)
            OR EXISTS (SELECT FROM doctor_profiles d WHERE d.id = a.doctor_id AND d.user_id = @caller))
    UNION ALL
    SELECT a.id, a.patient_id, a.doctor_id, a.starts_at, a.ends_at FROM assignments a
    WHERE @everybody AND @id = 0 AND @patient_id::bigint <> 0 AND a.patient_id = @patient_id
    UNION ALL
    SELECT a.id, a.patient_id, a.doctor_id, a.starts_at, a.ends_at FROM assignments a
    WHERE @everybody AND @id = 0 AND @patient_id = 0 AND @doctor_id::bigint <> 0 AND a.doctor_id = @doctor_id
    UNION ALL
    SELECT a.id, a.patient_id, a.doctor_id, a.starts_at, a.ends_at FROM assignments a
    WHERE @everybody AND @id = 0 AND @patient_id = 0 AND @doctor_id = 0 AND @source::text = 'break_glass' AND a.source = 'break_glass'
    UNION ALL
    SELECT a.id, a.patient_id, a.doctor_id, a.starts_at, a.ends_at FROM assignments a
    WHERE @everybody AND @id = 0 AND @patient_id = 0 AND @doctor_id = 0 AND @source NOT IN ('', 'break_glass') AND a.source = @source
    UNION ALL
    SELECT a.id, a.patient_id, a.doctor_id, a.starts_at, a.ends_at FROM assignments a
    WHERE @everybody AND @id = 0 AND @patient_id = 0 AND @doctor_id = 0 AND @source = ''
    UNION ALL
    SELECT a.id, a.patient_id, a.doctor_id, a.starts_at, a.ends_at
    FROM patient_profiles p JOIN assignments a ON a.patient_id = p.id WHERE @id = 0 AND p.user_id = @caller
    UNION ALL
    SELECT a.id, a.patient_id, a.doctor_id, a.starts_at, a.ends_at
    FROM doctor_profiles d JOIN assignments a ON a.doctor_id = d.id WHERE @id = 0 AND d.user_id = @caller
), found AS (
    SELECT mine.id FROM mine
    WHERE (@id = 0 OR mine.id = @id)
        AND (@patient_id = 0 OR mine.patient_id = @patient_id) AND (@doctor_id = 0 OR mine.doctor_id = @doctor_id)
        AND (sqlc.narg('active')::boolean IS NULL OR sqlc.narg('active') = (
            mine.starts_at <= statement_timestamp() AND (mine.ends_at IS NULL OR mine.ends_at > statement_timestamp())))
        AND (@source = '' OR @everybody AND @id = 0 AND @patient_id = 0 AND @doctor_id = 0
            OR (SELECT s.source FROM assignments s WHERE s.id = mine.id) = @source)
), page AS (
    SELECT found.id FROM found WHERE found.id </*beyond*/ @beyond_id::bigint
    ORDER BY found.id DESC/*order*/ LIMIT @most OFFSET @skip
)
SELECT sqlc.embed(a), sqlc.embed(d), sqlc.embed(doctor),
    patient.id AS patient_user_id, patient.username AS patient_username, patient.email AS patient_email,
    patient.first_name AS patient_first, patient.last_name AS patient_last, patient.role AS patient_role,
    patient.phone_number AS patient_phone, patient.active AS patient_active, patient.created_at AS patient_created_at,
    p.date_of_birth, p.blood_type, p.address, p.emergency_contact,
    requester.id AS requester_id, requester.username, requester.first_name, requester.last_name, requester.role,
    (a.starts_at <= statement_timestamp() AND (a.ends_at IS NULL OR a.ends_at > statement_timestamp()))::boolean AS is_active,
    coalesce(a.ends_at <= greatest(a.starts_at, statement_timestamp()), false)::boolean AS is_ended,
    (SELECT count(*) FROM found)::bigint AS total,
    a.patient_id AS seen_patient, CASE WHEN d.user_id = @caller THEN a.id END AS seen_through,
    (d.user_id = @caller AND a.source = 'break_glass')::boolean AS seen_in_emergency
FROM page
JOIN assignments a ON a.id = page.id
LEFT JOIN patient_profiles p ON p.id = a.patient_id
    AND (@everybody OR EXISTS (SELECT FROM patient_access x WHERE x.user_id = @caller AND x.patient_id = a.patient_id))
LEFT JOIN accounts patient ON patient.id = p.user_id
JOIN doctor_profiles d ON d.id = a.doctor_id
JOIN accounts doctor ON doctor.id = d.user_id
LEFT JOIN users requester ON requester.id = a.requested_by
ORDER BY page.id DESC/*order*/;

-- The claims that an assignment consists of, and those of its pair that are held. Those that count come first, then those
-- that are held, then the newest.
-- name: ListClaims :many
SELECT c.source, c.declared_by, coalesce(c.requester, u.username, '')::text AS requested_by, c.reason, c.starts_at,
    c.ends_at, c.ended_at,
    (c.ended_at IS NULL AND (c.ends_at IS NULL OR c.ends_at > statement_timestamp()))::boolean AS counts,
    (c.held IS NOT NULL)::boolean AS held
FROM assignments a
JOIN assignment_claims c ON c.patient_id = a.patient_id AND c.doctor_id = a.doctor_id
LEFT JOIN users u ON u.id = c.requested_by
WHERE a.id = @id AND a.source IS DISTINCT FROM 'break_glass' AND (c.held IS NOT NULL OR c.starts_at < coalesce(a.ends_at, 'infinity')
    AND coalesce(least(c.ends_at, c.ended_at), 'infinity') > greatest(a.starts_at, c.starts_at))
ORDER BY counts DESC, held DESC, c.starts_at DESC, c.id DESC LIMIT @most;

-- Ends the claims of an assignment's pair: those of REST that the assignment consists of or, by force, all. Held are those of
-- objects, whose later generations may claim again. The generation is unknown (0) where a former release, or somebody else,
-- changed something since the object was carried out: see EndUndeclared.
-- name: EndClaims :execrows
UPDATE assignment_claims c SET ended_at = statement_timestamp(),
    held = CASE WHEN c.owner IS NOT NULL THEN coalesce((SELECT d.generation FROM declarations d WHERE d.uid = c.owner AND d.digest IS NOT NULL), 0) END
FROM assignments a
WHERE a.id = @id AND c.patient_id = a.patient_id AND c.doctor_id = a.doctor_id
    AND c.ended_at IS NULL AND (c.ends_at IS NULL OR c.ends_at > statement_timestamp())
    AND (@force::boolean OR c.source = 'rest' AND c.starts_at < coalesce(a.ends_at, 'infinity') AND coalesce(c.ends_at, 'infinity') > a.starts_at);

-- name: LiftHold :exec
UPDATE assignment_claims c SET held = NULL
FROM assignments a
WHERE a.id = @id AND c.patient_id = a.patient_id AND c.doctor_id = a.doctor_id AND c.held IS NOT NULL;

-- name: EndBreakGlass :exec
UPDATE assignments SET ends_at = greatest(starts_at, statement_timestamp())
WHERE id = @id AND source = 'break_glass' AND (ends_at IS NULL OR ends_at > greatest(starts_at, statement_timestamp()));
