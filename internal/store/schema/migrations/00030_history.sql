-- +goose Up

-- In the order in which others lock them. Patients stay readable: whoever inserts a record has locked the records before they
-- read the patient.
LOCK TABLE patient_profiles IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE health_records, doctor_comments IN ACCESS EXCLUSIVE MODE;

-- A record that was entered in error has a record_type with the prefix ENTERED_IN_ERROR: and its type behind it, such as
-- ENTERED_IN_ERROR:CHECKUP. So the indexes, the counts and the plans of lists, which all have the type, leave these records out
-- at no cost. docs/adr/0013-history.md gives the reasons.
ALTER TABLE health_records
    ADD COLUMN error_reason text, -- why it is marked; null: it is not
    ADD COLUMN language     text, -- of its texts, for the search; null: that of the installation
    ADD COLUMN updated_by   bigint, -- who made this version; null: the first one, an import or a command
    DROP CONSTRAINT health_records_type_known,
    ADD CONSTRAINT health_records_type_known CHECK (record_type IN ('CHECKUP', 'DIAGNOSIS', 'PRESCRIPTION', 'LAB_RESULT', 'EMERGENCY',
        'ENTERED_IN_ERROR:CHECKUP', 'ENTERED_IN_ERROR:DIAGNOSIS', 'ENTERED_IN_ERROR:PRESCRIPTION', 'ENTERED_IN_ERROR:LAB_RESULT',
        'ENTERED_IN_ERROR:EMERGENCY')) NOT VALID,
    ADD CONSTRAINT health_records_error_reason_length CHECK (char_length(error_reason) BETWEEN 1 AND 500) NOT VALID,
    ADD CONSTRAINT health_records_language_known CHECK (language IN ('en', 'de', 'fr', 'es', 'ru', 'simple')) NOT VALID;

-- The versions of records that another version or a deletion has ended. A deleted record is the row with deleted_at, until
-- somebody restores it.
CREATE TABLE record_versions (
    record_id     bigint      NOT NULL,
    version       bigint      NOT NULL,
    patient_id    bigint      NOT NULL,
    created_by    bigint      NOT NULL,
    record_type   text        NOT NULL,
    title         text        NOT NULL,
    description   text        NOT NULL,
    symptoms      text        NOT NULL,
    diagnosis     text        NOT NULL,
    treatment     text        NOT NULL,
    medications   text        NOT NULL,
    visit_date    timestamptz NOT NULL,
    error_reason  text,
    language      text,
    source_id     text,
    source_digest bytea,
    created_at    timestamptz NOT NULL, -- of the record
    updated_at    timestamptz NOT NULL, -- of the version
    updated_by    bigint,
    deleted_at    timestamptz, -- null: another version followed
    deleted_by    bigint, -- null: a command
    restored_at   timestamptz,
    CONSTRAINT record_versions_pkey PRIMARY KEY (record_id, version),
    CONSTRAINT record_versions_patient_fkey FOREIGN KEY (patient_id) REFERENCES patient_profiles (id) ON DELETE CASCADE
);
CREATE INDEX record_versions_patient_idx ON record_versions (patient_id);
-- a deleted record has one row, by which it is found
CREATE UNIQUE INDEX record_versions_deleted_key ON record_versions (record_id) WHERE deleted_at IS NOT NULL AND restored_at IS NULL;
-- the two orders of a list of deleted records
CREATE INDEX record_versions_visit_idx ON record_versions (patient_id, visit_date DESC, record_id DESC) INCLUDE (record_type)
    WHERE deleted_at IS NOT NULL AND restored_at IS NULL;
CREATE INDEX record_versions_created_idx ON record_versions (patient_id, created_at DESC, record_id DESC) INCLUDE (record_type, visit_date)
    WHERE deleted_at IS NOT NULL AND restored_at IS NULL;
-- the deleted records whose retention ends first
CREATE INDEX record_versions_retention_idx ON record_versions (deleted_at, record_id) WHERE deleted_at IS NOT NULL AND restored_at IS NULL;

-- The texts of comments before their corrections.
CREATE TABLE comment_versions (
    comment_id bigint      NOT NULL,
    version    bigint      NOT NULL,
    comment    text        NOT NULL,
    updated_at timestamptz NOT NULL, -- of the version
    CONSTRAINT comment_versions_pkey PRIMARY KEY (comment_id, version),
    CONSTRAINT comment_versions_comment_fkey FOREIGN KEY (comment_id) REFERENCES doctor_comments (id) ON DELETE CASCADE
);

-- Triggers keep the versions, so that none is lost, whichever part, release or person changes a row.
-- +goose StatementBegin
CREATE FUNCTION keep_record_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO record_versions (record_id, version, patient_id, created_by, record_type, title, description, symptoms, diagnosis, treatment,
        medications, visit_date, error_reason, language, source_id, source_digest, created_at, updated_at, updated_by)
    VALUES (OLD.id, OLD.version, OLD.patient_id, OLD.created_by, OLD.record_type, OLD.title, OLD.description, OLD.symptoms, OLD.diagnosis,
        OLD.treatment, OLD.medications, OLD.visit_date, OLD.error_reason, OLD.language, OLD.source_id, OLD.source_digest, OLD.created_at,
        OLD.updated_at, OLD.updated_by);
    NEW.version := OLD.version + 1;
    NEW.updated_by := caller_id('user');
    IF NEW.record_type NOT LIKE 'ENTERED\_IN\_ERROR:%' THEN -- a former release, which knows no reasons, has taken the mark away
        NEW.error_reason := NULL;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER record_version_ends BEFORE UPDATE ON health_records FOR EACH ROW
    WHEN ((OLD.record_type, OLD.title, OLD.description, OLD.symptoms, OLD.diagnosis, OLD.treatment, OLD.medications, OLD.visit_date,
            OLD.error_reason, OLD.language)
        IS DISTINCT FROM (NEW.record_type, NEW.title, NEW.description, NEW.symptoms, NEW.diagnosis, NEW.treatment, NEW.medications,
            NEW.visit_date, NEW.error_reason, NEW.language))
    EXECUTE FUNCTION keep_record_version();

-- +goose StatementBegin
CREATE FUNCTION keep_deleted_record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO record_versions (record_id, version, patient_id, created_by, record_type, title, description, symptoms, diagnosis, treatment,
        medications, visit_date, error_reason, language, source_id, source_digest, created_at, updated_at, updated_by, deleted_at, deleted_by)
    SELECT OLD.id, OLD.version, OLD.patient_id, OLD.created_by, OLD.record_type, OLD.title, OLD.description, OLD.symptoms, OLD.diagnosis,
        OLD.treatment, OLD.medications, OLD.visit_date, OLD.error_reason, OLD.language, OLD.source_id, OLD.source_digest, OLD.created_at,
        OLD.updated_at, OLD.updated_by, now(), caller_id('user')
    FROM patient_profiles p WHERE p.id = OLD.patient_id FOR KEY SHARE;
    IF NOT FOUND THEN -- the patient is being deleted, with all of their data
        DELETE FROM doctor_comments c WHERE c.record_id = OLD.id;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER record_deleted AFTER DELETE ON health_records FOR EACH ROW EXECUTE FUNCTION keep_deleted_record();

-- The comments on records that are deleted already.
-- +goose StatementBegin
CREATE FUNCTION remove_kept_comments() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    DELETE FROM doctor_comments c WHERE c.record_id IN (SELECT v.record_id FROM record_versions v WHERE v.patient_id = OLD.id);
    RETURN OLD;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER patient_deleted BEFORE DELETE ON patient_profiles FOR EACH ROW EXECUTE FUNCTION remove_kept_comments();

-- +goose StatementBegin
CREATE FUNCTION keep_comment_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO comment_versions (comment_id, version, comment, updated_at)
    VALUES (OLD.id, OLD.version, OLD.comment, coalesce(OLD.updated_at, OLD.created_at));
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER comment_version_ends BEFORE UPDATE ON doctor_comments FOR EACH ROW
    WHEN (OLD.comment IS DISTINCT FROM NEW.comment) EXECUTE FUNCTION keep_comment_version();

-- Comments stay when their patient deletes the record. The lock is that of the foreign key: whoever changes or deletes the
-- record waits for comments that are being added.
ALTER TABLE doctor_comments DROP CONSTRAINT doctor_comments_record_fkey;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION comment_has_patient() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    SELECT r.patient_id INTO NEW.patient_id FROM health_records r WHERE r.id = NEW.record_id FOR KEY SHARE;
    -- Deleted since the statement found it.
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = 'the record is gone', CONSTRAINT = 'doctor_comments_record_fkey';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd

-- Makes a deleted record of the calling patient again, as it was in the version; 0: before it was deleted. It returns the number
-- of the new version, or nothing where no such record is deleted, or where it never had this version.
-- +goose StatementBegin
CREATE FUNCTION restore_record(record bigint, as_in bigint) RETURNS TABLE (restored bigint) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    last    bigint;
    content record_versions;
BEGIN
    SELECT v.version INTO last FROM record_versions v
    WHERE v.record_id = record AND v.patient_id = caller_id('patient') AND v.deleted_at IS NOT NULL AND v.restored_at IS NULL FOR UPDATE;
    IF last IS NULL THEN -- nothing of others is read
        RETURN;
    END IF;
    SELECT v.* INTO content FROM record_versions v
    WHERE v.record_id = record AND v.version = CASE as_in WHEN 0 THEN last ELSE as_in END;
    IF content.record_id IS NULL THEN
        RETURN;
    END IF;
    UPDATE record_versions v SET restored_at = now() WHERE v.record_id = record AND v.version = last;
    LOOP
        BEGIN
            INSERT INTO health_records (id, patient_id, created_by, record_type, title, description, symptoms, diagnosis, treatment, medications,
                visit_date, error_reason, language, source_id, source_digest, created_at, updated_at, updated_by, version)
            OVERRIDING SYSTEM VALUE
            VALUES (record, content.patient_id, content.created_by, content.record_type, content.title, content.description, content.symptoms,
                content.diagnosis, content.treatment, content.medications, content.visit_date, content.error_reason, content.language,
                content.source_id, content.source_digest, content.created_at, now(), caller_id('user'), last + 1);
            EXIT;
        EXCEPTION WHEN unique_violation THEN -- an import has made the record again meanwhile, with the same source
            IF content.source_id IS NULL THEN
                RAISE;
            END IF;
            content.source_id := NULL;
            content.source_digest := NULL;
        END;
    END LOOP;
    RETURN QUERY SELECT last + 1;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION keep_record_version, keep_deleted_record, remove_kept_comments, keep_comment_version, restore_record FROM PUBLIC;

ALTER TABLE record_versions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON record_versions TO CURRENT_USER USING (true);
CREATE POLICY caller_reads ON record_versions FOR SELECT USING (
    patient_id = (SELECT caller_id('patient'))
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = record_versions.patient_id OFFSET 0)); -- see 00028
ALTER TABLE comment_versions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON comment_versions TO CURRENT_USER USING (true);

-- The records that are deleted now, and that the policy shows.
CREATE VIEW deleted_records WITH (security_invoker = true) AS
SELECT v.record_id AS id, v.patient_id, v.record_type, v.visit_date, v.created_at FROM record_versions v
WHERE v.deleted_at IS NOT NULL AND v.restored_at IS NULL;

-- The records that the caller may see, deleted or not: one row each, so that the time tells nothing about the versions of
-- others.
CREATE VIEW kept_records WITH (security_invoker = true) AS
SELECT r.id, r.patient_id FROM health_records r
UNION ALL
SELECT d.id, d.patient_id FROM deleted_records d;

-- No temporary table can take the place of a table that these use.
-- +goose StatementBegin
DO $$
DECLARE
    function text;
BEGIN
    FOREACH function IN ARRAY ARRAY['keep_record_version', 'keep_deleted_record', 'remove_kept_comments', 'keep_comment_version', 'comment_has_patient', 'restore_record'] LOOP
        EXECUTE format('ALTER FUNCTION %I SET search_path = %I, pg_temp', function, current_schema());
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
LOCK TABLE patient_profiles IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE health_records, doctor_comments IN ACCESS EXCLUSIVE MODE;
DROP VIEW kept_records, deleted_records;
DROP TRIGGER record_version_ends ON health_records;
DROP TRIGGER record_deleted ON health_records;
DROP TRIGGER patient_deleted ON patient_profiles;
DROP TRIGGER comment_version_ends ON doctor_comments;
DROP FUNCTION keep_record_version, keep_deleted_record, remove_kept_comments, keep_comment_version, restore_record;
DROP TABLE record_versions, comment_versions;
DELETE FROM doctor_comments c WHERE NOT EXISTS (SELECT FROM health_records r WHERE r.id = c.record_id);
UPDATE health_records SET record_type = regexp_replace(record_type, '^ENTERED_IN_ERROR:', '') WHERE record_type LIKE 'ENTERED\_IN\_ERROR:%';
ALTER TABLE health_records DROP COLUMN error_reason, DROP COLUMN language, DROP COLUMN updated_by,
    DROP CONSTRAINT health_records_type_known,
    ADD CONSTRAINT health_records_type_known CHECK (record_type IN ('CHECKUP', 'DIAGNOSIS', 'PRESCRIPTION', 'LAB_RESULT', 'EMERGENCY'));
ALTER TABLE doctor_comments ADD CONSTRAINT doctor_comments_record_fkey FOREIGN KEY (record_id) REFERENCES health_records (id) ON DELETE CASCADE;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION comment_has_patient() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    SELECT r.patient_id INTO NEW.patient_id FROM health_records r WHERE r.id = NEW.record_id;
    -- Deleted since the statement found it. The policy is checked before the foreign key, and would refuse the row.
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = 'the record is gone', CONSTRAINT = 'doctor_comments_record_fkey';
    END IF;
    RETURN NEW;
END
$$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION comment_has_patient SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd
