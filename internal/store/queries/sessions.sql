-- No row for a user who is not active, or whose credentials were changed since they were checked.
-- name: StartSession :one
SELECT started::bigint AS id
FROM start_session(@user_id, @credentials_version, @token_hash, @lifetime::float8, @most::integer, sqlc.narg('device')::text, sqlc.narg('address')::inet) AS started;

-- The session's row is locked first, as its deletion does: of two requests with the
-- same token one comes second and finds it used, and no token survives that is made while
-- the session ends.
-- name: RotateRefreshToken :one
WITH session AS MATERIALIZED (
    SELECT s.id, s.user_id
    FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id
    WHERE t.token_hash = @used_hash AND u.active
    FOR NO KEY UPDATE OF s
), used AS (
    UPDATE refresh_tokens t SET used_at = now(), successor_salt = @successor_salt
    FROM session
    WHERE t.token_hash = @used_hash AND t.session_id = session.id AND t.used_at IS NULL AND t.expires_at > now()
    RETURNING session.id, session.user_id
), forgotten AS (
    UPDATE refresh_tokens t SET successor_salt = NULL
    FROM used WHERE t.session_id = used.id AND t.successor_salt IS NOT NULL AND t.token_hash <> @used_hash
), kept AS (
    UPDATE sessions s SET last_used_at = now(), last_device = sqlc.narg('device')::text, last_address = sqlc.narg('address')::inet,
        expires_at = least(now() + make_interval(secs => @lifetime::float8), s.created_at + make_interval(secs => @longest::float8))
    FROM used WHERE s.id = used.id
    RETURNING s.id, s.expires_at
), successor AS (
    INSERT INTO refresh_tokens (session_id, token_hash, expires_at)
    SELECT kept.id, @token_hash, kept.expires_at FROM kept
)
SELECT sqlc.embed(a), used.id AS session_id, has_second_factor(a.id) AS second_factor FROM used JOIN accounts a ON a.id = used.user_id;

-- A token that was used a moment ago, and whose successor was not used yet.
-- name: RepeatRefresh :one
SELECT sqlc.embed(a), t.session_id, t.successor_salt, has_second_factor(a.id) AS second_factor
FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN accounts a ON a.id = s.user_id
WHERE t.token_hash = @token_hash AND a.active AND t.successor_salt IS NOT NULL
    AND t.used_at > now() - make_interval(secs => @grace::float8);

-- name: EndSessionOfUsedToken :one
DELETE FROM sessions WHERE id = (
    SELECT t.session_id FROM refresh_tokens t WHERE t.token_hash = @token_hash AND t.used_at IS NOT NULL
)
RETURNING user_id;

-- name: EndSessionOfToken :exec
DELETE FROM sessions WHERE id = (SELECT t.session_id FROM refresh_tokens t WHERE t.token_hash = @token_hash);

-- name: EndSession :execrows
DELETE FROM sessions WHERE id = @id AND user_id = @caller AND expires_at > now();

-- name: EndOtherSessions :exec
DELETE FROM sessions WHERE user_id = @caller AND id <> @kept;

-- Lists the caller's own sessions.
-- name: ListSessions :many
SELECT s.id, s.created_at, s.last_used_at, s.expires_at, s.device, s.address, s.last_device, s.last_address,
    (SELECT count(*) FROM sessions t WHERE t.user_id = @caller AND t.expires_at > now())::bigint AS total
FROM callers_sessions s
WHERE s.expires_at > now() AND s.id </*beyond*/ @beyond_id::bigint
ORDER BY s.id DESC/*order*/ LIMIT @most OFFSET @skip;

-- name: CountSessions :one
SELECT count(*) FROM sessions s WHERE s.user_id = @caller AND s.expires_at > now();

-- name: TrimRefreshTokens :execrows
DELETE FROM refresh_tokens WHERE id IN (
    SELECT t.id FROM refresh_tokens t WHERE t.expires_at < now() ORDER BY t.expires_at LIMIT @most::bigint
);

-- name: TrimSessions :execrows
DELETE FROM sessions WHERE id IN (
    SELECT s.id FROM sessions s WHERE s.expires_at < now() ORDER BY s.expires_at LIMIT @most::bigint
);
