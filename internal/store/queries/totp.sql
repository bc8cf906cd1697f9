-- Replaces an unconfirmed enrollment, and no other.
-- name: EnrollTOTP :execrows
INSERT INTO totp_factors (user_id, secret) VALUES (@user_id, @secret)
ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, created_at = now(), last_step = 0
WHERE totp_factors.confirmed_at IS NULL;

-- name: TOTPStatus :one
SELECT (f.confirmed_at IS NOT NULL)::boolean AS enabled,
    (SELECT count(*) FROM recovery_codes c WHERE c.user_id = f.user_id AND c.used_at IS NULL)::bigint AS recovery_codes
FROM totp_factors f WHERE f.user_id = @user_id;

-- Counts a code as wrong before it is checked, so that concurrent guesses
-- are counted too. Four may be wrong in a row; each further one doubles
-- the wait, from 30 s to a quarter of an hour.
-- name: TryTOTP :one
UPDATE totp_factors SET failures = failures + 1, retry_at = now() + CASE
        WHEN failures < 4 THEN interval '0'
        ELSE least(make_interval(secs => 30 * 2 ^ least(failures - 4, 10)), interval '15 minutes')
    END
WHERE user_id = @user_id AND (confirmed_at IS NOT NULL) = @confirmed::boolean AND retry_at <= now()
RETURNING secret;

-- The caller's factor, for a code that they send within their session. The quota of the
-- session counts such codes, so that a stolen session does not slow down logins.
-- name: SecondFactor :one
SELECT secret FROM totp_factors WHERE user_id = @user_id AND confirmed_at IS NOT NULL;

-- Uses up the code of a time step, and confirms the factor by it. It accepts no code of that
-- step or an earlier one again, and none of a secret that was replaced since the
-- code was checked.
-- name: TakeTOTP :execrows
UPDATE totp_factors SET last_step = @step, failures = 0, retry_at = now(), confirmed_at = coalesce(confirmed_at, now())
WHERE user_id = @user_id AND secret = @secret AND last_step < @step;

-- name: KeepRecoveryCodes :exec
INSERT INTO recovery_codes (user_id, code_hash) SELECT @user_id, unnest(@hashes::bytea[]);

-- name: TakeRecoveryCode :execrows
UPDATE recovery_codes SET used_at = now() WHERE user_id = @user_id AND code_hash = @code_hash AND used_at IS NULL;

-- name: CredentialsChanged :exec
UPDATE users SET credentials_version = credentials_version + 1, updated_at = now() WHERE id = @id;

-- name: DisableTOTP :execrows
DELETE FROM totp_factors WHERE user_id = @user_id;
