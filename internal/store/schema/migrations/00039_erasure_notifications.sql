-- +goose NO TRANSACTION
-- +goose Up

-- Administrators are notified of an erasure that waits for one of them. The rows of former releases are checked while others
-- read and write.
ALTER TABLE outbox DROP CONSTRAINT outbox_type_known,
    ADD CONSTRAINT outbox_type_known
        CHECK (type IN ('assignment.created', 'record.created', 'comment.created', 'break_glass.opened',
            'reset_code.issued', 'reset_codes.issued', 'password.reset', 'second_factor.reset',
            'doctor.registered', 'doctor.name_requested', 'doctor.verified', 'doctor.unverified', 'erasure.requested')) NOT VALID;
ALTER TABLE outbox VALIDATE CONSTRAINT outbox_type_known;
ALTER TABLE notifications DROP CONSTRAINT notifications_type_known,
    ADD CONSTRAINT notifications_type_known
        CHECK (type IN ('PATIENT_ASSIGNED', 'NEW_RECORD', 'COMMENT_ADDED', 'BREAK_GLASS', 'SELF_ASSIGNED',
            'RESET_CODE_ISSUED', 'RESET_CODES_ISSUED', 'PASSWORD_RESET', 'SECOND_FACTOR_RESET',
            'DOCTOR_REGISTERED', 'NAME_REQUESTED', 'LICENSE_VERIFIED', 'LICENSE_UNVERIFIED', 'ERASURE_REQUESTED')) NOT VALID;
ALTER TABLE notifications VALIDATE CONSTRAINT notifications_type_known;

-- +goose Down
DELETE FROM notifications WHERE type = 'ERASURE_REQUESTED';
ALTER TABLE notifications DROP CONSTRAINT notifications_type_known,
    ADD CONSTRAINT notifications_type_known
        CHECK (type IN ('PATIENT_ASSIGNED', 'NEW_RECORD', 'COMMENT_ADDED', 'BREAK_GLASS', 'SELF_ASSIGNED',
            'RESET_CODE_ISSUED', 'RESET_CODES_ISSUED', 'PASSWORD_RESET', 'SECOND_FACTOR_RESET',
            'DOCTOR_REGISTERED', 'NAME_REQUESTED', 'LICENSE_VERIFIED', 'LICENSE_UNVERIFIED')) NOT VALID;
ALTER TABLE notifications VALIDATE CONSTRAINT notifications_type_known;
DELETE FROM outbox WHERE type = 'erasure.requested';
ALTER TABLE outbox DROP CONSTRAINT outbox_type_known,
    ADD CONSTRAINT outbox_type_known
        CHECK (type IN ('assignment.created', 'record.created', 'comment.created', 'break_glass.opened',
            'reset_code.issued', 'reset_codes.issued', 'password.reset', 'second_factor.reset',
            'doctor.registered', 'doctor.name_requested', 'doctor.verified', 'doctor.unverified')) NOT VALID;
ALTER TABLE outbox VALIDATE CONSTRAINT outbox_type_known;
