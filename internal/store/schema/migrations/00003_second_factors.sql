-- +goose Up

-- A user's second factor (RFC 6238). The secret is sealed by a key that is not
-- in the database: nobody can make a code from the content of this table.
CREATE TABLE totp_factors (
    user_id      bigint      NOT NULL,
    secret       bytea       NOT NULL, -- nonce and AES-256-GCM, bound to the user
    created_at   timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz, -- null: enrolled, but not required at login yet
    last_step    bigint      NOT NULL DEFAULT 0, -- of the last accepted code: no code is accepted twice
    failures     integer     NOT NULL DEFAULT 0, -- wrong codes since then
    retry_at     timestamptz NOT NULL DEFAULT now(), -- no code is checked before
    CONSTRAINT totp_factors_pkey PRIMARY KEY (user_id),
    CONSTRAINT totp_factors_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT totp_factors_failures_positive CHECK (failures >= 0)
);

-- Recovery codes, for users who have lost the factor: 80 random bits, kept as SHA-256.
CREATE TABLE recovery_codes (
    user_id   bigint NOT NULL,
    code_hash bytea  NOT NULL,
    used_at   timestamptz, -- single use
    CONSTRAINT recovery_codes_pkey PRIMARY KEY (user_id, code_hash),
    CONSTRAINT recovery_codes_factor_fkey FOREIGN KEY (user_id) REFERENCES totp_factors (user_id) ON DELETE CASCADE,
    CONSTRAINT recovery_codes_code_hash_length CHECK (octet_length(code_hash) = 32)
);

CREATE FUNCTION has_second_factor(who bigint) RETURNS boolean LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM totp_factors f WHERE f.user_id = who AND f.confirmed_at IS NOT NULL);

-- +goose Down
DROP FUNCTION has_second_factor;
DROP TABLE recovery_codes, totp_factors;
