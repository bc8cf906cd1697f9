-- +goose Up

-- Administrators are notified of doctors who assign themselves. This is an effect of
-- assignment.created, so that a worker of the previous release can handle the event.
ALTER TABLE notifications DROP CONSTRAINT notifications_type_known,
    ADD CONSTRAINT notifications_type_known
        CHECK (type IN ('PATIENT_ASSIGNED', 'NEW_RECORD', 'COMMENT_ADDED', 'BREAK_GLASS', 'SELF_ASSIGNED'));

-- +goose Down
DELETE FROM notifications WHERE type = 'SELF_ASSIGNED';
ALTER TABLE notifications DROP CONSTRAINT notifications_type_known,
    ADD CONSTRAINT notifications_type_known
        CHECK (type IN ('PATIENT_ASSIGNED', 'NEW_RECORD', 'COMMENT_ADDED', 'BREAK_GLASS'));
