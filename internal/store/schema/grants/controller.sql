-- The rights that the controller's statements need, and nothing more: it finds people by
-- their usernames, and no health data.

GRANT SELECT ON goose_db_version TO :"role";

GRANT SELECT (id, username, active) ON users TO :"role";
GRANT SELECT (id, user_id, erased_at) ON patient_profiles TO :"role";
-- Locking a row needs the right to update a column. A constraint allows this column
-- only one value.
GRANT SELECT (id, user_id, verified_at), UPDATE (role) ON doctor_profiles TO :"role";

GRANT SELECT, INSERT (patient_id, doctor_id, source, owner, declared_by, requester, reason, starts_at, ends_at),
    UPDATE (declared_by, requester, reason, starts_at, ends_at, ended_at, held)
ON assignment_claims TO :"role";
GRANT SELECT, INSERT, UPDATE (cluster, name, term, generation, digest, whole, retain, suspended, released_at), DELETE
ON declarations TO :"role";
GRANT USAGE ON SEQUENCE controller_terms TO :"role";
GRANT SELECT ON active_assignments TO :"role";

-- Triggers turn claims into assignments and their events. A controller of the former release, which may run beside this one
-- during an upgrade, writes them itself.
GRANT SELECT, INSERT (patient_id, doctor_id, source, owner, declared_by, reason, starts_at, ends_at),
    UPDATE (starts_at, ends_at, reason, owner)
ON assignments TO :"role";

GRANT SELECT (assignment_id, type, finished_at), INSERT (type, patient_id, doctor_id, assignment_id, created_at, next_at),
    UPDATE (created_at, next_at)
ON outbox TO :"role";

GRANT INSERT (user_id, role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision, request_id, address)
ON audit_log TO :"role";
GRANT USAGE ON SEQUENCE audit_log_id_seq TO :"role";
