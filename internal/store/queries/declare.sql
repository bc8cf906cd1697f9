-- Claims of DoctorAssignment objects. A claim is open until it is withdrawn (ended_at) or its time is over (ends_at). The
-- triggers of 00016_claims.sql keep the assignments as the union of the claims. The statements that change claims return
-- the pairs that they changed; AuditDeclared then tells what became of their assignments. OFFSET 0 keeps the planner from joining
-- whole tables, because it takes them for as small as they were when it planned.
--
-- A later controller has a later term: see DeclaredStates. It is later than every term that was used, even if the database was
-- restored to a time before those terms were drawn while their controller went on.
-- name: NewTerm :one
WITH RECURSIVE drawn (term) AS (
    SELECT nextval('controller_terms')
    UNION ALL
    SELECT nextval('controller_terms') FROM drawn WHERE term <= (SELECT max(d.term) FROM declarations d)
)
SELECT max(term)::bigint AS term FROM drawn;

-- One declaration of an owner is carried out at a time. A former release locks the same name. The statements of a large team
-- may take longer than others of the controller.
-- name: LockOwner :exec
SELECT pg_advisory_xact_lock(hashtextextended('assignments of ' || @owner::text, 0)), set_config('statement_timeout', '5min', true);

-- Locks the doctors with the usernames, in lower case, and those of the owner's claims, in the order of LockDoctor's rule.
-- name: LockDeclaredDoctors :many
SELECT d.id, (SELECT lower(u.username) FROM users u WHERE u.id = d.user_id)::text AS username, (d.verified_at IS NOT NULL)::boolean AS verified,
    (SELECT u.active FROM users u WHERE u.id = d.user_id)::boolean AS active
FROM doctor_profiles d
WHERE d.id = ANY(ARRAY(
    SELECT n.id
    FROM unnest(@usernames::text[]) AS name
    CROSS JOIN LATERAL (
        SELECT (SELECT p.id FROM doctor_profiles p WHERE p.user_id = nu.id) AS id FROM users nu WHERE lower(nu.username) = name OFFSET 0
    ) AS n
    UNION
    SELECT c.doctor_id FROM assignment_claims c WHERE c.owner = @owner::text AND (c.ended_at IS NULL OR c.held IS NOT NULL)
))
ORDER BY d.id FOR NO KEY UPDATE OF d;

-- The users with the names, in lower case. Nobody has the name any more that replaces an erased one.
-- name: FindDeclared :many
SELECT n.username::text AS username, (u.id IS NOT NULL)::boolean AS taken,
    coalesce((SELECT p.id FROM patient_profiles p WHERE p.user_id = u.id), 0)::bigint AS patient_id,
    coalesce((SELECT d.id FROM doctor_profiles d WHERE d.user_id = u.id), 0)::bigint AS doctor_id
FROM (SELECT unnest(@usernames::text[]) AS username) AS n
LEFT JOIN LATERAL (
    SELECT u.id FROM users u WHERE lower(u.username) = n.username AND (SELECT p.erased_at FROM patient_profiles p WHERE p.user_id = u.id) IS NULL OFFSET 0
) AS u ON true;

-- What the database holds of objects, also of unknown ones. Counted are pairs.
-- name: DeclaredStates :many
SELECT w.uid::text AS uid, (d.uid IS NOT NULL)::boolean AS found, coalesce(d.cluster, '')::text AS cluster, coalesce(d.name, '')::text AS name,
    coalesce(d.term, 0)::bigint AS term, coalesce(d.generation, 0)::bigint AS generation, d.digest, coalesce(d.whole, false)::boolean AS whole,
    coalesce(d.retain, false)::boolean AS retain,
    (d.released_at IS NOT NULL)::boolean AS released, statement_timestamp()::timestamptz AS at, n.claims, n.assigned, n.shared, n.held
FROM (SELECT unnest(@uids::text[]) AS uid) AS w
LEFT JOIN LATERAL (SELECT * FROM declarations d WHERE d.uid = w.uid OFFSET 0) AS d ON true
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE c.open)::bigint AS claims,
        count(*) FILTER (WHERE c.open AND EXISTS (
            SELECT FROM active_assignments a
            WHERE a.patient_id = c.patient_id AND a.doctor_id = c.doctor_id AND a.source IS DISTINCT FROM 'break_glass'))::bigint AS assigned,
        count(*) FILTER (WHERE c.open AND EXISTS (
            SELECT FROM assignment_claims o
            WHERE o.patient_id = c.patient_id AND o.doctor_id = c.doctor_id AND o.owner IS DISTINCT FROM w.uid
                AND o.ended_at IS NULL AND (o.ends_at IS NULL OR o.ends_at > statement_timestamp())))::bigint AS shared,
        count(c.held)::bigint AS held
    FROM (
        SELECT patient_id, doctor_id, held, ended_at IS NULL AND (ends_at IS NULL OR ends_at > statement_timestamp()) AS open
        FROM assignment_claims WHERE owner = w.uid AND (ended_at IS NULL OR held IS NOT NULL)
    ) AS c
) AS n;

-- The objects of a cluster that have open claims.
-- name: Owners :many
SELECT d.uid, d.name, d.generation, d.retain
FROM declarations d
WHERE d.cluster = @cluster AND d.uid > @after AND EXISTS (
    SELECT FROM assignment_claims c
    WHERE c.owner = d.uid AND c.ended_at IS NULL AND (c.ends_at IS NULL OR c.ends_at > statement_timestamp())
    OFFSET 0)
ORDER BY d.uid LIMIT @most;

-- Ends the owner's claims that are not declared (any more), or begin later than they did. Those of other doctors on declared
-- patients last until @until, or as they are if it is null, if they are to be kept; if they last until the declared doctors'
-- claims begin, they follow a new @until. None of them outlasts @ends_at. A claim whose time is over gets its end. What was
-- held at an earlier generation may be claimed again; what was held at an unknown one (0) is held at this one.
-- name: EndUndeclared :one
WITH mine AS (
    SELECT c.id, c.starts_at, c.ends_at, c.ended_at, c.held,
        c.doctor_id IN (SELECT unnest(@doctor_ids::bigint[])) AS same_doctor,
        c.patient_id IN (SELECT unnest(@patient_ids::bigint[])) AS same_patient
    FROM assignment_claims c
    WHERE c.owner = @owner::text AND (c.ended_at IS NULL OR c.held IS NOT NULL)
), judged AS (
    SELECT id, ends_at, ended_at, held,
        CASE
            WHEN ended_at IS NOT NULL THEN ended_at
            WHEN ends_at <= @at::timestamptz THEN ends_at
            WHEN same_patient AND same_doctor AND (starts_at > @at OR @starts_at::timestamptz <= @at) THEN NULL
            WHEN same_patient AND NOT same_doctor AND @keep_others::boolean
                AND starts_at < coalesce(least(sqlc.narg('until')::timestamptz, sqlc.narg('ends_at')::timestamptz), 'infinity') THEN NULL
            ELSE @at::timestamptz
        END AS new_ended_at,
        CASE
            WHEN same_doctor THEN ends_at
            WHEN ends_at IN (SELECT n.starts_at FROM mine n WHERE n.same_doctor AND n.ended_at IS NULL)
                THEN least(coalesce(sqlc.narg('until'), ends_at), sqlc.narg('ends_at'))
            ELSE least(ends_at, sqlc.narg('until'), sqlc.narg('ends_at'))
        END AS new_ends_at,
        CASE WHEN held = 0 THEN @generation::bigint WHEN held >= @generation THEN held END AS new_held
    FROM mine
), changed AS (
    UPDATE assignment_claims c SET ended_at = j.new_ended_at, held = j.new_held,
        ends_at = CASE WHEN j.new_ended_at IS NULL THEN j.new_ends_at ELSE c.ends_at END
    FROM judged j
    WHERE c.id = j.id
        AND (j.new_ended_at IS DISTINCT FROM j.ended_at OR j.new_held IS DISTINCT FROM j.held
            OR j.new_ended_at IS NULL AND j.new_ends_at IS DISTINCT FROM j.ends_at)
    RETURNING c.patient_id, c.doctor_id
)
SELECT coalesce(array_agg(patient_id), '{}')::bigint[] AS patient_ids, coalesce(array_agg(doctor_id), '{}')::bigint[] AS doctor_ids FROM changed;

-- Claims each of the able doctors for each of the patients, except what is held, and gives the owner's claims of all doctors
-- the declared period and reason. With @adopt, claims of REST end when these begin. All in one statement, so that access
-- goes on. A claim whose assignment is missing is changed as well, though it is the same then: the trigger repairs it.
-- name: ClaimDeclared :one
WITH wanted AS (
    SELECT p.id AS patient_id, d.id AS doctor_id
    FROM unnest(@patient_ids::bigint[]) AS p (id) CROSS JOIN unnest(@able_ids::bigint[]) AS d (id)
    WHERE NOT EXISTS (
        SELECT FROM assignment_claims h WHERE h.owner = @owner::text AND h.doctor_id = d.id AND h.patient_id = p.id AND h.held IS NOT NULL)
), adjusted AS (
    UPDATE assignment_claims c SET
        starts_at = CASE WHEN c.starts_at > @at::timestamptz THEN greatest(@starts_at::timestamptz, @at) ELSE c.starts_at END,
        ends_at = sqlc.narg('ends_at')::timestamptz, reason = @reason, declared_by = @declared_by::text, requester = sqlc.narg('requester')::text
    WHERE c.owner = @owner AND c.ended_at IS NULL AND c.doctor_id IN (SELECT unnest(@doctor_ids::bigint[]))
        AND (c.starts_at > @at AND c.starts_at <> greatest(@starts_at, @at)
            OR c.ends_at IS DISTINCT FROM sqlc.narg('ends_at') OR c.reason <> @reason OR c.declared_by IS DISTINCT FROM @declared_by
            OR NOT EXISTS (
                SELECT FROM assignments a
                WHERE a.patient_id = c.patient_id AND a.doctor_id = c.doctor_id AND a.source IS DISTINCT FROM 'break_glass'
                    AND (a.ends_at IS NULL OR a.ends_at > greatest(a.starts_at, statement_timestamp()))
                    AND a.starts_at <= greatest(c.starts_at, statement_timestamp())))
    RETURNING c.patient_id, c.doctor_id
), adopted AS (
    UPDATE assignment_claims c SET
        ended_at = CASE WHEN c.starts_at >= greatest(@starts_at, @at) OR @starts_at <= @at THEN @at::timestamptz END,
        ends_at = CASE WHEN c.starts_at >= greatest(@starts_at, @at) OR @starts_at <= @at THEN c.ends_at ELSE @starts_at END
    WHERE @adopt::boolean AND c.id = ANY(ARRAY(
        SELECT r.id FROM wanted w
        CROSS JOIN LATERAL (
            SELECT r.id FROM assignment_claims r
            WHERE r.patient_id = w.patient_id AND r.doctor_id = w.doctor_id AND r.source = 'rest' AND r.ended_at IS NULL
                AND (r.ends_at IS NULL OR r.ends_at > greatest(@starts_at, @at))
            OFFSET 0
        ) AS r))
    RETURNING c.patient_id, c.doctor_id
), added AS (
    INSERT INTO assignment_claims (patient_id, doctor_id, source, owner, declared_by, requester, reason, starts_at, ends_at)
    SELECT w.patient_id, w.doctor_id, 'kubernetes', @owner, @declared_by, sqlc.narg('requester'), @reason,
        greatest(@starts_at, @at), sqlc.narg('ends_at')
    FROM wanted w
    WHERE NOT EXISTS (
        SELECT FROM assignment_claims c
        WHERE c.owner = @owner AND c.doctor_id = w.doctor_id AND c.patient_id = w.patient_id AND c.ended_at IS NULL)
    RETURNING patient_id, doctor_id
), changed AS (
    SELECT * FROM adjusted UNION SELECT * FROM adopted UNION SELECT * FROM added
)
SELECT coalesce(array_agg(patient_id), '{}')::bigint[] AS patient_ids, coalesce(array_agg(doctor_id), '{}')::bigint[] AS doctor_ids FROM changed;

-- The pairs of a declaration that are assigned, claimed by the owner, and claimed by others.
-- name: CountDeclared :one
SELECT statement_timestamp()::timestamptz AS at,
    count(*) FILTER (WHERE EXISTS (
        SELECT FROM active_assignments a
        WHERE a.patient_id = p.id AND a.doctor_id = d.id AND a.source IS DISTINCT FROM 'break_glass'))::bigint AS assigned,
    count(*) FILTER (WHERE EXISTS (
        SELECT FROM assignment_claims c
        WHERE c.owner = @owner::text AND c.doctor_id = d.id AND c.patient_id = p.id
            AND c.ended_at IS NULL AND (c.ends_at IS NULL OR c.ends_at > statement_timestamp())))::bigint AS claims,
    count(*) FILTER (WHERE EXISTS (
        SELECT FROM assignment_claims o
        WHERE o.patient_id = p.id AND o.doctor_id = d.id AND o.owner IS DISTINCT FROM @owner
            AND o.ended_at IS NULL AND (o.ends_at IS NULL OR o.ends_at > statement_timestamp())))::bigint AS shared
FROM unnest(@patient_ids::bigint[]) AS p (id) CROSS JOIN unnest(@doctor_ids::bigint[]) AS d (id);

-- The pairs that an administrator holds, by username.
-- name: HeldPairs :many
SELECT doctor.username AS doctor, patient.username AS patient, count(*) OVER ()::bigint AS total
FROM assignment_claims c
JOIN doctor_profiles d ON d.id = c.doctor_id JOIN users doctor ON doctor.id = d.user_id
JOIN patient_profiles p ON p.id = c.patient_id JOIN users patient ON patient.id = p.user_id
WHERE c.owner = @owner::text AND c.held IS NOT NULL
ORDER BY lower(doctor.username), lower(patient.username) LIMIT @most;

-- name: SaveDeclaration :exec
INSERT INTO declarations (uid, cluster, name, term, generation, digest, whole, retain, suspended)
VALUES (@owner::text, @cluster, @name, @term, @generation, @digest, @whole, @retain, @suspended)
ON CONFLICT (uid) DO UPDATE
SET cluster = excluded.cluster, name = excluded.name, term = excluded.term, generation = excluded.generation, digest = excluded.digest,
    whole = excluded.whole, retain = excluded.retain, suspended = excluded.suspended, released_at = NULL;

-- An object that was never declared gets a row, too: nobody with an earlier term can declare it later.
-- name: SaveRelease :exec
INSERT INTO declarations (uid, cluster, name, term, generation, retain, released_at)
VALUES (@owner::text, @cluster, '', @term, 0, false, statement_timestamp())
ON CONFLICT (uid) DO UPDATE
SET term = excluded.term, digest = NULL, released_at = coalesce(declarations.released_at, excluded.released_at);

-- name: ForgetReleased :exec
DELETE FROM declarations WHERE uid = ANY(ARRAY(
    SELECT d.uid FROM declarations d WHERE d.released_at < @before::timestamptz ORDER BY d.released_at LIMIT @most FOR UPDATE SKIP LOCKED
));

-- Makes claims of REST from the owner's. A claim of REST that the pair has already grows, unless there is a gap between the
-- two: a person asked for no more.
-- name: RetainClaims :one
WITH ended AS (
    UPDATE assignment_claims SET ended_at = statement_timestamp()
    WHERE owner = @owner::text AND ended_at IS NULL
    RETURNING patient_id, doctor_id, requester, reason, starts_at, ends_at
), lifted AS ( -- the object is gone, so that nothing has to be held
    UPDATE assignment_claims SET held = NULL WHERE owner = @owner AND held IS NOT NULL
), kept AS (
    INSERT INTO assignment_claims AS r (patient_id, doctor_id, source, requester, reason, starts_at, ends_at)
    SELECT e.patient_id, e.doctor_id, 'rest', e.requester, e.reason, e.starts_at, e.ends_at FROM ended e
    WHERE e.ends_at IS NULL OR e.ends_at > statement_timestamp()
    ON CONFLICT (patient_id, doctor_id) WHERE source = 'rest' AND ended_at IS NULL DO UPDATE
    SET starts_at = least(r.starts_at, excluded.starts_at),
        ends_at = nullif(greatest(coalesce(r.ends_at, 'infinity'), coalesce(excluded.ends_at, 'infinity')), 'infinity')
    WHERE tstzrange(r.starts_at, r.ends_at) && tstzrange(excluded.starts_at, excluded.ends_at)
        OR tstzrange(r.starts_at, r.ends_at) -|- tstzrange(excluded.starts_at, excluded.ends_at)
)
SELECT coalesce(array_agg(patient_id), '{}')::bigint[] AS patient_ids, coalesce(array_agg(doctor_id), '{}')::bigint[] AS doctor_ids FROM ended;

-- Adds an audit row for each assignment of the pairs that this transaction began, changed or ended, and counts them.
-- name: AuditDeclared :one
WITH touched AS (
    SELECT a.id, a.patient_id, a.created_at = now() AS created, coalesce(a.ends_at <= greatest(a.starts_at, statement_timestamp()), false) AS ended
    FROM (SELECT DISTINCT unnest(@patient_ids::bigint[]) AS patient_id, unnest(@doctor_ids::bigint[]) AS doctor_id) AS pair
    CROSS JOIN LATERAL (
        SELECT * FROM assignments a
        WHERE a.patient_id = pair.patient_id AND a.doctor_id = pair.doctor_id
            AND a.source IS DISTINCT FROM 'break_glass' AND a.xmin::text = pg_current_xact_id()::xid::text
        OFFSET 0
    ) AS a
), audit AS (
    INSERT INTO audit_log (role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision, request_id)
    SELECT 'CONTROLLER', CASE WHEN t.created THEN 'declare' WHEN t.ended THEN 'endDeclared' ELSE @change::text END,
        'assignment', t.id, ARRAY[t.patient_id], ARRAY[t.id], 'role', 'allowed', @request_id
    FROM touched t
)
SELECT count(*) FILTER (WHERE created)::bigint AS created, count(*) FILTER (WHERE ended AND NOT created)::bigint AS ended, count(*)::bigint AS touched
FROM touched;
