-- A new comment of their doctor on a random patient's record, and its event.
\set patient :kind + random(0, :callers - 1) * :step
\set visit random(0, 9 + :patient * 7919 % 21)
\set id :visit * :patients + :patient
\set doctor 4 + :patient % (:doctors - 3)
WITH comment AS (
    INSERT INTO doctor_comments (record_id, doctor_id, comment)
    VALUES (:id, :doctor, 'Patient shows good health indicators.')
    RETURNING id, record_id, doctor_id
), event AS (
    INSERT INTO outbox (type, patient_id, doctor_id, record_id, comment_id)
    SELECT 'comment.created', :patient, c.doctor_id, c.record_id, c.id FROM comment c
)
SELECT id FROM comment;
