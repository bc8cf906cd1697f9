-- +goose Up

-- The same rights as before. With OFFSET 0, Postgres looks up the patient of each row. Without it, it hashes all of the doctor's
-- patients once for each statement where doctors have few of them on average: then each read of a doctor who has ten thousand
-- takes milliseconds.
ALTER POLICY caller_reads ON health_records USING (
    patient_id = (SELECT caller_id('patient'))
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = health_records.patient_id OFFSET 0));

-- +goose Down
ALTER POLICY caller_reads ON health_records USING (
    patient_id = (SELECT caller_id('patient'))
    OR EXISTS (SELECT FROM callers_patients c WHERE c.patient_id = health_records.patient_id));
