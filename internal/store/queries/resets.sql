-- Locks the account and returns whether it is active.
-- name: LockAccount :one
SELECT active::boolean FROM lock_account(@id) AS active;

-- A new code replaces the former one.
-- name: KeepResetCode :one
INSERT INTO reset_codes AS c (user_id, code_hash, expires_at)
VALUES (@user_id, @code_hash, now() + make_interval(secs => @lifetime::float8))
ON CONFLICT (user_id) DO UPDATE SET code_hash = excluded.code_hash, created_at = now(), expires_at = excluded.expires_at, issued_by = excluded.issued_by
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
INSERT INTO outbox (type, user_id, actor_id)
SELECT e.type, sqlc.narg('user_id')::bigint, sqlc.narg('actor_id')::bigint
FROM unnest(ARRAY['reset_code.issued', 'reset_codes.issued', 'password.reset', 'second_factor.reset']) AS e (type)
WHERE e.type = @type::text;

-- An array, as in TrimEvents. Whether the code is expired is checked again when its row is locked: a
-- new code takes the place of the old one.
-- name: TrimResetCodes :execrows
DELETE FROM reset_codes WHERE user_id = ANY(ARRAY(
    SELECT o.user_id FROM reset_codes o WHERE o.expires_at < now() ORDER BY o.expires_at LIMIT @most::bigint
)) AND expires_at < now();
