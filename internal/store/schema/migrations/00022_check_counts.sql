-- +goose Up

-- Compares the counts of a kind with what they count, for the next owners of counts beyond an id: for patients, users or
-- doctors. With repair, it adds the differences. up_to is the last of these owners, or null after the last one, and wrong is
-- the number of counts that differ. Nobody waits for it, and it waits only for another repair: two would add
-- a difference twice.
-- +goose StatementBegin
CREATE FUNCTION check_counts(kind text, beyond bigint, most integer, repair boolean, OUT up_to bigint, OUT wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
    IF repair THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('healthrecords.counts', 0));
    END IF;
    CASE kind
        WHEN 'records' THEN
            SELECT max(o.id) INTO up_to FROM (SELECT p.id FROM patient_profiles p WHERE p.id > beyond ORDER BY p.id LIMIT most) AS o;
            PERFORM CASE WHEN repair THEN add_to_record_counts(d.patient_id, d.record_type, d.missing) END
            FROM record_count_differences(beyond, up_to) AS d;
        WHEN 'notifications' THEN
            SELECT max(o.id) INTO up_to FROM (SELECT u.id FROM users u WHERE u.id > beyond ORDER BY u.id LIMIT most) AS o;
            PERFORM CASE WHEN repair THEN add_to_notification_counts(d.recipient_id, d.read, d.missing) END
            FROM notification_count_differences(beyond, up_to) AS d;
        WHEN 'assignments' THEN
            SELECT max(o.id) INTO up_to FROM (SELECT p.id FROM doctor_profiles p WHERE p.id > beyond ORDER BY p.id LIMIT most) AS o;
            PERFORM CASE WHEN repair THEN add_to_assignment_counts(d.doctor_id, d.missing) END
            FROM assignment_count_differences(beyond, up_to) AS d;
    END CASE;
    GET DIAGNOSTICS wrong = ROW_COUNT;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION check_counts FROM PUBLIC;

-- +goose Down
DROP FUNCTION check_counts;
