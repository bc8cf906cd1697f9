-- +goose Up

-- In the order in which others lock them.
LOCK TABLE doctor_profiles, assignments IN SHARE ROW EXCLUSIVE MODE;

-- How many open-ended assignments a doctor has: kept like record_counts, see 00019. A pair has one at most, because of
-- assignments_one_active, and emergency access always ends. Access begins and ends by the clock, which no trigger
-- notices: callers_patients_counted adds what ends and subtracts what has not begun.
CREATE TABLE assignment_counts (
    id         bigint GENERATED ALWAYS AS IDENTITY,
    doctor_id  bigint NOT NULL,
    open_ended bigint NOT NULL,
    CONSTRAINT assignment_counts_pkey PRIMARY KEY (id),
    CONSTRAINT assignment_counts_doctor_fkey FOREIGN KEY (doctor_id) REFERENCES doctor_profiles (id) ON DELETE CASCADE
) WITH (fillfactor = 75);
CREATE INDEX assignment_counts_doctor_idx ON assignment_counts (doctor_id);

CREATE INDEX assignments_ending_idx ON assignments (doctor_id, ends_at) WHERE ends_at IS NOT NULL;
CREATE INDEX assignments_planned_idx ON assignments (doctor_id, starts_at) WHERE ends_at IS NULL;

-- +goose StatementBegin
CREATE FUNCTION add_to_assignment_counts(doctor bigint, more bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE assignment_counts c SET open_ended = c.open_ended + more
    WHERE c.id = (SELECT f.id FROM assignment_counts f WHERE f.doctor_id = doctor ORDER BY f.id LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN -- a doctor who is being deleted needs no counts
        INSERT INTO assignment_counts (doctor_id, open_ended) SELECT d.id, more FROM doctor_profiles d WHERE d.id = doctor FOR KEY SHARE;
    END IF;
END
$$;

CREATE FUNCTION count_assignments() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM add_to_assignment_counts(a.doctor_id, count(*)) FROM added a WHERE a.ends_at IS NULL GROUP BY a.doctor_id;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM add_to_assignment_counts(a.doctor_id, -count(*)) FROM removed a WHERE a.ends_at IS NULL GROUP BY a.doctor_id;
    ELSE
        PERFORM add_to_assignment_counts(a.doctor_id, sum(a.one)::bigint)
        FROM (
            SELECT n.doctor_id, 1 AS one FROM added n WHERE n.ends_at IS NULL
            UNION ALL
            SELECT o.doctor_id, -1 FROM removed o WHERE o.ends_at IS NULL
        ) AS a
        GROUP BY a.doctor_id HAVING sum(a.one) <> 0;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION assignment_count_differences(beyond bigint, up_to bigint) RETURNS TABLE (doctor_id bigint, missing bigint)
LANGUAGE sql STABLE BEGIN ATOMIC
    SELECT n.doctor_id, sum(n.open_ended)::bigint
    FROM (
        SELECT a.doctor_id, 1 AS open_ended FROM assignments a WHERE a.ends_at IS NULL AND a.doctor_id > beyond AND a.doctor_id <= up_to
        UNION ALL
        SELECT c.doctor_id, -c.open_ended FROM assignment_counts c WHERE c.doctor_id > beyond AND c.doctor_id <= up_to
    ) AS n
    GROUP BY n.doctor_id HAVING sum(n.open_ended) <> 0;
END;

-- How many patients the calling doctor may see now, as in callers_patients. Of the assignments that the counts do not cover,
-- at most that many of a kind are read: if this is not enough, the result is a lower bound.
CREATE FUNCTION callers_patients_counted(at_most bigint, OUT patients bigint, OUT is_lower_bound boolean) LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    doctor bigint := caller_id('verified_doctor');
    at timestamptz := statement_timestamp();
    planned bigint;
    ending bigint;
BEGIN
    SELECT coalesce(sum(c.open_ended), 0) INTO patients FROM assignment_counts c WHERE c.doctor_id = doctor;
    SELECT count(*) INTO planned FROM (
        SELECT FROM assignments a WHERE a.doctor_id = doctor AND a.ends_at IS NULL AND a.starts_at > at LIMIT at_most
    ) AS p;
    WITH current AS MATERIALIZED (
        SELECT a.patient_id FROM assignments a WHERE a.doctor_id = doctor AND a.ends_at > at AND a.starts_at <= at LIMIT at_most
    )
    SELECT count(DISTINCT c.patient_id) FILTER (WHERE NOT EXISTS (
            SELECT FROM assignments o WHERE o.doctor_id = doctor AND o.patient_id = c.patient_id AND o.ends_at IS NULL AND o.starts_at <= at)),
        count(*) = at_most OR planned = at_most
    INTO ending, is_lower_bound FROM current c;
    patients := CASE WHEN planned = at_most THEN 0 ELSE patients - planned END + ending;
END
$$;

-- No temporary table can take the place of a table that these read.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION count_assignments SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION callers_patients_counted SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION add_to_assignment_counts, count_assignments, assignment_count_differences, callers_patients_counted FROM PUBLIC;

CREATE TRIGGER assignments_added AFTER INSERT ON assignments REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_assignments();
CREATE TRIGGER assignments_changed AFTER UPDATE ON assignments REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_assignments();
CREATE TRIGGER assignments_removed AFTER DELETE ON assignments REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_assignments();

-- Only callers_patients_counted reads it for a caller.
ALTER TABLE assignment_counts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON assignment_counts TO CURRENT_USER USING (true);

-- +goose Down
DROP TRIGGER assignments_added ON assignments;
DROP TRIGGER assignments_changed ON assignments;
DROP TRIGGER assignments_removed ON assignments;
DROP FUNCTION count_assignments, add_to_assignment_counts, assignment_count_differences, callers_patients_counted;
DROP INDEX assignments_ending_idx, assignments_planned_idx;
DROP TABLE assignment_counts;
