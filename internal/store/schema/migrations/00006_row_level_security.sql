-- +goose Up

-- Row-level security: a statement sees only the rows of its transaction's caller,
-- even where its WHERE lacks a condition. docs/adr/0007-row-level-security.md gives the
-- reasons for this design.

-- The transaction's caller: the ids that identify found, null for a profile that the caller
-- does not have. The settings end with the transaction, and are '' on a connection that had
-- them. Policies of tables of which many rows are read ask by a subquery: Postgres answers it
-- once for each statement and not for each row, though it costs more to plan.
CREATE FUNCTION caller_id(what text) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('healthrecords.' || what || '_id', true), '')::bigint;

CREATE FUNCTION caller_role() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('healthrecords.role', true), '');

-- As in 00002, and it sets the transaction's caller. It reads with the
-- owner's rights, because nobody may read anything before it.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION identify(caller bigint, claimed_role text, session bigint, OUT patient_id bigint, OUT doctor_id bigint, OUT verified boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
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
    PERFORM set_config('healthrecords.user_id', caller::text, true),
        set_config('healthrecords.role', claimed_role, true),
        set_config('healthrecords.patient_id', patient_id::text, true),
        set_config('healthrecords.doctor_id', doctor_id::text, true),
        set_config('healthrecords.verified_doctor_id', CASE WHEN verified THEN doctor_id ELSE 0 END::text, true);
END
$$;
-- +goose StatementEnd

-- The other ways past the policies. Each runs with the owner's rights and is as narrow as its
-- use allows. The names in them are bound here, so that no search path redirects them.

-- Before a login no caller is known. This gives the id only: a transaction that then sets it as
-- its user may read that one account.
-- +goose StatementBegin
CREATE FUNCTION account_named(name text) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
    SELECT u.id FROM users u WHERE lower(u.username) = lower(name);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION account_registered_under(registration_key text) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
    SELECT k.user_id FROM idempotency_keys k WHERE k.operation = 'register' AND k.key = registration_key;
END;
-- +goose StatementEnd

-- An administrator's search. ILIKE is not leakproof, so that under a policy it
-- could not use its index; an administrator sees every patient all the same.
-- +goose StatementBegin
CREATE FUNCTION patients_named(pattern text) RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
    SELECT p.id FROM users u JOIN patient_profiles p ON p.user_id = u.id
    WHERE caller_role() = 'ADMIN' AND (u.first_name || ' ' || u.last_name || ' ' || u.username) ILIKE pattern;
END;
-- +goose StatementEnd

-- An administrator changes nothing else of another user's account. An administrator who disables
-- an account locks the administrators first, in one order: of two who disable each
-- other, one comes second and finds their own account disabled.
-- +goose StatementBegin
CREATE FUNCTION lock_admins() RETURNS SETOF bigint LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
    SELECT u.id FROM users u WHERE caller_role() = 'ADMIN' AND u.role = 'ADMIN' AND u.active ORDER BY u.id FOR NO KEY UPDATE;
END;
-- +goose StatementEnd

-- Either change ends the sessions: a session that a login started while the
-- account was being disabled must not become valid again with it.
-- +goose StatementBegin
CREATE FUNCTION set_user_active(account bigint, activity boolean) RETURNS SETOF bigint LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
    WITH ended AS (
        DELETE FROM sessions s USING users u
        WHERE caller_role() = 'ADMIN' AND s.user_id = u.id AND u.id = account AND u.active <> activity
    )
    UPDATE users changed SET active = activity, updated_at = now()
    WHERE caller_role() = 'ADMIN' AND changed.id = account RETURNING changed.id;
END;
-- +goose StatementEnd

REVOKE EXECUTE ON FUNCTION identify(bigint, text, bigint), account_named, account_registered_under, patients_named,
    lock_admins, set_user_active FROM PUBLIC;

-- A view reads with the rights of its reader, not with those of its owner.
ALTER VIEW accounts SET (security_invoker = true);
ALTER VIEW active_assignments SET (security_invoker = true);
ALTER VIEW patient_access SET (security_invoker = true);
ALTER VIEW comment_details SET (security_invoker = true);

-- The patients whom the calling doctor may see now, for the policies. Only this view reads with its
-- owner's rights: its condition limits it to the caller's own patients, and a barrier
-- keeps that condition before all others. Policies below policies would cost more to
-- plan than the protected rows cost to read.
CREATE VIEW callers_patients WITH (security_barrier = true) AS
SELECT a.patient_id, a.source FROM assignments a
WHERE a.doctor_id = caller_id('verified_doctor')
    AND a.starts_at <= statement_timestamp() AND (a.ends_at IS NULL OR a.ends_at > statement_timestamp());

-- Counts read this view: the records that the policy of health_records shows, with the
-- columns that they are counted by. It hashes the caller's patients once for each
-- statement. The policy looks up the patient of each record, which is best for one record but
-- six times as slow for a hundred thousand.
CREATE VIEW callers_records WITH (security_barrier = true) AS
SELECT r.patient_id, r.record_type, r.visit_date FROM health_records r
WHERE r.patient_id = (SELECT caller_id('patient')) OR r.patient_id IN (SELECT c.patient_id FROM callers_patients c);

-- Whether the account belongs to a patient whom the caller may see now, or to the user who
-- requested one of the caller's assignments. It is in PL/pgSQL, which keeps its
-- plans: users are part of nearly every statement, and each of those would have
-- three more tables to plan and to open.
-- +goose StatementBegin
CREATE FUNCTION caller_knows(account bigint) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN EXISTS (
            SELECT FROM callers_patients c
            WHERE c.patient_id = (SELECT p.id FROM patient_profiles p WHERE p.user_id = account))
        OR EXISTS (
            SELECT FROM assignments a
            WHERE a.requested_by = account AND (a.patient_id = caller_id('patient') OR a.doctor_id = caller_id('doctor')));
END
$$;
-- +goose StatementEnd

-- No temporary table can take the place of a table that these read.
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION identify(bigint, text, bigint) SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION caller_knows SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd

-- The callers' policies are for every role; the other roles have no caller. A
-- policy that has a part's name is for that part's role, which `migrate` sets
-- (see EnsureRoles); the owner is the role that migrates.

ALTER TABLE assignments ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON assignments TO CURRENT_USER USING (true);
CREATE POLICY worker ON assignments FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY controller ON assignments TO CURRENT_USER USING (true);
CREATE POLICY caller_reads ON assignments FOR SELECT USING (
    patient_id = (SELECT caller_id('patient')) OR doctor_id = (SELECT caller_id('doctor')) OR (SELECT caller_role()) = 'ADMIN');
CREATE POLICY caller_adds ON assignments FOR INSERT WITH CHECK (
    requested_by = caller_id('user') AND (doctor_id = caller_id('verified_doctor') OR caller_role() = 'ADMIN'));
CREATE POLICY caller_changes ON assignments FOR UPDATE USING (caller_role() = 'ADMIN');

ALTER TABLE patient_profiles ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON patient_profiles TO CURRENT_USER USING (true);
CREATE POLICY worker ON patient_profiles FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY controller ON patient_profiles FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY caller_reads ON patient_profiles FOR SELECT USING (
    user_id = caller_id('user') OR (SELECT caller_role()) = 'ADMIN'
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = patient_profiles.id));
CREATE POLICY caller_adds ON patient_profiles FOR INSERT WITH CHECK (user_id = caller_id('user'));
CREATE POLICY caller_changes ON patient_profiles FOR UPDATE USING (user_id = caller_id('user'));

-- A user without a role is logging in or registering, and sees only their own account.
-- A doctor's account is in the directory; an administrator's is shown with
-- the assignments that they requested. Nobody becomes an administrator through this.
ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON users TO CURRENT_USER USING (true);
CREATE POLICY worker ON users FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY controller ON users FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY caller_reads ON users FOR SELECT USING (
    id = caller_id('user')
    OR role = 'DOCTOR' AND caller_role() IS NOT NULL
    OR caller_role() = 'ADMIN'
    OR role <> 'DOCTOR' AND caller_knows(id));
CREATE POLICY caller_adds ON users FOR INSERT WITH CHECK (id = caller_id('user') AND role IN ('PATIENT', 'DOCTOR'));
CREATE POLICY caller_changes ON users FOR UPDATE USING (id = caller_id('user'));

ALTER TABLE health_records ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON health_records TO CURRENT_USER USING (true);
CREATE POLICY worker ON health_records FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY caller_reads ON health_records FOR SELECT USING (
    patient_id = (SELECT caller_id('patient'))
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = health_records.patient_id));
CREATE POLICY caller_adds ON health_records FOR INSERT WITH CHECK (
    patient_id = caller_id('patient') AND created_by = caller_id('user'));
CREATE POLICY caller_changes ON health_records FOR UPDATE USING (patient_id = caller_id('patient'));
CREATE POLICY caller_removes ON health_records FOR DELETE USING (patient_id = caller_id('patient'));

-- readers of a record see its comments; only doctors see the private ones
ALTER TABLE doctor_comments ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON doctor_comments TO CURRENT_USER USING (true);
CREATE POLICY worker ON doctor_comments FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY caller_reads ON doctor_comments FOR SELECT USING (
    (NOT is_private OR caller_role() = 'DOCTOR')
    AND EXISTS (SELECT FROM health_records r WHERE r.id = doctor_comments.record_id));
CREATE POLICY caller_adds ON doctor_comments FOR INSERT WITH CHECK (
    doctor_id = caller_id('verified_doctor')
    AND EXISTS (
        SELECT FROM health_records r JOIN callers_patients c ON c.patient_id = r.patient_id
        WHERE r.id = doctor_comments.record_id AND c.source <> 'break_glass'));

-- Everybody may add to the log, also about a caller who was refused and so has no
-- transaction. The log is read through the views below: a condition on the
-- array of patients is not leakproof, and could not use its index under a policy.
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON audit_log TO CURRENT_USER USING (true);
CREATE POLICY worker ON audit_log FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY everybody_adds ON audit_log FOR INSERT WITH CHECK (true);

-- The calling patient's own part of each row, with the name of the actor, unless that is a patient.
CREATE VIEW callers_audit WITH (security_barrier = true) AS
SELECT l.id, l.at, l.user_id, l.role, l.operation, l.object_kind, l.object_id, l.reason, l.decision,
    nullif(l.assignment_ids[array_position(l.patient_ids, caller_id('patient'))], 0) AS assignment_id,
    u.username, u.first_name, u.last_name
FROM audit_log l
LEFT JOIN users u ON u.id = l.user_id AND (u.role <> 'PATIENT' OR u.id = caller_id('user'))
WHERE l.patient_ids @> ARRAY[caller_id('patient')];

-- The whole log, for an administrator: a condition that is the same for every row
-- needs no barrier.
CREATE VIEW audit_entries AS SELECT l.* FROM audit_log l WHERE (SELECT caller_role()) = 'ADMIN';

ALTER TABLE outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON outbox TO CURRENT_USER USING (true);
CREATE POLICY worker ON outbox TO CURRENT_USER USING (true);
CREATE POLICY controller ON outbox TO CURRENT_USER USING (true);
CREATE POLICY caller_adds ON outbox FOR INSERT WITH CHECK (
    patient_id = caller_id('patient') OR doctor_id = caller_id('verified_doctor') OR caller_role() = 'ADMIN');

ALTER TABLE notifications ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON notifications TO CURRENT_USER USING (true);
CREATE POLICY worker ON notifications FOR INSERT TO CURRENT_USER WITH CHECK (true);
CREATE POLICY caller_reads ON notifications FOR SELECT USING (recipient_id = (SELECT caller_id('user')));
CREATE POLICY caller_changes ON notifications FOR UPDATE USING (recipient_id = (SELECT caller_id('user')));

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON idempotency_keys TO CURRENT_USER USING (true);
CREATE POLICY worker ON idempotency_keys TO CURRENT_USER USING (true);
CREATE POLICY caller ON idempotency_keys USING (user_id = caller_id('user'));

-- +goose Down
-- +goose StatementBegin
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT tablename, policyname FROM pg_policies WHERE schemaname = current_schema() LOOP
        EXECUTE format('DROP POLICY %I ON %I', one.policyname, one.tablename);
    END LOOP;
    FOR one IN SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relrowsecurity LOOP
        EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', one.relname);
    END LOOP;
END
$$;
-- +goose StatementEnd
DROP VIEW callers_records, callers_patients, callers_audit, audit_entries;
ALTER VIEW accounts RESET (security_invoker);
ALTER VIEW active_assignments RESET (security_invoker);
ALTER VIEW patient_access RESET (security_invoker);
ALTER VIEW comment_details RESET (security_invoker);
DROP FUNCTION account_named, account_registered_under, patients_named, lock_admins, set_user_active, caller_knows, caller_id, caller_role;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION identify(caller bigint, claimed_role text, session bigint, OUT patient_id bigint, OUT doctor_id bigint, OUT verified boolean)
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
GRANT EXECUTE ON FUNCTION identify(bigint, text, bigint) TO PUBLIC;
