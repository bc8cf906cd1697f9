-- LIMIT makes Postgres look up the doctors of the page, and not read all of them.
-- name: ListUsers :many
SELECT sqlc.embed(a), coalesce(d.id, 0)::bigint AS doctor_id, d.verified_at, p.id AS patient_id, found.total::bigint AS total,
    p.id AS seen_patient, NULL::bigint AS seen_through, false AS seen_in_emergency
FROM users_page(@pattern::text, @role::text, sqlc.narg('active')::boolean, sqlc.narg('verified')::boolean, @beyond::bigint, @back::boolean,
    @most::integer, @skip::integer, @count_up_to::bigint) AS found
JOIN accounts a ON a.id = found.id
LEFT JOIN LATERAL (SELECT one.id, one.verified_at FROM doctor_profiles one WHERE one.user_id = found.id LIMIT 1) AS d ON true
LEFT JOIN patient_profiles p ON p.user_id = found.id
ORDER BY CASE WHEN @back::boolean THEN -found.id ELSE found.id END;
