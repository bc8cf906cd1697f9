-- Locks the account and returns whether it is active.
-- name: LockAccount :one
SELECT active::boolean FROM lock_account(@id) AS active;

-- A new code replaces the former one.
-- name: KeepResetCode :one
INSERT INTO reset_codes AS c (user_id, code_hash, expires_at)
VALUES (@user_id, @code_hash, now() + make_interval(secs => @lifetime::float8))
ON CONFLICT (user_id) DO UPDATE SET code_hash = excluded.code_hash, created_at = now(), expires_at = excluded.expires_at
RETURNING c.expires_at;

-- The credentials of the transaction's user, if the code is theirs and valid.
-- name: CredentialsByResetCode :one
SELECT sqlc.embed(a), u.password_hash, u.credentials_version, has_second_factor(u.id) AS second_factor
FROM reset_codes c JOIN users u ON u.id = c.user_id JOIN accounts a ON a.id = u.id
WHERE c.user_id = caller_id('user') AND c.code_hash = @code_hash AND c.expires_at > now() AND u.active;

-- name: TakeResetCode :execrows
DELETE FROM reset_codes WHERE user_id = @user_id AND code_hash = @code_hash AND expires_at > now();

-- name: DropResetCode :exec
DELETE FROM reset_codes WHERE user_id = @user_id;

-- Reports whether the account is imported and had no password before: see AccountsWithoutPassword.
-- name: ResetPassword :one
UPDATE users u SET password_hash = @password_hash, credentials_version = credentials_version + 1, updated_at = now()
WHERE u.id = @id
RETURNING (u.credentials_version = 2 AND (
    EXISTS (SELECT FROM patient_profiles p WHERE p.user_id = u.id AND p.source_id IS NOT NULL)
    OR EXISTS (SELECT FROM doctor_profiles d WHERE d.user_id = u.id AND d.source_id IS NOT NULL)))::boolean AS first;

-- name: EndSessions :exec
DELETE FROM sessions WHERE user_id = @user_id;

-- The actor is the administrator who did it, null for a command and for the user.
-- name: AddAccountEvent :exec
INSERT INTO outbox (type, user_id, actor_id) VALUES (@type, sqlc.narg('user_id'), sqlc.narg('actor_id'));

-- Active accounts that an import made and whose password was never set: an import makes none. With @keep, those
-- that have a valid code are left out.
-- name: AccountsWithoutPassword :many
SELECT u.id, u.username FROM (
    SELECT p.user_id FROM patient_profiles p WHERE p.source_id IS NOT NULL AND p.user_id > @after
    UNION ALL
    SELECT d.user_id FROM doctor_profiles d WHERE d.source_id IS NOT NULL AND d.user_id > @after
) AS imported
JOIN users u ON u.id = imported.user_id
WHERE u.active AND u.credentials_version = 1
    AND NOT (@keep::boolean AND EXISTS (SELECT FROM reset_codes c WHERE c.user_id = u.id AND c.expires_at > now()))
ORDER BY u.id LIMIT @most;

-- An array, as in TrimEvents.
-- name: TrimResetCodes :execrows
DELETE FROM reset_codes WHERE user_id = ANY(ARRAY(
    SELECT o.user_id FROM reset_codes o WHERE o.expires_at < now() ORDER BY o.expires_at LIMIT @most::bigint
));
