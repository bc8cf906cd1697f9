-- +goose Up

-- Emergency access: it notifies the patient and the administrators, and always ends by itself.
ALTER TABLE outbox DROP CONSTRAINT outbox_type_known,
    ADD CONSTRAINT outbox_type_known
        CHECK (type IN ('assignment.created', 'record.created', 'comment.created', 'break_glass.opened'));
ALTER TABLE notifications DROP CONSTRAINT notifications_type_known,
    ADD CONSTRAINT notifications_type_known
        CHECK (type IN ('PATIENT_ASSIGNED', 'NEW_RECORD', 'COMMENT_ADDED', 'BREAK_GLASS'));

-- Whatever a program asks for, emergency access lasts a day at most and needs a reason.
ALTER TABLE assignments
    ADD CONSTRAINT assignments_break_glass_ends
        CHECK (source <> 'break_glass' OR (ends_at IS NOT NULL AND ends_at <= starts_at + interval '24 hours')),
    ADD CONSTRAINT assignments_break_glass_reason CHECK (source <> 'break_glass' OR btrim(reason) <> '');

-- the administrators, who are notified of emergency access
CREATE INDEX users_admins_idx ON users (id) INCLUDE (active) WHERE role = 'ADMIN';

-- +goose Down
DELETE FROM outbox WHERE type = 'break_glass.opened';
DELETE FROM notifications WHERE type = 'BREAK_GLASS';
DROP INDEX users_admins_idx;
ALTER TABLE assignments DROP CONSTRAINT assignments_break_glass_ends, DROP CONSTRAINT assignments_break_glass_reason;
ALTER TABLE notifications DROP CONSTRAINT notifications_type_known,
    ADD CONSTRAINT notifications_type_known CHECK (type IN ('PATIENT_ASSIGNED', 'NEW_RECORD', 'COMMENT_ADDED'));
ALTER TABLE outbox DROP CONSTRAINT outbox_type_known,
    ADD CONSTRAINT outbox_type_known CHECK (type IN ('assignment.created', 'record.created', 'comment.created'));
