-- Each attempt doubles the time to the next one, up to ten minutes.
-- name: ClaimEvents :many
WITH due AS MATERIALIZED (
    SELECT o.id FROM outbox o
    WHERE o.finished_at IS NULL AND o.next_at <= now()
    ORDER BY o.next_at, o.id LIMIT @most
    FOR UPDATE SKIP LOCKED
)
UPDATE outbox o
SET attempts = o.attempts + 1,
    next_at = now() + least(make_interval(secs => power(2, least(o.attempts, 20)) * @retry_seconds::float8), interval '10 minutes')
FROM due WHERE o.id = due.id
RETURNING o.id, o.type, o.created_at, o.attempts;

-- Undoes a claim. It leaves events alone that other transactions are handling, or
-- that were claimed since.
-- name: ReleaseEvents :exec
WITH claimed AS MATERIALIZED (
    SELECT o.id FROM outbox o
    JOIN (SELECT unnest(@ids::bigint[]) AS id, unnest(@attempts::integer[]) AS attempts) c ON c.id = o.id AND c.attempts = o.attempts
    WHERE o.finished_at IS NULL
    ORDER BY o.id FOR UPDATE OF o SKIP LOCKED
)
UPDATE outbox o SET next_at = now(), attempts = o.attempts - 1
FROM claimed WHERE o.id = claimed.id;

-- It leaves events alone that other transactions are handling, and events of the future.
-- name: RepublishEvents :execrows
WITH waiting AS MATERIALIZED (
    SELECT o.id FROM outbox o
    WHERE o.finished_at IS NULL AND o.next_at > now() AND o.attempts > 0 AND o.created_at <= now()
    ORDER BY o.id FOR UPDATE SKIP LOCKED
)
UPDATE outbox o SET next_at = now(), attempts = o.attempts - 1
FROM waiting WHERE o.id = waiting.id;

-- Commits the effect of open events: their notifications, and the end of the row.
-- The rows are locked in one order, and a transaction that waited for a lock finds the row
-- finished. An event whose subject no longer exists is dropped. An assignment that
-- begins later is an event of that time, and stays open until then.
-- The administrators are notified of a doctor's access to a patient by self-assignment
-- even where it has ended by now, or an object has taken it over. A former release left out the actor of the event.
-- The kinds are those of package clinic, each with its subject, or its event and its
-- recipients. An event of an unknown kind stays open, for a later release.
-- name: HandleEvents :many
WITH event_kind AS MATERIALIZED (
    SELECT unnest(@event_types::text[]) AS type, unnest(@event_subjects::text[]) AS subject
), notification_kind AS MATERIALIZED (
    SELECT unnest(@types::text[]) AS type, unnest(@types_events::text[]) AS event, unnest(@recipients::text[]) AS recipients,
        unnest(@self_made::boolean[]) AS self_made
), event AS MATERIALIZED (
    SELECT o.* FROM outbox o
    WHERE o.id = ANY(@ids::bigint[]) AND o.finished_at IS NULL AND o.type = ANY(@event_types::text[])
    ORDER BY o.id FOR UPDATE
), current AS (
    SELECT e.*, a.starts_at, coalesce(a.starts_at > now(), false) AS early, coalesce(d.user_id IN (e.actor_id, a.requested_by), false) AS self,
        CASE k.subject
            WHEN 'assignment' THEN a.id IS NOT NULL
                AND (coalesce(d.user_id IN (e.actor_id, a.requested_by), false) OR a.ends_at IS NULL OR a.ends_at > greatest(a.starts_at, now()))
            WHEN 'emergency' THEN a.id IS NOT NULL
            WHEN 'record' THEN r.id IS NOT NULL
            WHEN 'comment' THEN c.id IS NOT NULL
            WHEN 'account' THEN s.id IS NOT NULL
            WHEN 'accounts' THEN true
            WHEN 'doctor' THEN profile.id IS NOT NULL
        END AS there
    FROM event e
    JOIN event_kind k ON k.type = e.type
    LEFT JOIN assignments a ON a.id = e.assignment_id
    LEFT JOIN doctor_profiles d ON d.id = a.doctor_id
    LEFT JOIN health_records r ON r.id = e.record_id
    LEFT JOIN doctor_comments c ON c.id = e.comment_id AND NOT c.is_private AND r.id IS NOT NULL -- it outlives its record
    LEFT JOIN users s ON s.id = e.user_id
    LEFT JOIN doctor_profiles profile ON profile.id = e.doctor_id
), due AS MATERIALIZED (
    SELECT e.id, e.created_at, k.type, k.recipients, e.patient_id, e.doctor_id, e.assignment_id, e.record_id, e.comment_id, e.user_id, e.actor_id
    FROM current e
    JOIN notification_kind k ON k.event = e.type AND (e.self OR NOT k.self_made)
    WHERE e.there AND NOT e.early
), told AS (
    INSERT INTO notifications (recipient_id, event_id, happened_at, type, patient_id, doctor_id, assignment_id, record_id, comment_id, user_id)
    SELECT u.id, e.id, e.created_at, e.type, e.patient_id, e.doctor_id, e.assignment_id, e.record_id, e.comment_id, e.user_id
    FROM due e
    JOIN patient_profiles p ON p.id = e.patient_id
    JOIN users u ON u.id = p.user_id AND u.active
    WHERE e.recipients = 'patient'
    UNION ALL
    SELECT u.id, e.id, e.created_at, e.type, e.patient_id, e.doctor_id, e.assignment_id, e.record_id, e.comment_id, e.user_id
    FROM due e
    JOIN doctor_profiles d ON d.id = e.doctor_id
    JOIN users u ON u.id = d.user_id AND u.active
    WHERE e.recipients = 'doctor'
    UNION ALL
    SELECT a.doctor_user_id, e.id, e.created_at, e.type, e.patient_id, e.doctor_id, e.assignment_id, e.record_id, e.comment_id, e.user_id
    FROM due e
    JOIN active_assignments a ON a.patient_id = e.patient_id AND a.source IS DISTINCT FROM 'break_glass' AND a.starts_at <= e.created_at
    WHERE e.recipients = 'care_team'
    UNION ALL
    SELECT u.id, e.id, e.created_at, e.type, e.patient_id, e.doctor_id, e.assignment_id, e.record_id, e.comment_id, e.user_id
    FROM due e
    JOIN users u ON u.role = 'ADMIN' AND u.active AND u.id IS DISTINCT FROM e.user_id AND u.id IS DISTINCT FROM e.actor_id
    WHERE e.recipients = 'admins'
    UNION ALL
    SELECT u.id, e.id, e.created_at, e.type, e.patient_id, e.doctor_id, e.assignment_id, e.record_id, e.comment_id, e.user_id
    FROM due e
    JOIN users u ON u.id = e.user_id AND u.active
    WHERE e.recipients = 'user'
    ON CONFLICT DO NOTHING
)
UPDATE outbox o
SET created_at = CASE WHEN e.early AND e.there THEN e.starts_at ELSE o.created_at END,
    next_at = CASE WHEN e.early AND e.there THEN e.starts_at ELSE o.next_at END,
    finished_at = CASE WHEN e.early AND e.there THEN NULL ELSE now() END,
    outcome = CASE WHEN NOT e.there THEN 'dropped' WHEN NOT e.early THEN 'done' END
FROM current e WHERE o.id = e.id
RETURNING o.id, e.there::boolean AS there;

-- name: MarkEventDead :exec
UPDATE outbox SET finished_at = now(), outcome = 'dead' WHERE id = @id AND finished_at IS NULL;

-- name: OpenEvents :one
SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds
FROM outbox WHERE finished_at IS NULL AND created_at <= now();

-- With an array the events to delete are looked up; IN would hash the whole table.
-- name: TrimEvents :execrows
DELETE FROM outbox WHERE id = ANY(ARRAY(
    SELECT o.id FROM outbox o WHERE o.finished_at < @before::timestamptz ORDER BY o.finished_at LIMIT @most
));
