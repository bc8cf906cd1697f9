-- The 20 latest notifications of a reader with what their texts need, and the number of all.
SELECT n.id, n.type, n.read_at, n.created_at, p.id, patient.username, patient.first_name, patient.last_name, r.id, r.record_type, r.title,
    (SELECT count(*) FROM notifications t WHERE t.recipient_id = :recipient) AS total
FROM (SELECT * FROM notifications m WHERE m.recipient_id = :recipient ORDER BY m.id DESC LIMIT 20) AS n
LEFT JOIN patient_profiles p ON p.id = n.patient_id
LEFT JOIN users patient ON patient.id = p.user_id
LEFT JOIN health_records r ON r.id = n.record_id
ORDER BY n.id DESC;
