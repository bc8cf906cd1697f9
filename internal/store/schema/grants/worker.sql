-- The rights that the worker's statements need, and nothing more: it sees that records and
-- comments exist, but none of their content.

GRANT SELECT ON goose_db_version TO :"role";

GRANT SELECT, UPDATE (created_at, attempts, next_at, finished_at, outcome), DELETE ON outbox TO :"role";

GRANT INSERT (recipient_id, event_id, happened_at, type, patient_id, doctor_id, assignment_id, record_id, comment_id, user_id) ON notifications TO :"role";

-- the subject of an event, and its recipients
GRANT SELECT (id, patient_id, doctor_id, source, requested_by, starts_at, ends_at) ON assignments TO :"role";
GRANT SELECT (id) ON health_records TO :"role";
GRANT SELECT (id, is_private) ON doctor_comments TO :"role";
GRANT SELECT (id, user_id) ON patient_profiles TO :"role";
GRANT SELECT (id, user_id, verified_at) ON doctor_profiles TO :"role";
GRANT SELECT (id, role, active) ON users TO :"role";
GRANT SELECT ON active_assignments TO :"role";

-- tables that it trims
GRANT SELECT (ctid, created_at), DELETE ON idempotency_keys TO :"role";
GRANT SELECT (id, expires_at), DELETE ON sessions, refresh_tokens TO :"role";
GRANT SELECT (user_id, expires_at), DELETE ON reset_codes TO :"role";

-- It finds and removes deleted records without reading them.
GRANT EXECUTE ON FUNCTION remove_deleted_records TO :"role";

-- The sealer reads the audit log, which holds ids and Kubernetes users, and adds to the chain.
GRANT SELECT ON audit_log, audit_checkpoints TO :"role";
GRANT INSERT (number, last_id, statement, signature, row_ids, digests) ON audit_checkpoints TO :"role";
GRANT EXECUTE ON FUNCTION audit_prepare_months() TO :"role";

-- It keeps the search index by these functions, which read what it may not read, and tell only numbers.
GRANT EXECUTE ON FUNCTION index_pending_records, reindex_records, search_state TO :"role";
