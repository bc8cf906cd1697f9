-- The 20 latest records of a doctor's patients, with their comments, and the number of all. A record on the page is of one of the 20
-- patients with the latest ones.
WITH patients AS MATERIALIZED (
    SELECT DISTINCT a.patient_id FROM assignments a WHERE a.doctor_id = :doctor AND a.ends_at IS NULL
), heads AS (
    SELECT p.patient_id
    FROM patients p CROSS JOIN LATERAL (
        SELECT r.id, r.visit_date FROM health_records r WHERE r.patient_id = p.patient_id
        ORDER BY r.visit_date DESC, r.id DESC LIMIT 1
    ) AS head
    ORDER BY head.visit_date DESC, head.id DESC LIMIT 20
), page AS (
    SELECT found.id
    FROM heads CROSS JOIN LATERAL (
        SELECT r.id, r.visit_date FROM health_records r WHERE r.patient_id = heads.patient_id
        ORDER BY r.visit_date DESC, r.id DESC LIMIT 20
    ) AS found
    ORDER BY found.visit_date DESC, found.id DESC LIMIT 20
)
SELECT r.*, u.id, u.username, u.email, u.first_name, u.last_name, u.role,
    (SELECT coalesce(json_agg(json_build_object('id', c.id, 'comment', c.comment, 'is_private', c.is_private, 'created_at', c.created_at,
        'doctor', d.id, 'specialization', d.specialization, 'license', d.license_number, 'first_name', a.first_name, 'last_name', a.last_name) ORDER BY c.id), '[]')
     FROM doctor_comments c JOIN doctor_profiles d ON d.id = c.doctor_id JOIN users a ON a.id = d.user_id
     WHERE c.record_id = r.id) AS comments,
    (SELECT count(*) FROM health_records r WHERE r.patient_id IN (SELECT p.patient_id FROM patients p)) AS total
FROM page JOIN health_records r ON r.id = page.id JOIN users u ON u.id = r.created_by
ORDER BY r.visit_date DESC, r.id DESC;
