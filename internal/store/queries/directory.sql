-- Doctors are few: all that match are found, counted and sorted. An empty pattern
-- matches all. Pending names are for administrators, who see the unlisted doctors; the
-- page of other readers is cached.
-- name: ListDoctors :many
WITH found AS MATERIALIZED (
    SELECT d.id
    FROM doctor_profiles d JOIN users u ON u.id = d.user_id AND u.role = 'DOCTOR'
    WHERE (@unlisted::boolean OR d.verified_at IS NOT NULL AND u.active)
        AND (sqlc.narg('verified')::boolean IS NULL OR (d.verified_at IS NOT NULL) = sqlc.narg('verified')::boolean)
        AND (NOT @renaming::boolean OR @unlisted AND EXISTS (SELECT FROM pending_names n WHERE n.user_id = d.user_id))
        AND (@pattern::text = '' OR d.specialization ILIKE @pattern::text
            OR (u.first_name || ' ' || u.last_name || ' ' || u.username) ILIKE @pattern::text)
), page AS (
    SELECT id FROM found
    WHERE CASE WHEN @back::boolean THEN id < @beyond::bigint ELSE id > @beyond::bigint END
    ORDER BY CASE WHEN @back::boolean THEN -id ELSE id END
    LIMIT @most OFFSET @skip
)
SELECT sqlc.embed(d), sqlc.embed(a), n.first_name AS pending_first, n.last_name AS pending_last, (SELECT count(*) FROM found) AS total
FROM page JOIN doctor_profiles d ON d.id = page.id JOIN accounts a ON a.id = d.user_id LEFT JOIN pending_names n ON n.user_id = d.user_id AND @unlisted::boolean
ORDER BY CASE WHEN @back::boolean THEN -d.id ELSE d.id END;

-- name: CountDoctors :one
SELECT count(*)
FROM doctor_profiles d JOIN users u ON u.id = d.user_id AND u.role = 'DOCTOR'
WHERE (@unlisted::boolean OR d.verified_at IS NOT NULL AND u.active)
    AND (sqlc.narg('verified')::boolean IS NULL OR (d.verified_at IS NOT NULL) = sqlc.narg('verified')::boolean)
    AND (NOT @renaming::boolean OR @unlisted AND EXISTS (SELECT FROM pending_names n WHERE n.user_id = d.user_id))
    AND (@pattern::text = '' OR d.specialization ILIKE @pattern::text
        OR (u.first_name || ' ' || u.last_name || ' ' || u.username) ILIKE @pattern::text);

-- Patients are many: without a pattern the page is read from the primary key, in
-- its direction, and only the requested branch runs. With an array its patients are looked up; a
-- join would hash the whole table. Everybody is counted up to a limit, and what a pattern finds exactly: it is sorted anyway.
-- name: ListPatients :many
WITH found AS MATERIALIZED (
    SELECT id::bigint FROM patients_named(@pattern::text) AS id WHERE @pattern::text <> ''
), page AS (
    (SELECT id FROM patient_profiles WHERE @pattern::text = '' AND NOT @back::boolean AND id > @beyond::bigint
     ORDER BY id LIMIT @most OFFSET @skip)
    UNION ALL
    (SELECT id FROM patient_profiles WHERE @pattern::text = '' AND @back::boolean AND id < @beyond::bigint
     ORDER BY id DESC LIMIT @most)
    UNION ALL
    (SELECT id FROM found WHERE CASE WHEN @back::boolean THEN id < @beyond::bigint ELSE id > @beyond::bigint END
     ORDER BY CASE WHEN @back::boolean THEN -id ELSE id END LIMIT @most OFFSET @skip)
), everybody AS (
    SELECT id FROM patient_profiles WHERE @pattern::text = '' ORDER BY id LIMIT @count_up_to::bigint
)
SELECT sqlc.embed(p), sqlc.embed(a),
    (CASE WHEN @pattern::text = '' THEN (SELECT count(*) FROM everybody) ELSE (SELECT count(*) FROM found) END)::bigint AS total,
    p.id AS seen_patient, NULL::bigint AS seen_through, false AS seen_in_emergency
FROM patient_profiles p JOIN accounts a ON a.id = p.user_id
WHERE p.id = ANY(ARRAY(SELECT page.id FROM page))
ORDER BY CASE WHEN @back::boolean THEN -p.id ELSE p.id END;

-- name: CountPatients :one
WITH everybody AS (
    SELECT id FROM patient_profiles WHERE @pattern::text = '' ORDER BY id LIMIT @count_up_to::bigint
)
SELECT (CASE WHEN @pattern::text = '' THEN (SELECT count(*) FROM everybody)
    ELSE (SELECT count(*) FROM patients_named(@pattern::text)) END)::bigint;
