-- By the owner. It is a transaction of its own.
-- name: CheckCounts :one
SELECT coalesce(c.up_to, 0)::bigint AS up_to, c.wrong::bigint AS wrong FROM check_counts(@kind, @beyond, @most, @repair) AS c;
