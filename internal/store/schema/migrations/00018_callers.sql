-- +goose Up

-- What identify must know of a user, in one row: it used to join four tables before each statement of a caller. Triggers keep
-- the rows, whichever part or release changes a user.
LOCK TABLE users, patient_profiles, doctor_profiles IN SHARE ROW EXCLUSIVE MODE;
CREATE TABLE callers (
    user_id    bigint  NOT NULL,
    role       text    NOT NULL,
    active     boolean NOT NULL,
    patient_id bigint  NOT NULL DEFAULT 0, -- profile of a patient, else 0
    doctor_id  bigint  NOT NULL DEFAULT 0, -- profile of a doctor, else 0
    verified   boolean NOT NULL DEFAULT false, -- the doctor's license was verified
    CONSTRAINT callers_pkey PRIMARY KEY (user_id),
    CONSTRAINT callers_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

-- +goose StatementBegin
CREATE FUNCTION keep_caller() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO callers (user_id, role, active) VALUES (NEW.id, NEW.role, NEW.active)
    ON CONFLICT (user_id) DO UPDATE SET role = NEW.role, active = NEW.active;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION keep_caller_patient() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE callers SET patient_id = coalesce(NEW.id, 0) WHERE user_id = coalesce(NEW.user_id, OLD.user_id);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION keep_caller_doctor() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE callers SET doctor_id = coalesce(NEW.id, 0), verified = NEW.id IS NOT NULL AND NEW.verified_at IS NOT NULL
    WHERE user_id = coalesce(NEW.user_id, OLD.user_id);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER caller_added AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION keep_caller();
CREATE TRIGGER caller_changed AFTER UPDATE ON users FOR EACH ROW
    WHEN ((OLD.role, OLD.active) IS DISTINCT FROM (NEW.role, NEW.active)) EXECUTE FUNCTION keep_caller();
CREATE TRIGGER caller_is_patient AFTER INSERT OR DELETE ON patient_profiles FOR EACH ROW EXECUTE FUNCTION keep_caller_patient();
CREATE TRIGGER caller_is_doctor AFTER INSERT OR DELETE ON doctor_profiles FOR EACH ROW EXECUTE FUNCTION keep_caller_doctor();
CREATE TRIGGER caller_verified AFTER UPDATE ON doctor_profiles FOR EACH ROW
    WHEN ((OLD.verified_at IS NULL) <> (NEW.verified_at IS NULL)) EXECUTE FUNCTION keep_caller_doctor();

INSERT INTO callers (user_id, role, active, patient_id, doctor_id, verified)
SELECT u.id, u.role, u.active, coalesce(p.id, 0), coalesce(d.id, 0), d.verified_at IS NOT NULL
FROM users u
LEFT JOIN patient_profiles p ON p.user_id = u.id
LEFT JOIN doctor_profiles d ON d.user_id = u.id;

ALTER TABLE callers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON callers TO CURRENT_USER USING (true);

-- As in 00006, by the row of callers, and with one setting for all that the policies read: the ids of user, patient and
-- doctor, the id of the doctor if verified, and the role.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION identify(caller bigint, claimed_role text, session bigint, OUT patient_id bigint, OUT doctor_id bigint, OUT verified boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
BEGIN
    SELECT c.patient_id, c.doctor_id, c.verified INTO patient_id, doctor_id, verified
    FROM callers c WHERE c.user_id = caller AND c.role = claimed_role AND c.active;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the account is not active' USING ERRCODE = 'HR001';
    END IF;
    IF session <> 0 AND NOT EXISTS (SELECT FROM sessions s WHERE s.id = session AND s.user_id = caller) THEN
        RAISE EXCEPTION 'the session has ended' USING ERRCODE = 'HR002';
    END IF;
    PERFORM set_config('healthrecords.caller',
        concat_ws(' ', caller, patient_id, doctor_id, CASE WHEN verified THEN doctor_id ELSE 0 END, claimed_role), true);
END
$$;
-- +goose StatementEnd

-- As in 00006. Before there is a caller, a transaction may have a user alone: see AccountKey. The expression is without
-- COALESCE, which Postgres takes for leaky: then a condition with it could not use an index under a policy.
CREATE OR REPLACE FUNCTION caller_id(what text) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE what
    WHEN 'user' THEN CASE WHEN current_setting('healthrecords.caller', true) <> ''
        THEN split_part(current_setting('healthrecords.caller', true), ' ', 1)
        ELSE nullif(current_setting('healthrecords.user_id', true), '') END
    WHEN 'patient' THEN nullif(split_part(current_setting('healthrecords.caller', true), ' ', 2), '')
    WHEN 'doctor' THEN nullif(split_part(current_setting('healthrecords.caller', true), ' ', 3), '')
    WHEN 'verified_doctor' THEN nullif(split_part(current_setting('healthrecords.caller', true), ' ', 4), '')
END::bigint;
CREATE OR REPLACE FUNCTION caller_role() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(split_part(current_setting('healthrecords.caller', true), ' ', 5), '');

-- The patients whom the caller may see now, as in 00005: one row for each reason. It is for callers only, and reads with its
-- owner's rights, as callers_patients does: its condition names the caller, behind a barrier.
CREATE OR REPLACE VIEW patient_access WITH (security_barrier = true) AS
SELECT caller_id('user') AS user_id, caller_id('patient') AS patient_id, NULL::bigint AS assignment_id, false AS emergency
WHERE caller_id('patient') > 0
UNION ALL
SELECT caller_id('user'), a.patient_id, a.id, a.source = 'break_glass' FROM assignments a
WHERE a.doctor_id = caller_id('verified_doctor')
    AND a.starts_at <= statement_timestamp() AND (a.ends_at IS NULL OR a.ends_at > statement_timestamp());

-- The records that the policy of health_records shows, with the person who made each. The policies of users and records
-- would look for the same access twice; this view looks once, with its owner's rights, behind a barrier.
CREATE VIEW record_details WITH (security_barrier = true) AS
SELECT r.id, r.patient_id, r.created_by, r.record_type, r.title, r.description, r.symptoms, r.diagnosis, r.treatment,
    r.medications, r.visit_date, r.version, r.created_at, r.updated_at, u.username, u.email, u.first_name, u.last_name, u.role
FROM health_records r JOIN users u ON u.id = r.created_by
WHERE r.patient_id = (SELECT caller_id('patient'))
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = r.patient_id OFFSET 0); -- see 00028

-- A comment carries the patient of its record, so that its policy need not look at records. Rows of former releases get it
-- in 00025.
ALTER TABLE doctor_comments ADD COLUMN patient_id bigint;
-- +goose StatementBegin
CREATE FUNCTION comment_has_patient() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    SELECT r.patient_id INTO NEW.patient_id FROM health_records r WHERE r.id = NEW.record_id;
    -- Deleted since the statement found it. The policy is checked before the foreign key, and would refuse the row.
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = 'the record is gone', CONSTRAINT = 'doctor_comments_record_fkey';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER comment_added BEFORE INSERT ON doctor_comments FOR EACH ROW EXECUTE FUNCTION comment_has_patient();

REVOKE EXECUTE ON FUNCTION keep_caller, keep_caller_patient, keep_caller_doctor, comment_has_patient FROM PUBLIC;

-- No temporary table can take the place of a table that these use.
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION identify(bigint, text, bigint) SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION keep_caller SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION keep_caller_patient SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION keep_caller_doctor SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION comment_has_patient SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER comment_added ON doctor_comments;
DROP FUNCTION comment_has_patient;
ALTER TABLE doctor_comments DROP COLUMN patient_id;
DROP VIEW record_details;
DROP TRIGGER caller_added ON users;
DROP TRIGGER caller_changed ON users;
DROP TRIGGER caller_is_patient ON patient_profiles;
DROP TRIGGER caller_is_doctor ON doctor_profiles;
DROP TRIGGER caller_verified ON doctor_profiles;
DROP FUNCTION keep_caller, keep_caller_patient, keep_caller_doctor;
DROP TABLE callers;
CREATE OR REPLACE FUNCTION caller_id(what text) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('healthrecords.' || what || '_id', true), '')::bigint;
CREATE OR REPLACE FUNCTION caller_role() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('healthrecords.role', true), '');
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
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION identify(bigint, text, bigint) SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd
CREATE OR REPLACE VIEW patient_access WITH (security_invoker = true) AS
SELECT p.user_id, p.id AS patient_id, NULL::bigint AS assignment_id, false AS emergency FROM patient_profiles p
UNION ALL
SELECT a.doctor_user_id, a.patient_id, a.id, a.source = 'break_glass' FROM active_assignments a;
