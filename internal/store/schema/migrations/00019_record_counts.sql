-- +goose Up

-- In the order in which others lock them.
LOCK TABLE patient_profiles, health_records IN SHARE ROW EXCLUSIVE MODE;

-- How many records of a type a patient has: the sum of a few rows, so that no page counts records. A transaction that
-- changes records adds to a row that nobody else has locked, or makes a new one: it never waits for another one, and no
-- deadlock is possible. Most patients have one row of a type. docs/adr/0012-counts.md gives the reasons.
CREATE TABLE record_counts (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    patient_id  bigint NOT NULL,
    record_type text   NOT NULL,
    records     bigint NOT NULL, -- of one row it may be negative
    CONSTRAINT record_counts_pkey PRIMARY KEY (id),
    CONSTRAINT record_counts_patient_fkey FOREIGN KEY (patient_id) REFERENCES patient_profiles (id) ON DELETE CASCADE
) WITH (fillfactor = 75); -- leaves room for the next versions of a row, which then need no new entries in the indexes
CREATE INDEX record_counts_patient_idx ON record_counts (patient_id, record_type);

-- +goose StatementBegin
CREATE FUNCTION add_to_record_counts(patient bigint, kind text, more bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE record_counts c SET records = c.records + more
    WHERE c.id = (
        SELECT f.id FROM record_counts f WHERE f.patient_id = patient AND f.record_type = kind
        ORDER BY f.id LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN -- a patient who is being deleted needs no counts
        INSERT INTO record_counts (patient_id, record_type, records)
        SELECT p.id, kind, more FROM patient_profiles p WHERE p.id = patient FOR KEY SHARE;
    END IF;
END
$$;

-- An update of another column is the most frequent one, and finds no difference.
CREATE FUNCTION count_records() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM add_to_record_counts(r.patient_id, r.record_type, count(*)) FROM added r GROUP BY r.patient_id, r.record_type;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM add_to_record_counts(r.patient_id, r.record_type, -count(*)) FROM removed r GROUP BY r.patient_id, r.record_type;
    ELSE
        PERFORM add_to_record_counts(r.patient_id, r.record_type, sum(r.one)::bigint)
        FROM (
            SELECT a.patient_id, a.record_type, 1 AS one FROM added a
            UNION ALL
            SELECT o.patient_id, o.record_type, -1 FROM removed o
        ) AS r
        GROUP BY r.patient_id, r.record_type HAVING sum(r.one) <> 0;
    END IF;
    RETURN NULL;
END
$$;

-- What has to be added to the counts of the patients (beyond, up_to]. Every transaction changes records and counts alike,
-- so that the difference is the same in each snapshot, and may be added at any later time.
CREATE FUNCTION record_count_differences(beyond bigint, up_to bigint) RETURNS TABLE (patient_id bigint, record_type text, missing bigint)
LANGUAGE sql STABLE BEGIN ATOMIC
    SELECT n.patient_id, n.record_type, sum(n.records)::bigint
    FROM (
        SELECT r.patient_id, r.record_type, 1 AS records FROM health_records r WHERE r.patient_id > beyond AND r.patient_id <= up_to
        UNION ALL
        SELECT c.patient_id, c.record_type, -c.records FROM record_counts c WHERE c.patient_id > beyond AND c.patient_id <= up_to
    ) AS n
    GROUP BY n.patient_id, n.record_type HAVING sum(n.records) <> 0;
END;

-- No temporary table can take the place of a table that these read.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION count_records SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION add_to_record_counts, count_records, record_count_differences FROM PUBLIC;

CREATE TRIGGER records_added AFTER INSERT ON health_records REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_records();
CREATE TRIGGER records_changed AFTER UPDATE ON health_records REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_records();
CREATE TRIGGER records_removed AFTER DELETE ON health_records REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_records();

-- As for health_records.
ALTER TABLE record_counts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON record_counts TO CURRENT_USER USING (true);
CREATE POLICY caller_reads ON record_counts FOR SELECT USING (
    patient_id = (SELECT caller_id('patient'))
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = record_counts.patient_id));

-- The same rows, for a list of all the caller's patients: see callers_records in 00006.
CREATE VIEW callers_record_counts WITH (security_barrier = true) AS
SELECT c.patient_id, c.record_type, c.records FROM record_counts c
WHERE c.patient_id = (SELECT caller_id('patient')) OR c.patient_id IN (SELECT s.patient_id FROM callers_patients s);

-- +goose Down
DROP TRIGGER records_added ON health_records;
DROP TRIGGER records_changed ON health_records;
DROP TRIGGER records_removed ON health_records;
DROP VIEW callers_record_counts;
DROP FUNCTION count_records, add_to_record_counts, record_count_differences;
DROP TABLE record_counts;
