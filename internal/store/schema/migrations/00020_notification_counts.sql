-- +goose Up

-- In the order in which others lock them.
LOCK TABLE users, notifications IN SHARE ROW EXCLUSIVE MODE;

-- How many notifications a user has read, and has not: kept like record_counts, see 00019.
CREATE TABLE notification_counts (
    id            bigint GENERATED ALWAYS AS IDENTITY,
    recipient_id  bigint  NOT NULL,
    read          boolean NOT NULL,
    notifications bigint  NOT NULL,
    CONSTRAINT notification_counts_pkey PRIMARY KEY (id),
    CONSTRAINT notification_counts_recipient_fkey FOREIGN KEY (recipient_id) REFERENCES users (id) ON DELETE CASCADE
) WITH (fillfactor = 50);
CREATE INDEX notification_counts_recipient_idx ON notification_counts (recipient_id, read);

-- +goose StatementBegin
CREATE FUNCTION add_to_notification_counts(recipient bigint, state boolean, more bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE notification_counts c SET notifications = c.notifications + more
    WHERE c.id = (
        SELECT f.id FROM notification_counts f WHERE f.recipient_id = recipient AND f.read = state
        ORDER BY f.id LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN -- a user who is being deleted needs no counts
        INSERT INTO notification_counts (recipient_id, read, notifications)
        SELECT u.id, state, more FROM users u WHERE u.id = recipient FOR KEY SHARE;
    END IF;
END
$$;

CREATE FUNCTION count_notifications() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM add_to_notification_counts(n.recipient_id, n.read_at IS NOT NULL, count(*)) FROM added n GROUP BY n.recipient_id, n.read_at IS NOT NULL;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM add_to_notification_counts(n.recipient_id, n.read_at IS NOT NULL, -count(*)) FROM removed n GROUP BY n.recipient_id, n.read_at IS NOT NULL;
    ELSE
        PERFORM add_to_notification_counts(n.recipient_id, n.read, sum(n.one)::bigint)
        FROM (
            SELECT a.recipient_id, a.read_at IS NOT NULL AS read, 1 AS one FROM added a
            UNION ALL
            SELECT o.recipient_id, o.read_at IS NOT NULL, -1 FROM removed o
        ) AS n
        GROUP BY n.recipient_id, n.read HAVING sum(n.one) <> 0;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION notification_count_differences(beyond bigint, up_to bigint) RETURNS TABLE (recipient_id bigint, read boolean, missing bigint)
LANGUAGE sql STABLE BEGIN ATOMIC
    SELECT s.recipient_id, s.read, sum(s.notifications)::bigint
    FROM (
        SELECT n.recipient_id, n.read_at IS NOT NULL AS read, 1 AS notifications FROM notifications n
        WHERE n.recipient_id > beyond AND n.recipient_id <= up_to
        UNION ALL
        SELECT c.recipient_id, c.read, -c.notifications FROM notification_counts c WHERE c.recipient_id > beyond AND c.recipient_id <= up_to
    ) AS s
    GROUP BY s.recipient_id, s.read HAVING sum(s.notifications) <> 0;
END;

-- No temporary table can take the place of a table that these read.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION count_notifications SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION add_to_notification_counts, count_notifications, notification_count_differences FROM PUBLIC;

CREATE TRIGGER notifications_added AFTER INSERT ON notifications REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_notifications();
CREATE TRIGGER notifications_changed AFTER UPDATE ON notifications REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_notifications();
CREATE TRIGGER notifications_removed AFTER DELETE ON notifications REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_notifications();

ALTER TABLE notification_counts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON notification_counts TO CURRENT_USER USING (true);
CREATE POLICY caller_reads ON notification_counts FOR SELECT USING (recipient_id = (SELECT caller_id('user')));

-- +goose Down
DROP TRIGGER notifications_added ON notifications;
DROP TRIGGER notifications_changed ON notifications;
DROP TRIGGER notifications_removed ON notifications;
DROP FUNCTION count_notifications, add_to_notification_counts, notification_count_differences;
DROP TABLE notification_counts;
