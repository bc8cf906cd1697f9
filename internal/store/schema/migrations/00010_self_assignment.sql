-- +goose Up

-- Administrators are told of doctors who assign themselves. It is the effect of
-- assignment.created, so that a worker of the release before can handle it.
ALTER TABLE notifications DROP CONSTRAINT notifications_type_known,
    ADD CONSTRAINT notifications_type_known
        CHECK (type IN ('PATIENT_ASSIGNED', 'NEW_RECORD', 'COMMENT_ADDED', 'BREAK_GLASS', 'SELF_ASSIGNED'));

-- +goose Down
DELETE FROM notifications WHERE type = 'SELF_ASSIGNED';
ALTER TABLE notifications DROP CONSTRAINT notifications_type_known,
    ADD CONSTRAINT notifications_type_known
        CHECK (type IN ('PATIENT_ASSIGNED', 'NEW_RECORD', 'COMMENT_ADDED', 'BREAK_GLASS'));
