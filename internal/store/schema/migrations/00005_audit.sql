-- +goose Up

-- One row for each request that read or changed patient data, and for each one
-- that was refused. A row has ids only and no foreign keys, because it
-- outlives the objects that it names.
CREATE SEQUENCE audit_log_id_seq;
CREATE TABLE audit_log (
    -- A transaction has its own id before it draws one for a row. So once all
    -- transactions up to an instant have ended, every id drawn before it is
    -- settled. CASE guarantees the order. The sealer depends on this.
    id             bigint      NOT NULL DEFAULT CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('audit_log_id_seq') END,
    at             timestamptz NOT NULL DEFAULT now(),
    user_id        bigint, -- null: a program
    role           text        NOT NULL, -- also CONTROLLER and IMPORT
    operation      text        NOT NULL, -- the operationId of the API, or the program's use case
    object_kind    text        NOT NULL,
    object_id      bigint, -- null: a list
    patient_ids    bigint[]    NOT NULL DEFAULT '{}',
    assignment_ids bigint[]    NOT NULL DEFAULT '{}', -- the assignment that gave access to the patient at the same index; 0: none
    reason         text        NOT NULL, -- own, assignment, break_glass, role; refused: no access
    decision       text        NOT NULL, -- allowed, or the code of the refusal
    request_id     text        NOT NULL DEFAULT '',
    address        inet,
    -- No checks: Postgres compiles each of them for every insertion, and five would
    -- double the cost of a row. Only this platform's own code writes here.
    CONSTRAINT audit_log_pkey PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
ALTER SEQUENCE audit_log_id_seq OWNED BY audit_log.id;
-- who looked at a patient's data; without a pending list, whose cleanup would delay all writers
CREATE INDEX audit_log_patients_idx ON audit_log USING gin (patient_ids) WITH (fastupdate = off);
-- the actions of a user
CREATE INDEX audit_log_user_idx ON audit_log (user_id, id);

-- This partition takes every row that has no other. A month that is made later takes its rows from here.
CREATE TABLE audit_log_default PARTITION OF audit_log DEFAULT;

-- Makes the partitions of this month (UTC) and the three after it. The worker
-- calls it with the owner's rights, so it takes no argument.
-- +goose StatementBegin
CREATE FUNCTION audit_prepare_months() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' AS $$
DECLARE
    beginning timestamptz;
    partition text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('healthrecords.audit.months', 0));
    FOR i IN 0..3 LOOP
        beginning := date_trunc('month', now()) + make_interval(months => i);
        partition := 'audit_log_' || to_char(beginning, 'YYYY"_"MM');
        CONTINUE WHEN to_regclass(partition) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE audit_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', partition);
        EXECUTE format('WITH moved AS (DELETE FROM audit_log_default WHERE at >= %L AND at < %L RETURNING *)
            INSERT INTO %I SELECT * FROM moved', beginning, beginning + interval '1 month', partition);
        EXECUTE format('ALTER TABLE audit_log ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            partition, beginning, beginning + interval '1 month');
    END LOOP;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION audit_prepare_months() FROM PUBLIC;
SELECT audit_prepare_months();

-- The chain that seals the log: each statement is signed and names the hash of
-- the one before. A statement of kind seal closes a range of ids for ever: the rows
-- with a digest here were in it, and no other rows may be.
CREATE TABLE audit_checkpoints (
    number     bigint NOT NULL,
    last_id    bigint NOT NULL, -- every id up to here is closed
    statement  text   NOT NULL, -- JSON, as it was signed
    signature  bytea  NOT NULL, -- Ed25519
    row_ids    bigint[], -- null: retention dropped the rows
    digests    bytea, -- SHA-256 of each row, 32 bytes after the other
    CONSTRAINT audit_checkpoints_pkey PRIMARY KEY (number),
    CONSTRAINT audit_checkpoints_digests_agree CHECK ((row_ids IS NULL) = (digests IS NULL)
        AND octet_length(digests) = 32 * cardinality(row_ids))
);

-- The reason why the user may see the patient's records: through which assignment, and
-- whether that is emergency access. One row for each reason: emergency access
-- beside an ordinary assignment makes two.
CREATE OR REPLACE VIEW patient_access AS
SELECT p.user_id, p.id AS patient_id, NULL::bigint AS assignment_id, false AS emergency FROM patient_profiles p
UNION ALL
SELECT a.doctor_user_id, a.patient_id, a.id, a.source = 'break_glass' FROM active_assignments a;

-- +goose Down
DROP VIEW patient_access;
CREATE VIEW patient_access AS
SELECT p.user_id, p.id AS patient_id FROM patient_profiles p
UNION ALL
SELECT a.doctor_user_id, a.patient_id FROM active_assignments a;
DROP TABLE audit_checkpoints, audit_log;
DROP FUNCTION audit_prepare_months;
