-- Lists the caller's own and counts them; or finds the one with the id (@id), without
-- counting. The patient and their data are joined only if the caller may
-- see them now. An administrator, who may know every patient (@everybody), gets the
-- patient alone. People have the names that they had at the time of the event.
-- name: ListNotifications :many
WITH page AS (
    (SELECT n.id FROM notifications n
     WHERE @id::bigint = 0 AND n.recipient_id = @caller
        AND (sqlc.narg('read')::boolean IS NULL OR (n.read_at IS NOT NULL) = sqlc.narg('read')::boolean)
        AND n.id </*beyond*/ @beyond_id::bigint
     ORDER BY n.id DESC/*order*/ LIMIT @most OFFSET @skip)
    UNION ALL
    (SELECT n.id FROM notifications n WHERE @id::bigint <> 0 AND n.id = @id::bigint AND n.recipient_id = @caller)
)
SELECT n.id, n.type, n.read_at, n.created_at, n.assignment_id,
    p.id AS patient_id, coalesce(patient.username, '')::text AS patient_username,
    coalesce(patient.first_name, '')::text AS patient_first, coalesce(patient.last_name, '')::text AS patient_last,
    d.id AS doctor_id, coalesce(doctor.username, '')::text AS doctor_username,
    coalesce(doctor.first_name, '')::text AS doctor_first, coalesce(doctor.last_name, '')::text AS doctor_last,
    doctor.license_number AS doctor_license,
    r.id AS record_id, r.record_type, r.title,
    coalesce(c.id, 0)::bigint AS comment_id,
    n.user_id, coalesce(account.username, '')::text AS account_username,
    coalesce(account.first_name, '')::text AS account_first, coalesce(account.last_name, '')::text AS account_last,
    (SELECT coalesce(sum(t.notifications), 0) FROM notification_counts t
     WHERE @id::bigint = 0 AND t.recipient_id = @caller
        AND (sqlc.narg('read')::boolean IS NULL OR t.read = sqlc.narg('read')::boolean))::bigint AS total,
    p.id AS seen_patient, seen.assignment_id AS seen_through, coalesce(seen.emergency, false)::boolean AS seen_in_emergency
FROM page
CROSS JOIN LATERAL (SELECT m.* FROM notifications m WHERE m.id = page.id OFFSET 0) AS n -- a join may read all of the reader's
LEFT JOIN LATERAL (
    SELECT a.patient_id, a.assignment_id, a.emergency FROM patient_access a
    WHERE a.user_id = @caller AND a.patient_id = n.patient_id ORDER BY a.emergency, a.assignment_id LIMIT 1
) AS seen ON true
LEFT JOIN patient_profiles p ON p.id = n.patient_id AND (@everybody::boolean OR seen.patient_id IS NOT NULL)
LEFT JOIN LATERAL known_as(p.user_id, coalesce(n.happened_at, n.created_at)) AS patient ON true
LEFT JOIN doctor_profiles d ON d.id = n.doctor_id
LEFT JOIN LATERAL known_as(d.user_id, coalesce(n.happened_at, n.created_at)) AS doctor ON true
LEFT JOIN LATERAL known_as(n.user_id, coalesce(n.happened_at, n.created_at)) AS account ON true
LEFT JOIN health_records r ON r.id = n.record_id AND r.patient_id = p.id AND NOT @everybody
LEFT JOIN LATERAL (
    SELECT dc.id FROM doctor_comments dc WHERE dc.id = n.comment_id AND dc.record_id = r.id AND NOT dc.is_private OFFSET 0
) AS c ON true
ORDER BY page.id DESC/*order*/;

-- name: CountNotifications :one
SELECT coalesce(sum(t.notifications), 0)::bigint FROM notification_counts t
WHERE t.recipient_id = @caller AND (sqlc.narg('read')::boolean IS NULL OR t.read = sqlc.narg('read')::boolean);

-- name: ReadNotification :exec
UPDATE notifications SET read_at = now() WHERE id = @id AND recipient_id = @caller AND read_at IS NULL;

-- name: ReadAllNotifications :execrows
UPDATE notifications SET read_at = now() WHERE recipient_id = @caller AND read_at IS NULL;
