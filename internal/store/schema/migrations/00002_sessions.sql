-- +goose Up

-- Counts the changes of the user's password and second factor. A login that was checked
-- against the values before a change can no longer start a session.
-- A better hash of the same password is no change.
ALTER TABLE users ADD COLUMN credentials_version bigint NOT NULL DEFAULT 1;

ALTER TABLE sessions ADD COLUMN last_used_at timestamptz NOT NULL DEFAULT now(); -- login or newest refresh
-- the list of a user's sessions, and the ending of all but one
CREATE INDEX sessions_user_id_idx ON sessions (user_id, id);
DROP INDEX sessions_user_idx;

-- The successor of a used token is derived from the token and this salt, so that a
-- repetition gets the same one: neither the database nor an old token alone can
-- derive it. The salt is deleted when the successor is used.
ALTER TABLE refresh_tokens ADD COLUMN successor_salt bytea,
    ADD CONSTRAINT refresh_tokens_successor_salt_length CHECK (octet_length(successor_salt) = 32),
    ADD CONSTRAINT refresh_tokens_successor_salt_used CHECK (successor_salt IS NULL OR used_at IS NOT NULL);
CREATE INDEX refresh_tokens_salted_idx ON refresh_tokens (session_id) WHERE successor_salt IS NOT NULL;

-- identify with the caller's session, which must not have ended; 0 stands for a
-- call that does not come over the network. The version without it stays for
-- programs of the previous release.
-- +goose StatementBegin
CREATE FUNCTION identify(caller bigint, claimed_role text, session bigint, OUT patient_id bigint, OUT doctor_id bigint, OUT verified boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    lives boolean;
BEGIN
    SELECT coalesce(p.id, 0), coalesce(d.id, 0), d.verified_at IS NOT NULL, session = 0 OR s.id IS NOT NULL
    INTO patient_id, doctor_id, verified, lives
    FROM users u
    LEFT JOIN patient_profiles p ON p.user_id = u.id
    LEFT JOIN doctor_profiles d ON d.user_id = u.id
    LEFT JOIN sessions s ON s.id = session AND s.user_id = u.id
    WHERE u.id = caller AND u.role = claimed_role AND u.active;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the account is not active' USING ERRCODE = 'HR001';
    END IF;
    IF NOT lives THEN
        RAISE EXCEPTION 'the session has ended' USING ERRCODE = 'HR002';
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION identify(bigint, text, bigint);
DROP INDEX refresh_tokens_salted_idx;
ALTER TABLE refresh_tokens DROP COLUMN successor_salt;
CREATE INDEX sessions_user_idx ON sessions (user_id);
DROP INDEX sessions_user_id_idx;
ALTER TABLE sessions DROP COLUMN last_used_at;
ALTER TABLE users DROP COLUMN credentials_version;
