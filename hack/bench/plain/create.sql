-- A new record of a random patient, and its event.
\set patient :kind + random(0, :callers - 1) * :step
\set creator :doctors + :patient
WITH record AS (
    INSERT INTO health_records (patient_id, created_by, record_type, title, description, symptoms, diagnosis, treatment, medications, visit_date)
    VALUES (:patient, :creator, 'CHECKUP', 'Visit', 'Routine annual physical examination', 'No specific symptoms',
        'Patient appears healthy', 'Continue current lifestyle', 'None', '2000-01-01T10:00:00Z')
    RETURNING id, patient_id
), event AS (
    INSERT INTO outbox (type, patient_id, record_id) SELECT 'record.created', patient_id, id FROM record
)
SELECT id FROM record;
