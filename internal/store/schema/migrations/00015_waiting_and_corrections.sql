-- +goose Up

-- In the order in which others lock them: each request reads its session first, and events and
-- notifications are added last. In another order the migration would hold what a request
-- needs, while it waits for that request.
LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE;
LOCK TABLE users, doctor_profiles, assignments IN SHARE MODE;
LOCK TABLE doctor_comments, outbox, notifications IN ACCESS EXCLUSIVE MODE;

-- Administrators are notified of doctors who wait for them, and doctors of the decision.
ALTER TABLE outbox DROP CONSTRAINT outbox_type_known,
    ADD CONSTRAINT outbox_type_known
        CHECK (type IN ('assignment.created', 'record.created', 'comment.created', 'break_glass.opened',
            'reset_code.issued', 'reset_codes.issued', 'password.reset', 'second_factor.reset',
            'doctor.registered', 'doctor.name_requested', 'doctor.verified', 'doctor.unverified'));
ALTER TABLE notifications DROP CONSTRAINT notifications_type_known,
    ADD CONSTRAINT notifications_type_known
        CHECK (type IN ('PATIENT_ASSIGNED', 'NEW_RECORD', 'COMMENT_ADDED', 'BREAK_GLASS', 'SELF_ASSIGNED',
            'RESET_CODE_ISSUED', 'RESET_CODES_ISSUED', 'PASSWORD_RESET', 'SECOND_FACTOR_RESET',
            'DOCTOR_REGISTERED', 'NAME_REQUESTED', 'LICENSE_VERIFIED', 'LICENSE_UNVERIFIED'));

-- A user adds the events of their own doctor's profile: at registration they are no
-- caller yet, and an unverified doctor adds no other events.
CREATE POLICY doctor_adds ON outbox FOR INSERT WITH CHECK (
    type IN ('doctor.registered', 'doctor.name_requested', 'doctor.unverified') AND patient_id IS NULL AND user_id IS NULL AND actor_id IS NULL
    AND doctor_id = (SELECT d.id FROM doctor_profiles d WHERE d.user_id = caller_id('user')));

-- The lists of users by role, of disabled users, and of doctors who wait for their verification.
CREATE INDEX users_role_idx ON users (role, id) INCLUDE (active);
CREATE INDEX users_disabled_idx ON users (id) INCLUDE (role) WHERE NOT active;
CREATE INDEX doctor_profiles_unverified_idx ON doctor_profiles (user_id) WHERE verified_at IS NULL;
CREATE INDEX users_email_search_idx ON users USING gin (email gin_trgm_ops);
-- an administrator's list of emergency access
CREATE INDEX assignments_break_glass_idx ON assignments (id) WHERE source = 'break_glass';

-- A page of an administrator's list of users, and the number of all that match. The statement has only
-- the conditions that are asked for, so that each of them uses its index; it is put together of
-- constants. An administrator sees every user all the same: see patients_named in 00006.
-- +goose StatementBegin
CREATE FUNCTION users_found(pattern text, wanted_role text, wanted_active boolean, wanted_verified boolean, beyond bigint, back boolean, most integer, skip integer)
RETURNS TABLE (id bigint, total bigint) LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20 AS $$
DECLARE
    found text := 'SELECT u.id FROM users u'
        || CASE WHEN wanted_verified THEN ' JOIN doctor_profiles d ON d.user_id = u.id AND d.verified_at IS NOT NULL'
            WHEN NOT wanted_verified THEN ' JOIN doctor_profiles d ON d.user_id = u.id AND d.verified_at IS NULL' ELSE '' END
        || ' WHERE true'
        || CASE WHEN pattern <> '' THEN ' AND ((u.first_name || '' '' || u.last_name || '' '' || u.username) ILIKE $1 OR u.email ILIKE $1)' ELSE '' END
        || CASE WHEN wanted_role <> '' THEN ' AND u.role = $2' ELSE '' END
        || CASE WHEN wanted_active THEN ' AND u.active' WHEN NOT wanted_active THEN ' AND NOT u.active' ELSE '' END;
    matching bigint;
BEGIN
    IF caller_role() IS DISTINCT FROM 'ADMIN' THEN
        RETURN;
    END IF;
    EXECUTE 'SELECT count(*) FROM (' || found || ') AS found' INTO matching USING pattern, wanted_role;
    RETURN QUERY EXECUTE 'SELECT found.id, $6 FROM (' || found
        || CASE WHEN back THEN ' AND u.id < $3 ORDER BY u.id DESC' ELSE ' AND u.id > $3 ORDER BY u.id' END
        || ' LIMIT $4 OFFSET $5) AS found'
        USING pattern, wanted_role, beyond, most, skip, matching;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION users_found FROM PUBLIC;
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION users_found SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd

-- Authors can correct a comment for a while. The version counts the texts; it is part of
-- the record's ETag.
ALTER TABLE doctor_comments ADD COLUMN version bigint NOT NULL DEFAULT 1, ADD COLUMN updated_at timestamptz; -- null: not corrected

-- As for adding a comment. Whatever a program asks for, a comment is final after a day.
CREATE POLICY caller_changes ON doctor_comments FOR UPDATE USING (
    doctor_id = caller_id('verified_doctor') AND created_at > statement_timestamp() - interval '24 hours'
    AND EXISTS (
        SELECT FROM health_records r JOIN callers_patients c ON c.patient_id = r.patient_id
        WHERE r.id = doctor_comments.record_id AND c.source <> 'break_glass'));

CREATE OR REPLACE VIEW comment_details WITH (security_invoker = true) AS
SELECT c.id, c.record_id, c.comment, c.is_private, c.created_at, c.doctor_id,
    d.specialization, d.license_number, d.years_of_experience,
    u.id AS user_id, u.username, u.first_name, u.last_name, c.version, coalesce(c.updated_at, c.created_at) AS updated_at
FROM doctor_comments c
JOIN doctor_profiles d ON d.id = c.doctor_id
JOIN users u ON u.id = d.user_id;

-- As in 00009, also for the correction of a private comment.
CREATE OR REPLACE VIEW callers_audit WITH (security_barrier = true) AS
SELECT l.id, l.at, l.user_id, l.role,
    CASE read.record WHEN 0 THEN l.operation WHEN -1 THEN 'listRecords' ELSE 'getRecord' END AS operation,
    CASE read.record WHEN 0 THEN l.object_kind ELSE 'record' END AS object_kind,
    CASE read.record WHEN 0 THEN l.object_id WHEN -1 THEN NULL ELSE read.record END AS object_id,
    l.reason, l.decision,
    nullif(l.assignment_ids[array_position(l.patient_ids, caller_id('patient'))], 0) AS assignment_id,
    u.username, u.first_name, u.last_name
FROM audit_log l
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN l.operation NOT IN ('addComment', 'correctComment') OR l.decision <> 'allowed' THEN 0
        WHEN l.object_kind = 'record' THEN l.object_id
        ELSE coalesce((SELECT CASE WHEN c.is_private THEN c.record_id ELSE 0 END FROM doctor_comments c WHERE c.id = l.object_id), -1)
    END AS record
) AS read
LEFT JOIN users u ON u.id = l.user_id AND (u.role <> 'PATIENT' OR u.id = caller_id('user'))
WHERE l.patient_ids @> ARRAY[caller_id('patient')];

-- Where a session was started and used last: the client's own description and its address.
ALTER TABLE sessions
    ADD COLUMN device text, ADD COLUMN address inet, ADD COLUMN last_device text, ADD COLUMN last_address inet,
    ADD CONSTRAINT sessions_device_length CHECK (char_length(device) <= 200),
    ADD CONSTRAINT sessions_last_device_length CHECK (char_length(last_device) <= 200);

-- The caller's own sessions. The server may read the devices and addresses here only.
CREATE VIEW callers_sessions WITH (security_barrier = true) AS
SELECT s.id, s.created_at, s.last_used_at, s.expires_at, s.device, s.address, s.last_device, s.last_address
FROM sessions s WHERE s.user_id = caller_id('user');

-- Starts a session, and ends the user's oldest ones beyond the limit. It starts nothing for a user
-- who is not active, or whose credentials were changed since they were checked. The user's
-- row is locked first: of two logins, the second counts the session of the first, which a
-- single statement would not see. A concurrent change of the credentials ends either this
-- session or this call.
-- +goose StatementBegin
CREATE FUNCTION start_session(account bigint, version bigint, hash bytea, lifetime float8, most integer, used_device text, used_address inet)
RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
    started bigint;
BEGIN
    PERFORM FROM users u WHERE u.id = account AND u.active AND u.credentials_version = version FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO sessions (user_id, expires_at, device, address, last_device, last_address)
    VALUES (account, now() + make_interval(secs => lifetime), used_device, used_address, used_device, used_address)
    RETURNING id INTO started;
    INSERT INTO refresh_tokens (session_id, token_hash, expires_at) VALUES (started, hash, now() + make_interval(secs => lifetime));
    DELETE FROM sessions WHERE id = ANY(ARRAY(
        SELECT s.id FROM sessions s WHERE s.user_id = account AND s.id <> started AND s.expires_at > now() ORDER BY s.id DESC OFFSET most - 1));
    RETURN NEXT started;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION start_session FROM PUBLIC;

-- +goose Down
DROP FUNCTION start_session;
DROP VIEW callers_sessions;
ALTER TABLE sessions DROP COLUMN device, DROP COLUMN address, DROP COLUMN last_device, DROP COLUMN last_address;
CREATE OR REPLACE VIEW callers_audit WITH (security_barrier = true) AS
SELECT l.id, l.at, l.user_id, l.role,
    CASE read.record WHEN 0 THEN l.operation WHEN -1 THEN 'listRecords' ELSE 'getRecord' END AS operation,
    CASE read.record WHEN 0 THEN l.object_kind ELSE 'record' END AS object_kind,
    CASE read.record WHEN 0 THEN l.object_id WHEN -1 THEN NULL ELSE read.record END AS object_id,
    l.reason, l.decision,
    nullif(l.assignment_ids[array_position(l.patient_ids, caller_id('patient'))], 0) AS assignment_id,
    u.username, u.first_name, u.last_name
FROM audit_log l
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN l.operation <> 'addComment' OR l.decision <> 'allowed' THEN 0
        WHEN l.object_kind = 'record' THEN l.object_id
        ELSE coalesce((SELECT CASE WHEN c.is_private THEN c.record_id ELSE 0 END FROM doctor_comments c WHERE c.id = l.object_id), -1)
    END AS record
) AS read
LEFT JOIN users u ON u.id = l.user_id AND (u.role <> 'PATIENT' OR u.id = caller_id('user'))
WHERE l.patient_ids @> ARRAY[caller_id('patient')];
DROP VIEW comment_details;
CREATE VIEW comment_details WITH (security_invoker = true) AS
SELECT c.id, c.record_id, c.comment, c.is_private, c.created_at, c.doctor_id,
    d.specialization, d.license_number, d.years_of_experience,
    u.id AS user_id, u.username, u.first_name, u.last_name
FROM doctor_comments c
JOIN doctor_profiles d ON d.id = c.doctor_id
JOIN users u ON u.id = d.user_id;
DROP POLICY caller_changes ON doctor_comments;
ALTER TABLE doctor_comments DROP COLUMN version, DROP COLUMN updated_at;
DROP FUNCTION users_found;
DROP INDEX users_role_idx, users_disabled_idx, doctor_profiles_unverified_idx, users_email_search_idx, assignments_break_glass_idx;
DROP POLICY doctor_adds ON outbox;
DELETE FROM notifications WHERE type IN ('DOCTOR_REGISTERED', 'NAME_REQUESTED', 'LICENSE_VERIFIED', 'LICENSE_UNVERIFIED');
DELETE FROM outbox WHERE type IN ('doctor.registered', 'doctor.name_requested', 'doctor.verified', 'doctor.unverified');
ALTER TABLE notifications DROP CONSTRAINT notifications_type_known,
    ADD CONSTRAINT notifications_type_known
        CHECK (type IN ('PATIENT_ASSIGNED', 'NEW_RECORD', 'COMMENT_ADDED', 'BREAK_GLASS', 'SELF_ASSIGNED',
            'RESET_CODE_ISSUED', 'RESET_CODES_ISSUED', 'PASSWORD_RESET', 'SECOND_FACTOR_RESET'));
ALTER TABLE outbox DROP CONSTRAINT outbox_type_known,
    ADD CONSTRAINT outbox_type_known
        CHECK (type IN ('assignment.created', 'record.created', 'comment.created', 'break_glass.opened',
            'reset_code.issued', 'reset_codes.issued', 'password.reset', 'second_factor.reset'));
