-- +goose Up

-- The names of people, and when they had them: a log names the actor by the name at that
-- time (docs/adr/0009-names-by-time.md). A change adds a row and leaves the others
-- as they are. No part may write here; triggers do, whichever part or release
-- changes a name.
CREATE TABLE name_versions (
    user_id        bigint      NOT NULL,
    since          timestamptz NOT NULL, -- -infinity: from the beginning
    username       text        NOT NULL,
    first_name     text        NOT NULL,
    last_name      text        NOT NULL,
    license_number text, -- a doctor's; null for everybody else
    CONSTRAINT name_versions_pkey PRIMARY KEY (user_id, since),
    CONSTRAINT name_versions_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

-- The name of a person at a time. A statement that calls it is planned as if the
-- lookup were written out.
-- +goose StatementBegin
CREATE FUNCTION known_as(account bigint, moment timestamptz) RETURNS SETOF name_versions LANGUAGE sql STABLE ROWS 1 BEGIN ATOMIC
    SELECT v.* FROM name_versions v WHERE v.user_id = account AND v.since <= moment ORDER BY v.since DESC LIMIT 1;
END;
-- +goose StatementEnd

-- The time is that of the change: a transaction that waited for another change
-- of the same user began before that one, but comes after it. A clock that was set back
-- changes no order.
-- +goose StatementBegin
CREATE FUNCTION keep_name() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO name_versions (user_id, since, username, first_name, last_name, license_number)
    SELECT NEW.id, CASE WHEN last.user_id IS NULL THEN '-infinity' ELSE greatest(clock_timestamp(), last.since + interval '1 microsecond') END,
        NEW.username, NEW.first_name, NEW.last_name, last.license_number
    FROM (SELECT) AS once
    LEFT JOIN (SELECT * FROM name_versions v WHERE v.user_id = NEW.id ORDER BY v.since DESC LIMIT 1) AS last ON true;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- A profile is made together with its user: a doctor was never known without a number.
-- +goose StatementBegin
CREATE FUNCTION keep_license() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE name_versions SET license_number = NEW.license_number WHERE user_id = NEW.user_id;
        RETURN NULL;
    END IF;
    PERFORM FROM users u WHERE u.id = NEW.user_id FOR NO KEY UPDATE; -- as who changes the name
    INSERT INTO name_versions (user_id, since, username, first_name, last_name, license_number)
    SELECT v.user_id, greatest(clock_timestamp(), v.since + interval '1 microsecond'), v.username, v.first_name, v.last_name, NEW.license_number
    FROM name_versions v WHERE v.user_id = NEW.user_id ORDER BY v.since DESC LIMIT 1;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER user_named AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION keep_name();
CREATE TRIGGER user_renamed AFTER UPDATE ON users FOR EACH ROW
    WHEN ((OLD.username, OLD.first_name, OLD.last_name) IS DISTINCT FROM (NEW.username, NEW.first_name, NEW.last_name))
    EXECUTE FUNCTION keep_name();
CREATE TRIGGER doctor_licensed AFTER INSERT ON doctor_profiles FOR EACH ROW EXECUTE FUNCTION keep_license();
CREATE TRIGGER license_changed AFTER UPDATE ON doctor_profiles FOR EACH ROW
    WHEN (OLD.license_number IS DISTINCT FROM NEW.license_number) EXECUTE FUNCTION keep_license();

-- Earlier names were not kept: the present ones count from the beginning.
INSERT INTO name_versions (user_id, since, username, first_name, last_name, license_number)
SELECT u.id, '-infinity', u.username, u.first_name, u.last_name, d.license_number
FROM users u LEFT JOIN doctor_profiles d ON d.user_id = u.id;

-- The new name that a doctor known to others has requested, until an administrator decides.
CREATE TABLE pending_names (
    user_id    bigint NOT NULL,
    first_name text   NOT NULL,
    last_name  text   NOT NULL,
    CONSTRAINT pending_names_pkey PRIMARY KEY (user_id),
    CONSTRAINT pending_names_doctor_fkey FOREIGN KEY (user_id) REFERENCES doctor_profiles (user_id) ON DELETE CASCADE,
    CONSTRAINT pending_names_first_name_length CHECK (char_length(first_name) <= 150),
    CONSTRAINT pending_names_last_name_length CHECK (char_length(last_name) <= 150)
);

-- The request belongs to that license. Doctors who may not change their name by themselves request it again.
-- +goose StatementBegin
CREATE FUNCTION drop_pending_name() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    DELETE FROM pending_names WHERE user_id = NEW.user_id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER verification_lost AFTER UPDATE ON doctor_profiles FOR EACH ROW
    WHEN (OLD.verified_at IS NOT NULL AND NEW.verified_at IS NULL) EXECUTE FUNCTION drop_pending_name();

-- Carries out an administrator's decision on the pending name of a doctor whose row is locked.
-- +goose StatementBegin
CREATE FUNCTION decide_name(doctor bigint, approved boolean) RETURNS SETOF bigint LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
    WITH decided AS (
        DELETE FROM pending_names p USING doctor_profiles d
        WHERE caller_role() = 'ADMIN' AND d.id = doctor AND p.user_id = d.user_id
        RETURNING p.user_id, p.first_name, p.last_name
    )
    UPDATE users changed SET first_name = decided.first_name, last_name = decided.last_name, updated_at = now()
    FROM decided WHERE changed.id = decided.user_id AND approved RETURNING changed.id;
END;
-- +goose StatementEnd

-- The actor of an entry of the calling patient's access log, as they were known then;
-- no row where the actor is another patient. It is a function and no part of the view
-- callers_audit, which would look up the names of the whole log to show one page.
-- +goose StatementBegin
CREATE FUNCTION who_looked(entry bigint, entered timestamptz) RETURNS SETOF name_versions
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1 BEGIN ATOMIC
    SELECT v.* FROM audit_log l
    JOIN users u ON u.id = l.user_id AND (u.role <> 'PATIENT' OR u.id = caller_id('user'))
    CROSS JOIN LATERAL known_as(u.id, l.at) AS v
    WHERE l.id = entry AND l.at = entered AND l.patient_ids @> ARRAY[caller_id('patient')];
END;
-- +goose StatementEnd

REVOKE EXECUTE ON FUNCTION keep_name, keep_license, drop_pending_name, decide_name, who_looked FROM PUBLIC;

-- No temporary table can take the place of a table that these use.
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION keep_name SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION keep_license SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION drop_pending_name SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd

-- Readers of a user see the names of that user, by the policy of users.
ALTER TABLE name_versions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON name_versions TO CURRENT_USER USING (true);
CREATE POLICY caller_reads ON name_versions FOR SELECT USING (
    user_id = caller_id('user')
    OR license_number IS NOT NULL AND caller_role() IS NOT NULL
    OR caller_role() = 'ADMIN'
    OR license_number IS NULL AND caller_knows(user_id));

ALTER TABLE pending_names ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON pending_names TO CURRENT_USER USING (true);
CREATE POLICY caller_reads ON pending_names FOR SELECT USING (user_id = caller_id('user') OR caller_role() = 'ADMIN');
CREATE POLICY caller_adds ON pending_names FOR INSERT WITH CHECK (user_id = caller_id('user'));

-- The time of the event; null where the previous release wrote the notification. A
-- worker that was away for an hour describes the event as it was then.
ALTER TABLE notifications ADD COLUMN happened_at timestamptz;

-- The canonical form of a license number: blanks, punctuation and case make no
-- difference, nor do O and 0, I and 1, which look alike. New numbers are ASCII. Older
-- ones may have letters of other scripts, which are kept, letters of other widths, or
-- punctuation only.
CREATE FUNCTION license_key(license_number text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(nullif(translate(upper(regexp_replace(
    normalize(license_number, NFKC) COLLATE "C", '[\u0001-/:-@[-`{-\u00a0\u00ad\u2000-\u206f\u2212\ufeff]', '', 'g')), 'OI', '01'), ''), license_number);

-- Marks a doctor whose number was once distinct from another doctor's and is no longer;
-- the first verified one has the number. `migrate` reports the others until they
-- have another.
ALTER TABLE doctor_profiles ADD COLUMN license_twin boolean NOT NULL DEFAULT false;
UPDATE doctor_profiles d SET license_twin = true
FROM (
    SELECT id, row_number() OVER (PARTITION BY license_key(license_number) ORDER BY verified_at IS NULL, id) AS place FROM doctor_profiles
) AS twins
WHERE twins.id = d.id AND twins.place > 1;
-- A doctor who takes another number, by any release, must be its only owner.
-- +goose StatementBegin
CREATE FUNCTION end_twin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.license_twin := false;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER license_twin_left BEFORE UPDATE ON doctor_profiles FOR EACH ROW
    WHEN (OLD.license_twin AND license_key(OLD.license_number) <> license_key(NEW.license_number)) EXECUTE FUNCTION end_twin();

-- A number that its doctor gives up goes to a twin, if one exists: otherwise the
-- next newcomer could have it too. It does not wait for a transaction that
-- works on that twin, because that one may wait for this doctor.
-- +goose StatementBegin
CREATE FUNCTION hand_over_license() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE doctor_profiles SET license_twin = false
    WHERE id = (
        SELECT d.id FROM doctor_profiles d
        WHERE d.license_twin AND license_key(d.license_number) = license_key(OLD.license_number)
        ORDER BY d.verified_at IS NULL, d.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    );
    RETURN NULL;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION hand_over_license FROM PUBLIC;
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION hand_over_license SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd
CREATE TRIGGER license_given_up AFTER UPDATE ON doctor_profiles FOR EACH ROW
    WHEN (NOT OLD.license_twin AND license_key(OLD.license_number) <> license_key(NEW.license_number)) EXECUTE FUNCTION hand_over_license();

-- It keeps the earlier constraint's name, which the previous release knows.
ALTER TABLE doctor_profiles DROP CONSTRAINT doctor_profiles_license_number_key;
CREATE UNIQUE INDEX doctor_profiles_license_number_key ON doctor_profiles (license_key(license_number)) WHERE NOT license_twin;
CREATE INDEX doctor_profiles_license_twin_idx ON doctor_profiles (license_key(license_number)) WHERE license_twin;

-- An administrator's search, as in 00006. LIMIT makes Postgres look up the patients of the users
-- that it finds: for any pattern it expects one user of two hundred to match, and
-- would read all patients for them.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION patients_named(pattern text) RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
    SELECT p.id FROM users u CROSS JOIN LATERAL (SELECT one.id FROM patient_profiles one WHERE one.user_id = u.id LIMIT 1) AS p
    WHERE caller_role() = 'ADMIN' AND (u.first_name || ' ' || u.last_name || ' ' || u.username) ILIKE pattern;
END;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION patients_named(pattern text) RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
    SELECT p.id FROM users u JOIN patient_profiles p ON p.user_id = u.id
    WHERE caller_role() = 'ADMIN' AND (u.first_name || ' ' || u.last_name || ' ' || u.username) ILIKE pattern;
END;
-- +goose StatementEnd
DROP INDEX doctor_profiles_license_number_key;
DROP TRIGGER license_given_up ON doctor_profiles;
DROP TRIGGER license_twin_left ON doctor_profiles;
DROP FUNCTION hand_over_license, end_twin;
ALTER TABLE doctor_profiles DROP COLUMN license_twin,
    ADD CONSTRAINT doctor_profiles_license_number_key UNIQUE (license_number);
DROP FUNCTION license_key;
DROP FUNCTION who_looked, known_as;
ALTER TABLE notifications DROP COLUMN happened_at;
DROP FUNCTION decide_name;
DROP TRIGGER verification_lost ON doctor_profiles;
DROP FUNCTION drop_pending_name;
DROP TABLE pending_names;
DROP TRIGGER license_changed ON doctor_profiles;
DROP TRIGGER doctor_licensed ON doctor_profiles;
DROP TRIGGER user_renamed ON users;
DROP TRIGGER user_named ON users;
DROP FUNCTION keep_name, keep_license;
DROP TABLE name_versions;
