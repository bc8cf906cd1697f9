-- +goose Up

-- Verification, exports and retention read retention's statements first, which are few
-- among millions of checkpoints.
CREATE INDEX audit_checkpoints_drops_idx ON audit_checkpoints (number) WHERE statement LIKE '%"kind":"drop"%';

-- Makes the partitions of this month (UTC) and the three after it, and those of earlier
-- months whose rows wait in the default partition. Attaching a partition locks the default
-- one for all readers of the log until the call ends. So one call moves the
-- rows of one month at most, before it takes that lock; only rows that arrive
-- meanwhile are moved under the lock. A call that does not get the lock at once fails, and the
-- worker calls again: no request waits behind a backup.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_prepare_months() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET timezone = 'UTC' SET lock_timeout = '200ms' AS $$
DECLARE
    beginning timestamptz;
    ending timestamptz;
    partition text;
    move text;
    waiting boolean;
    locked boolean := false;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('healthrecords.audit.months', 0)) THEN
        RETURN; -- another worker does it
    END IF;
    FOR beginning IN
        SELECT date_trunc('month', now()) + make_interval(months => i) FROM generate_series(0, 3) AS i
        UNION ALL
        (SELECT DISTINCT date_trunc('month', d.at) AS month FROM audit_log_default d
        WHERE d.at >= '2000-01-01' AND d.at < date_trunc('month', now()) ORDER BY month)
    LOOP
        ending := beginning + interval '1 month';
        partition := 'audit_log_' || to_char(beginning, 'YYYY"_"MM');
        CONTINUE WHEN to_regclass(partition) IS NOT NULL;
        waiting := EXISTS (SELECT FROM audit_log_default d WHERE d.at >= beginning AND d.at < ending);
        EXIT WHEN waiting AND locked; -- the next call moves them
        IF waiting THEN
            -- Behind a backup all that moved would move back, every few seconds for hours: so the
            -- lock is tried first, and released as this block is rolled back.
            BEGIN
                LOCK TABLE audit_log_default IN ACCESS EXCLUSIVE MODE;
                RAISE EXCEPTION USING ERRCODE = 'HR000';
            EXCEPTION WHEN SQLSTATE 'HR000' THEN
                NULL;
            END;
        END IF;
        -- With the check Postgres need not read the table again to attach it.
        EXECUTE format('CREATE TABLE %I (LIKE audit_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES,
            CONSTRAINT audit_month CHECK (at >= %L AND at < %L))', partition, beginning, ending);
        move := format('WITH moved AS (DELETE FROM audit_log_default WHERE at >= %L AND at < %L RETURNING *)
            INSERT INTO %I SELECT * FROM moved', beginning, ending, partition);
        EXECUTE move;
        -- A row that is written now would go to the default partition, wait for that lock, and then
        -- be refused. So it waits here, before Postgres has chosen its partition.
        IF now() > beginning - interval '1 hour' AND now() < ending + interval '1 hour' THEN
            LOCK TABLE ONLY audit_log IN SHARE ROW EXCLUSIVE MODE;
        END IF;
        LOCK TABLE audit_log_default IN ACCESS EXCLUSIVE MODE;
        locked := true;
        EXECUTE move;
        EXECUTE format('ALTER TABLE audit_log ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, beginning, ending);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT audit_month', partition);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_prepare_months() SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP INDEX audit_checkpoints_drops_idx;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_prepare_months() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET timezone = 'UTC' AS $$
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
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_prepare_months() SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd
