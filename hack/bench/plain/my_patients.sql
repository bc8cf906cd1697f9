-- The first 20 patients of a doctor with the number of their records and the latest visit, and the number of all.
WITH patients AS MATERIALIZED (
    SELECT DISTINCT a.patient_id AS id FROM assignments a WHERE a.doctor_id = :doctor AND a.ends_at IS NULL
), page AS (
    SELECT id FROM patients ORDER BY id LIMIT 20
)
SELECT p.*, u.id, u.username, u.email, u.first_name, u.last_name, u.phone_number, history.last_visit, history.total_records,
    (SELECT count(*) FROM patients) AS total
FROM page JOIN patient_profiles p ON p.id = page.id JOIN users u ON u.id = p.user_id
CROSS JOIN LATERAL (
    SELECT count(*) AS total_records, max(r.visit_date) AS last_visit FROM health_records r WHERE r.patient_id = p.id
) AS history
ORDER BY page.id;
