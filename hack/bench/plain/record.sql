-- One record with its comments: the k-th visit of a random patient.
\set patient :kind + random(0, :callers - 1) * :step
\set visit random(0, 9 + :patient * 7919 % 21)
\set id :visit * :patients + :patient
SELECT r.*, u.id, u.username, u.email, u.first_name, u.last_name, u.role,
    (SELECT coalesce(json_agg(json_build_object('id', c.id, 'comment', c.comment, 'is_private', c.is_private, 'created_at', c.created_at,
        'doctor', d.id, 'specialization', d.specialization, 'license', d.license_number, 'first_name', a.first_name, 'last_name', a.last_name) ORDER BY c.id), '[]')
     FROM doctor_comments c JOIN doctor_profiles d ON d.id = c.doctor_id JOIN users a ON a.id = d.user_id
     WHERE c.record_id = r.id AND NOT c.is_private) AS comments
FROM health_records r JOIN users u ON u.id = r.created_by
WHERE r.id = :id;
