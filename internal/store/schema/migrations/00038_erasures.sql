-- +goose Up

-- In the order in which others lock them.
LOCK TABLE users, patient_profiles, health_records, assignment_claims, assignments IN SHARE ROW EXCLUSIVE MODE;

-- Requests to erase a patient's data and, once they are carried out, the certificates of what was removed. A row has ids, times,
-- numbers and the reason that its requester gave, and no foreign keys: it outlives what it is about.
-- docs/adr/0015-erasure.md gives the reasons.
CREATE TABLE erasures (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    patient_id     bigint      NOT NULL,
    reason         text        NOT NULL,
    requested_by   bigint      DEFAULT caller_id('user'), -- null: a command
    requested_at   timestamptz NOT NULL DEFAULT now(),
    confirmed_by   bigint,      -- null: a command, or nobody yet
    erased_at      timestamptz, -- null: it waits for its confirmation
    removed        jsonb,       -- how many rows of each kind
    schema_version bigint,      -- the newest migration at that time
    CONSTRAINT erasures_pkey PRIMARY KEY (id),
    CONSTRAINT erasures_patient_id_key UNIQUE (patient_id),
    CONSTRAINT erasures_reason_length CHECK (char_length(reason) BETWEEN 1 AND 500),
    CONSTRAINT erasures_two_people CHECK (erased_at IS NULL OR requested_by IS DISTINCT FROM confirmed_by),
    CONSTRAINT erasures_erased_agrees CHECK (
        (erased_at IS NULL) = (removed IS NULL) AND (erased_at IS NULL) = (schema_version IS NULL) AND (erased_at IS NOT NULL OR confirmed_by IS NULL))
);
ALTER TABLE erasures ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON erasures TO CURRENT_USER USING (true);
CREATE POLICY caller_reads ON erasures FOR SELECT USING ((SELECT caller_role()) = 'ADMIN');
CREATE POLICY caller_adds ON erasures FOR INSERT WITH CHECK (caller_role() = 'ADMIN' AND requested_by = caller_id('user'));
CREATE POLICY caller_removes ON erasures FOR DELETE USING (caller_role() = 'ADMIN' AND erased_at IS NULL);

-- Nothing is written about a patient any more whose data was erased. Whoever adds something shares the patient's lock: either an
-- erasure waits and then removes it, or it is refused here. The foreign key alone does not see the difference.
-- +goose StatementBegin
CREATE FUNCTION patient_is_kept() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM FROM patient_profiles p WHERE p.id = NEW.patient_id AND p.erased_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = 'the patient is gone', CONSTRAINT = TG_TABLE_NAME || '_patient_fkey';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER patient_is_kept BEFORE INSERT ON health_records FOR EACH ROW EXECUTE FUNCTION patient_is_kept();
CREATE TRIGGER a_patient_is_kept BEFORE INSERT ON assignment_claims FOR EACH ROW EXECUTE FUNCTION patient_is_kept();
-- the other assignments come from claims
CREATE TRIGGER a_patient_is_kept BEFORE INSERT ON assignments FOR EACH ROW WHEN (NEW.source = 'break_glass') EXECUTE FUNCTION patient_is_kept();

-- A request of the patient that had begun before the erasure.
-- +goose StatementBegin
CREATE FUNCTION profile_stays_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the account is not active' USING ERRCODE = 'HR001';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER profile_stays_erased BEFORE UPDATE ON patient_profiles FOR EACH ROW
    WHEN (OLD.erased_at IS NOT NULL) EXECUTE FUNCTION profile_stays_erased();

-- The account can neither be enabled again nor get another name or password.
-- +goose StatementBegin
CREATE FUNCTION account_stays_erased() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM patient_profiles p WHERE p.user_id = OLD.id AND p.erased_at IS NOT NULL) THEN
        RAISE EXCEPTION 'the data of the account was erased' USING ERRCODE = 'HR003';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER account_stays_erased BEFORE UPDATE ON users FOR EACH ROW
    WHEN (OLD.role = 'PATIENT' AND NOT OLD.active
        AND (OLD.username, OLD.email, OLD.first_name, OLD.last_name, OLD.phone_number, OLD.password_hash, OLD.active)
            IS DISTINCT FROM (NEW.username, NEW.email, NEW.first_name, NEW.last_name, NEW.phone_number, NEW.password_hash, NEW.active))
    EXECUTE FUNCTION account_stays_erased();

-- Locks what an erasure changes, in the order in which others lock it: imports, doctors, records, deleted ones, and the patient.
-- What others add before the patient is locked would be locked last. So the locks are then given back, and the function begins
-- again.
-- +goose StatementBegin
CREATE FUNCTION lock_for_erasure(patient bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    doctors bigint[];
    records bigint;
    deleted bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('healthrecords.import', 0));
    LOOP
        BEGIN
            doctors := ARRAY(
                SELECT c.doctor_id FROM assignment_claims c WHERE c.patient_id = patient
                UNION SELECT a.doctor_id FROM assignments a WHERE a.patient_id = patient);
            PERFORM FROM doctor_profiles d WHERE d.id = ANY (doctors) ORDER BY d.id FOR NO KEY UPDATE;
            PERFORM FROM health_records r WHERE r.patient_id = patient ORDER BY r.id FOR UPDATE;
            GET DIAGNOSTICS records = ROW_COUNT;
            PERFORM FROM record_versions v WHERE v.patient_id = patient AND v.deleted_at IS NOT NULL AND v.restored_at IS NULL
            ORDER BY v.record_id FOR UPDATE;
            GET DIAGNOSTICS deleted = ROW_COUNT;
            PERFORM FROM patient_profiles p WHERE p.id = patient FOR NO KEY UPDATE;
            IF records = (SELECT count(*) FROM health_records r WHERE r.patient_id = patient)
                AND deleted = (
                    SELECT count(*) FROM record_versions v
                    WHERE v.patient_id = patient AND v.deleted_at IS NOT NULL AND v.restored_at IS NULL)
                AND NOT EXISTS (SELECT FROM assignment_claims c WHERE c.patient_id = patient AND c.doctor_id <> ALL (doctors))
                AND NOT EXISTS (SELECT FROM assignments a WHERE a.patient_id = patient AND a.doctor_id <> ALL (doctors))
            THEN
                RETURN;
            END IF;
            RAISE EXCEPTION USING ERRCODE = 'HR000';
        EXCEPTION WHEN SQLSTATE 'HR000' THEN
            NULL;
        END;
    END LOOP;
END
$$;

-- Removes the records of a locked patient, with versions and comments, deleted ones too. Indexes and tables that the search keeps
-- of records lose their rows with these.
CREATE FUNCTION erase_records(patient bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    removed jsonb;
    ids     bigint[] := ARRAY(
        SELECT r.id FROM health_records r WHERE r.patient_id = patient
        UNION SELECT v.record_id FROM record_versions v WHERE v.patient_id = patient);
BEGIN
    SELECT jsonb_build_object('records', cardinality(ids),
        'record_versions', (SELECT count(*) FROM record_versions v WHERE v.patient_id = patient),
        'comments', count(*), 'comment_versions', coalesce(sum(c.versions), 0)) INTO removed
    FROM (
        SELECT (SELECT count(*) FROM comment_versions v WHERE v.comment_id = o.id) AS versions
        FROM doctor_comments o WHERE o.record_id = ANY (ids)
    ) AS c;
    DELETE FROM health_records r WHERE r.patient_id = patient; -- a trigger keeps the last versions
    DELETE FROM record_versions v WHERE v.patient_id = patient;
    DELETE FROM doctor_comments c WHERE c.record_id = ANY (ids);
    DELETE FROM record_counts c WHERE c.patient_id = patient; -- they add up to 0, and tell the types of the records
    RETURN removed;
END
$$;

-- Ends all access to a locked patient, and empties what people wrote about it.
CREATE FUNCTION erase_access(patient bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    UPDATE assignment_claims c SET ended_at = coalesce(c.ended_at, least(c.ends_at, statement_timestamp())), reason = '', declared_by = NULL
    WHERE c.patient_id = patient;
    GET DIAGNOSTICS n = ROW_COUNT;
    -- patient_erased empties the assignments
    RETURN jsonb_build_object('claims', n, 'assignments', (SELECT count(*) FROM assignments a WHERE a.patient_id = patient));
END
$$;

-- It is a trigger, because those of assignments take for a former release's what is written outside of one: see 00016.
CREATE FUNCTION erase_assignments() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE assignments a SET declared_by = NULL, reason = CASE a.source WHEN 'break_glass' THEN 'erased' ELSE '' END,
        ends_at = least(a.ends_at, greatest(a.starts_at, statement_timestamp()))
    WHERE a.patient_id = NEW.id;
    RETURN NULL;
END
$$;

-- Removes what makes it possible to log in to an account, and its notifications, names and other details. The row stays, under a
-- name that nobody else has. Each name that others knew it by is replaced by this one.
CREATE FUNCTION erase_account(account bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    removed jsonb := '{}';
    n       bigint;
    nobody  text := 'erased-' || account;
BEGIN
    PERFORM FROM users u WHERE u.id = account FOR NO KEY UPDATE; -- a login has either begun its session, or finds the account disabled
    IF EXISTS (SELECT FROM users u WHERE lower(u.username) = nobody AND u.id <> account) THEN
        nobody := nobody || '-' || gen_random_uuid();
    END IF;
    DELETE FROM sessions s WHERE s.user_id = account;
    GET DIAGNOSTICS n = ROW_COUNT;
    removed := removed || jsonb_build_object('sessions', n);
    DELETE FROM notifications m WHERE m.recipient_id = account;
    GET DIAGNOSTICS n = ROW_COUNT;
    removed := removed || jsonb_build_object('notifications', n);
    DELETE FROM idempotency_keys k WHERE k.user_id = account;
    GET DIAGNOSTICS n = ROW_COUNT;
    removed := removed || jsonb_build_object('kept_answers', n);
    DELETE FROM reset_codes c WHERE c.user_id = account;
    DELETE FROM totp_factors f WHERE f.user_id = account; -- with its recovery codes
    UPDATE users u SET username = nobody, email = '', first_name = '', last_name = '', phone_number = '', password_hash = '',
        credentials_version = u.credentials_version + 1, active = false, updated_at = now()
    WHERE u.id = account;
    DELETE FROM name_versions v WHERE v.user_id = account;
    GET DIAGNOSTICS n = ROW_COUNT;
    INSERT INTO name_versions (user_id, since, username, first_name, last_name) VALUES (account, '-infinity', nobody, '', '');
    RETURN removed || jsonb_build_object('names', n - 1); -- without the one that the change of the account added
END
$$;

-- Carries out the erasure that somebody else requested, for an administrator and for commands, which run as the owner. It returns
-- 'done', or why it changed nothing.
CREATE FUNCTION erase_patient(patient bigint) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    asked   erasures;
    account bigint;
    counts  jsonb;
BEGIN
    IF caller_role() IS DISTINCT FROM 'ADMIN' AND NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
        RETURN 'not_requested';
    END IF;
    PERFORM lock_for_erasure(patient);
    SELECT e.* INTO asked FROM erasures e WHERE e.patient_id = patient;
    CASE
        WHEN asked.id IS NULL THEN RETURN 'not_requested';
        WHEN asked.erased_at IS NOT NULL THEN RETURN 'erased';
        WHEN EXISTS (SELECT FROM legal_holds h WHERE h.patient_id = patient) THEN RETURN 'legal_hold';
        WHEN asked.requested_by IS NOT DISTINCT FROM caller_id('user') THEN RETURN 'own_request';
        ELSE NULL;
    END CASE;
    SELECT p.user_id INTO account FROM patient_profiles p WHERE p.id = patient;
    -- Doctors' kept answers have no texts, but digests of what they sent.
    DELETE FROM idempotency_keys k USING doctor_profiles d
    WHERE d.id = ANY (ARRAY(SELECT a.doctor_id FROM assignments a WHERE a.patient_id = patient)) AND k.user_id = d.user_id
        AND k.answer @> jsonb_build_object('PatientID', patient);
    counts := erase_records(patient) || erase_access(patient) || erase_account(account);
    UPDATE patient_profiles p SET date_of_birth = NULL, blood_type = '', address = '', emergency_contact = '', source_id = NULL, erased_at = now()
    WHERE p.id = patient;
    UPDATE erasures e SET confirmed_by = caller_id('user'), erased_at = now(), removed = counts,
        schema_version = (SELECT max(g.version_id) FROM goose_db_version g WHERE g.is_applied)
    WHERE e.id = asked.id;
    RETURN 'done';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER patient_erased AFTER UPDATE ON patient_profiles FOR EACH ROW
    WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL) EXECUTE FUNCTION erase_assignments();

-- No temporary table can take the place of a table that these use. Only erase_patient is for others.
-- +goose StatementBegin
DO $$
DECLARE
    function text;
BEGIN
    FOREACH function IN ARRAY ARRAY['patient_is_kept', 'profile_stays_erased', 'account_stays_erased', 'lock_for_erasure', 'erase_records',
        'erase_access', 'erase_assignments', 'erase_account', 'erase_patient'] LOOP
        EXECUTE format('ALTER FUNCTION %I SET search_path = %I, pg_temp', function, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %I FROM PUBLIC', function);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER patient_erased ON patient_profiles;
DROP TRIGGER account_stays_erased ON users;
DROP TRIGGER profile_stays_erased ON patient_profiles;
DROP TRIGGER patient_is_kept ON health_records;
DROP TRIGGER a_patient_is_kept ON assignment_claims;
DROP TRIGGER a_patient_is_kept ON assignments;
DROP FUNCTION erase_patient, erase_account, erase_assignments, erase_access, erase_records, lock_for_erasure, account_stays_erased,
    profile_stays_erased, patient_is_kept;
DROP TABLE erasures;
