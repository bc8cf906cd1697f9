-- The 20 latest records of a random patient with their comments, and the number of all.
\set patient :kind + random(0, :callers - 1) * :step
SELECT r.*, u.id, u.username, u.email, u.first_name, u.last_name, u.role,
    (SELECT coalesce(json_agg(json_build_object('id', c.id, 'comment', c.comment, 'is_private', c.is_private, 'created_at', c.created_at,
        'doctor', d.id, 'specialization', d.specialization, 'license', d.license_number, 'first_name', a.first_name, 'last_name', a.last_name) ORDER BY c.id), '[]')
     FROM doctor_comments c JOIN doctor_profiles d ON d.id = c.doctor_id JOIN users a ON a.id = d.user_id
     WHERE c.record_id = r.id AND NOT c.is_private) AS comments,
    (SELECT count(*) FROM health_records t WHERE t.patient_id = :patient) AS total
FROM (SELECT * FROM health_records h WHERE h.patient_id = :patient ORDER BY h.visit_date DESC, h.id DESC LIMIT 20) AS r
JOIN users u ON u.id = r.created_by
ORDER BY r.visit_date DESC, r.id DESC;
