-- +goose NO TRANSACTION
-- +goose Up

-- Checks the rows of former releases, while others read and write.
ALTER TABLE health_records VALIDATE CONSTRAINT health_records_type_known;
ALTER TABLE health_records VALIDATE CONSTRAINT health_records_error_reason_length;
ALTER TABLE health_records VALIDATE CONSTRAINT health_records_language_known;

-- +goose Down
SELECT;
