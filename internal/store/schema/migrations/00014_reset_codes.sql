-- +goose Up

-- One-time codes with which users set a new password without the old one. A code is kept
-- as the SHA-256 of 140 random bits, and deleted when it is used or replaced: an account has one at most.
CREATE TABLE reset_codes (
    user_id    bigint      NOT NULL,
    code_hash  bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    issued_by  bigint      DEFAULT caller_id('user'), -- null: by a command
    CONSTRAINT reset_codes_pkey PRIMARY KEY (user_id),
    CONSTRAINT reset_codes_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT reset_codes_code_hash_length CHECK (octet_length(code_hash) = 32),
    CONSTRAINT reset_codes_period CHECK (expires_at > created_at)
);
CREATE INDEX reset_codes_expires_idx ON reset_codes (expires_at);
CREATE INDEX reset_codes_issued_by_idx ON reset_codes (issued_by) WHERE issued_by IS NOT NULL;

-- Administrators issue codes. A user who sends one has no role yet, and finds only their own.
ALTER TABLE reset_codes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON reset_codes TO CURRENT_USER USING (true);
CREATE POLICY worker ON reset_codes TO CURRENT_USER USING (true);
CREATE POLICY caller ON reset_codes USING (user_id = caller_id('user') OR caller_role() = 'ADMIN') WITH CHECK (caller_role() = 'ADMIN');

-- Locks an account, for an administrator, for its user and for commands, which run as the
-- owner. Whoever issues a code, disables the account or changes its password comes
-- before or after the others, and never between them. It returns whether the account is active.
-- +goose StatementBegin
CREATE FUNCTION lock_account(account bigint) RETURNS SETOF boolean LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
    SELECT u.active FROM users u
    WHERE u.id = account
        AND (caller_role() = 'ADMIN' OR caller_id('user') = account OR pg_has_role(session_user, current_user, 'MEMBER'))
    FOR NO KEY UPDATE;
END;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION lock_account FROM PUBLIC;

-- As in 00013, and a code does not outlive the disabling of its account: it must not become valid again. Nor that of the
-- administrator who issued it, who may have kept it.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION set_user_active(account bigint, activity boolean) RETURNS SETOF bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM FROM users u WHERE caller_role() = 'ADMIN' AND u.id = account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    DELETE FROM sessions s USING users u WHERE s.user_id = account AND u.id = account AND u.active <> activity;
    DELETE FROM reset_codes c USING users u WHERE (c.user_id = account OR c.issued_by = account) AND u.id = account AND u.active <> activity;
    RETURN QUERY UPDATE users changed SET active = activity, updated_at = now() WHERE changed.id = account RETURNING changed.id;
END
$$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION set_user_active SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd

-- Events and notifications about an account: user_id is the account that they concern,
-- and actor_id the administrator who caused the event, null for a command and for the user.
ALTER TABLE outbox ADD COLUMN user_id bigint, ADD COLUMN actor_id bigint;
ALTER TABLE outbox DROP CONSTRAINT outbox_type_known,
    ADD CONSTRAINT outbox_type_known
        CHECK (type IN ('assignment.created', 'record.created', 'comment.created', 'break_glass.opened',
            'reset_code.issued', 'reset_codes.issued', 'password.reset', 'second_factor.reset'));
-- Only administrators tell others of an account, and in whose name.
ALTER POLICY caller_adds ON outbox WITH CHECK (
    caller_role() = 'ADMIN'
    OR actor_id IS NULL AND CASE
        WHEN user_id IS NULL THEN patient_id = caller_id('patient') OR doctor_id = caller_id('verified_doctor')
        ELSE user_id = caller_id('user') AND type = 'password.reset' AND patient_id IS NULL AND doctor_id IS NULL
    END);

ALTER TABLE notifications ADD COLUMN user_id bigint,
    ADD CONSTRAINT notifications_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
CREATE INDEX notifications_user_idx ON notifications (user_id) WHERE user_id IS NOT NULL;
ALTER TABLE notifications DROP CONSTRAINT notifications_type_known,
    ADD CONSTRAINT notifications_type_known
        CHECK (type IN ('PATIENT_ASSIGNED', 'NEW_RECORD', 'COMMENT_ADDED', 'BREAK_GLASS', 'SELF_ASSIGNED',
            'RESET_CODE_ISSUED', 'RESET_CODES_ISSUED', 'PASSWORD_RESET', 'SECOND_FACTOR_RESET'));

-- +goose Down
DELETE FROM notifications WHERE type IN ('RESET_CODE_ISSUED', 'RESET_CODES_ISSUED', 'PASSWORD_RESET', 'SECOND_FACTOR_RESET');
ALTER TABLE notifications DROP CONSTRAINT notifications_type_known,
    ADD CONSTRAINT notifications_type_known
        CHECK (type IN ('PATIENT_ASSIGNED', 'NEW_RECORD', 'COMMENT_ADDED', 'BREAK_GLASS', 'SELF_ASSIGNED'));
ALTER TABLE notifications DROP COLUMN user_id;
DELETE FROM outbox WHERE type IN ('reset_code.issued', 'reset_codes.issued', 'password.reset', 'second_factor.reset');
ALTER POLICY caller_adds ON outbox WITH CHECK (
    patient_id = caller_id('patient') OR doctor_id = caller_id('verified_doctor') OR caller_role() = 'ADMIN');
ALTER TABLE outbox DROP CONSTRAINT outbox_type_known,
    ADD CONSTRAINT outbox_type_known
        CHECK (type IN ('assignment.created', 'record.created', 'comment.created', 'break_glass.opened'));
ALTER TABLE outbox DROP COLUMN user_id, DROP COLUMN actor_id;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION set_user_active(account bigint, activity boolean) RETURNS SETOF bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM FROM users u WHERE caller_role() = 'ADMIN' AND u.id = account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    DELETE FROM sessions s USING users u WHERE s.user_id = account AND u.id = account AND u.active <> activity;
    RETURN QUERY UPDATE users changed SET active = activity, updated_at = now() WHERE changed.id = account RETURNING changed.id;
END
$$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION set_user_active SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd
DROP FUNCTION lock_account;
DROP TABLE reset_codes;
