-- The rights that the server's statements need, and nothing more. It can change neither the
-- role, username or activity of an account, nor the patient and creator of a record. It
-- adds events and reads none.

GRANT SELECT ON goose_db_version TO :"role";

GRANT EXECUTE ON FUNCTION identify(bigint, text, bigint), account_named, account_registered_under, patients_named, users_found, users_page,
    lock_admins, set_user_active, decide_name, who_looked, lock_account, start_session, callers_patients_counted,
    restore_record, lock_patient, erase_patient,
    search_records, search_query, search_marks, search_text, search_letters, search_likeness, latest_records TO :"role";

GRANT SELECT ON users, doctor_profiles, patient_profiles, assignments, health_records, doctor_comments, notifications,
    callers_sessions, refresh_tokens, idempotency_keys, accounts, active_assignments, callers_patients, callers_records,
    patient_access, record_details, comment_details, name_versions, pending_names, record_counts, callers_record_counts, notification_counts,
    record_versions, deleted_records, kept_records, deleted_record_details, record_version_details, comment_version_details
TO :"role";

GRANT USAGE ON SEQUENCE users_id_seq TO :"role"; -- an account gets its id before it is made
GRANT INSERT (id, username, email, first_name, last_name, phone_number, role, password_hash),
    UPDATE (email, first_name, last_name, phone_number, password_hash, credentials_version, updated_at)
ON users TO :"role";

GRANT INSERT (user_id, date_of_birth, blood_type, address, emergency_contact),
    UPDATE (date_of_birth, blood_type, address, emergency_contact)
ON patient_profiles TO :"role";

GRANT USAGE ON SEQUENCE doctor_profiles_id_seq TO :"role"; -- a missing license number is derived from the id
GRANT INSERT (id, user_id, specialization, license_number, years_of_experience, verified_at),
    UPDATE (specialization, license_number, years_of_experience, verified_at)
ON doctor_profiles TO :"role";

GRANT INSERT (user_id, first_name, last_name) ON pending_names TO :"role";

-- Emergency access; a server of the former release, which runs beside this one during an upgrade, writes all assignments.
GRANT INSERT (patient_id, doctor_id, source, requested_by, reason, starts_at, ends_at), UPDATE (ends_at) ON assignments TO :"role";
GRANT SELECT, INSERT (patient_id, doctor_id, source, requested_by, reason, starts_at, ends_at), UPDATE (ended_at, held) ON assignment_claims TO :"role";
GRANT SELECT (uid, generation, digest) ON declarations TO :"role"; -- at which a claim is held, if it is known

GRANT INSERT (patient_id, created_by, record_type, title, description, symptoms, diagnosis, treatment, medications, visit_date, language),
    UPDATE (record_type, title, description, symptoms, diagnosis, treatment, medications, visit_date, error_reason, language, version, updated_at),
    DELETE
ON health_records TO :"role";

GRANT INSERT (record_id, doctor_id, comment, is_private), UPDATE (comment, version, updated_at) ON doctor_comments TO :"role";

GRANT INSERT (type, patient_id, doctor_id, assignment_id, record_id, comment_id, user_id, actor_id) ON outbox TO :"role";

GRANT UPDATE (read_at) ON notifications TO :"role";

-- The devices and addresses are in callers_sessions, for their own user.
GRANT SELECT (id, user_id, created_at, expires_at, last_used_at), DELETE,
    INSERT (user_id, expires_at, device, address, last_device, last_address),
    UPDATE (expires_at, last_used_at, last_device, last_address)
ON sessions TO :"role";
GRANT INSERT (session_id, token_hash, expires_at), UPDATE (used_at, successor_salt) ON refresh_tokens TO :"role";
GRANT INSERT (user_id, operation, key, request_hash), UPDATE (key, answer) ON idempotency_keys TO :"role";

GRANT SELECT, INSERT (user_id, secret), UPDATE (secret, created_at, confirmed_at, last_step, failures, retry_at), DELETE
ON totp_factors TO :"role";
GRANT SELECT, INSERT (user_id, code_hash), UPDATE (used_at) ON recovery_codes TO :"role";
GRANT SELECT, INSERT (user_id, code_hash, expires_at), UPDATE (code_hash, created_at, expires_at, issued_by), DELETE ON reset_codes TO :"role";
-- For administrators. Only erase_patient carries an erasure out.
GRANT SELECT, INSERT (patient_id, reason), UPDATE (reason, placed_by, placed_at), DELETE ON legal_holds TO :"role";
GRANT SELECT, INSERT (patient_id, reason), DELETE ON erasures TO :"role";
-- The server adds to the audit log and reads it; nobody changes it.
GRANT SELECT ON callers_audit, audit_entries TO :"role";
GRANT INSERT (user_id, role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision, request_id, address, record_ids)
ON audit_log TO :"role";
GRANT USAGE ON SEQUENCE audit_log_id_seq TO :"role";
