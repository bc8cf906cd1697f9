package store_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// callsOf describes how each function of the schema is called, directly or by a trigger, and by
// whom. No plan shows the statements of a function.
func callsOf(crowd map[string]int64) map[string]functionCall {
	call := func(role clinic.Role, sql string, ids ...string) functionCall {
		var values []any
		for _, id := range ids {
			values = append(values, crowd[id])
		}
		return functionCall{role, fmt.Sprintf(sql, values...)}
	}
	return map[string]functionCall{
		"account_named":                call("", `SELECT account_named('u77')`),
		"account_registered_under":     call("", `SELECT account_registered_under('k')`),
		"add_to_assignment_counts":     call("", `SELECT add_to_assignment_counts(%d, 1)`, "doctor"),
		"add_to_notification_counts":   call("", `SELECT add_to_notification_counts(%d, true, 1)`, "doctor user"),
		"add_to_record_counts":         call("", `SELECT add_to_record_counts(%d, 'CHECKUP', 1)`, "patient"),
		"assignment_count_differences": call("", `SELECT assignment_count_differences(%[1]d - 1, %[1]d)`, "doctor"),
		"assignment_added":             call("", `INSERT INTO assignments (patient_id, doctor_id, source, starts_at) VALUES (%d, %d, 'rest', now())`, "patient", "stranger"),
		"assignment_changed":           call("", `UPDATE assignments SET ends_at = now() + interval '1 hour' WHERE id = %d`, "assignment"),
		"assignment_deleted":           call("", `DELETE FROM assignments WHERE id = %d`, "assignment"),
		"assignment_held": call("", `INSERT INTO assignments (patient_id, doctor_id, source, owner, starts_at)
			VALUES (%d, %d, 'kubernetes', 'new', now())`, "patient", "stranger"),
		"account_stays_erased": call("", `UPDATE users SET active = false WHERE id = %[1]d; UPDATE users SET active = true WHERE id = %[1]d`, "patient user"),
		"audit_follow_chain": call("", `INSERT INTO audit_checkpoints (number, last_id, statement, signature)
			VALUES (%[1]d, %[1]d, '{"number": %[1]d, "up_to": %[1]d}', 'x')`, "checkpoint"),
		"audit_prepare_months":     call("", `SELECT audit_prepare_months()`),
		"caller_id":                call("", `SELECT caller_id('user')`),
		"caller_knows":             call(clinic.RoleDoctor, `SELECT caller_knows(%d)`, "patient user"),
		"caller_role":              call("", `SELECT caller_role()`),
		"callers_patients_counted": call(clinic.RoleDoctor, `SELECT callers_patients_counted(10)`),
		"check_counts": call("", `SELECT check_counts('records', %d - 1, 1, true), check_counts('notifications', %d - 1, 1, true),
			check_counts('assignments', %d - 1, 1, true)`, "patient", "patient user", "doctor"),
		"count_assignments":   call("", `DELETE FROM assignments WHERE id = %d`, "assignment"),
		"count_notifications": call("", `UPDATE notifications SET read_at = now() WHERE recipient_id = %d`, "patient user"),
		"count_records":       call("", `UPDATE health_records SET record_type = 'EMERGENCY' WHERE patient_id = %d`, "patient"),
		"claim_replaces":      call("", `INSERT INTO assignment_claims (patient_id, doctor_id, source, starts_at) VALUES (%d, %d, 'rest', now())`, "patient", "stranger"),
		"claimed_periods":     call("", `SELECT claimed_periods(%d, %d)`, "patient", "doctor"),
		"claims_changed":      call("", `UPDATE assignment_claims SET ended_at = now() WHERE id = %d`, "claim"),
		"comment_has_patient": call("", `INSERT INTO doctor_comments (record_id, doctor_id, comment)
			SELECT min(id), %d, 'text' FROM health_records WHERE patient_id = %d`, "doctor", "patient"),
		"decide_name":       call(clinic.RoleAdmin, `SELECT decide_name(%d, true)`, "doctor"),
		"drop_pending_name": call("", `UPDATE doctor_profiles SET verified_at = NULL WHERE id = %d`, "doctor"),
		"end_twin": call("", `UPDATE doctor_profiles SET license_twin = true WHERE id = %[1]d;
			UPDATE doctor_profiles SET license_number = 'Other' WHERE id = %[1]d`, "doctor"),
		"erase_access":      call("", `SELECT erase_access(%d)`, "patient"),
		"erase_account":     call("", `SELECT erase_account(%d)`, "patient user"),
		"erase_assignments": call("", `UPDATE patient_profiles SET erased_at = now() WHERE id = %d`, "patient"),
		"erase_patient":     call(clinic.RoleAdmin, `SELECT erase_patient(%d)`, "patient"),
		"erase_records":     call("", `SELECT erase_records(%d)`, "patient"),
		"former_declared": call("", `SELECT pg_advisory_xact_lock(hashtextextended('assignments of 5', 0));
			UPDATE assignments SET ends_at = now() WHERE id = %d`, "assignment"),
		"hand_over_license": call("", `UPDATE doctor_profiles SET license_number = 'Other' WHERE id = %d`, "doctor"),
		"comment_to_index": call("", `INSERT INTO doctor_comments (record_id, doctor_id, comment)
			SELECT min(id), %d, 'text' FROM health_records WHERE patient_id = %d`, "doctor", "patient"),
		"index_pending_records": call("", `SELECT index_pending_records(10, 'en')`),
		"index_records":         call("", `SELECT index_records(ARRAY(SELECT min(id) FROM health_records), 'en')`),
		"latest_records":        call(clinic.RoleDoctor, `SELECT latest_records(10)`),
		"record_to_index":       call("", `UPDATE health_records SET title = 'Other' WHERE patient_id = %d`, "patient"),
		"record_vectors":        call("", `SELECT record_vectors(ARRAY(SELECT min(id) FROM health_records), 'en')`),
		"reindex_records":       call("", `SELECT reindex_records(10, 'en')`),
		"search_letters":        call("", `SELECT search_letters('word')`),
		"search_likeness":       call("", `SELECT search_likeness('word', 'ward')`),
		"search_marks":          call("", `SELECT search_marks('en', 'word', 'word')`),
		"search_query":          call("", `SELECT search_query('en', '{word,be}', '{f,t}', '{f,f}', false)`),
		"search_records": call(clinic.RoleDoctor, `SELECT search_records('{visit}', '{f}', '{f}', 'en', '{CHECKUP}', 0, '-infinity', 'infinity',
			'infinity', 'infinity', 0, false, 21), search_records('{visit}', '{f}', '{f}', 'en', '{CHECKUP}', 0, '-infinity', 'infinity',
			0, '-infinity', 0, true, 21)`),
		"search_state":       call("", `SELECT search_state()`),
		"search_text":        call("", `SELECT search_text('word')`),
		"search_vector":      call("", `SELECT search_vector('en', '{word}', '{A}')`),
		"search_words":       call("", `SELECT search_words('en', 'word')`),
		"has_second_factor":  call("", `SELECT has_second_factor(%d)`, "doctor user"),
		"identify":           call("", `SELECT identify(%d, 'DOCTOR', 0), identify(%[1]d, 'DOCTOR')`, "doctor user"),
		"lock_for_erasure":   call("", `SELECT lock_for_erasure(%d)`, "patient"),
		"lock_patient":       call(clinic.RoleAdmin, `SELECT lock_patient(%d)`, "patient"),
		"lock_account":       call(clinic.RoleAdmin, `SELECT lock_account(%d)`, "patient user"),
		"keep_caller":        call("", `UPDATE users SET active = false WHERE id = %d`, "doctor user"),
		"keep_caller_doctor": call("", `UPDATE doctor_profiles SET verified_at = NULL WHERE id = %d`, "doctor"),
		"keep_caller_patient": call("", `WITH new AS (INSERT INTO users (username, role, password_hash) VALUES ('new', 'PATIENT', '-') RETURNING id)
			INSERT INTO patient_profiles (user_id) SELECT id FROM new`),
		"keep_comment_version": call("", `UPDATE doctor_comments SET comment = 'Other' WHERE id = %d`, "comment"),
		"keep_deleted_record":  call("", `DELETE FROM health_records WHERE patient_id = %d`, "patient"),
		"keep_record_version":  call("", `UPDATE health_records SET title = 'Other' WHERE patient_id = %d`, "patient"),
		"remove_kept_comments": call("", `DELETE FROM patient_profiles WHERE id = %d`, "patient"),
		"restore_record": call(clinic.RolePatient, `SELECT restore_record(v.record_id, 0) FROM deleted_records d JOIN record_versions v ON v.record_id = d.id
			WHERE d.patient_id = %d`, "patient"),
		"keep_ids_only":                  call("", `UPDATE idempotency_keys SET answer = '{"ID": 1}' WHERE user_id = %d`, "doctor user"),
		"keep_license":                   call("", `UPDATE doctor_profiles SET license_number = 'Other' WHERE id = %d`, "doctor"),
		"keep_name":                      call("", `UPDATE users SET first_name = 'Other' WHERE id = %d`, "doctor user"),
		"known_as":                       call("", `SELECT known_as(%d, now())`, "doctor user"),
		"license_key":                    call("", `SELECT license_key('L1')`),
		"lock_admins":                    call(clinic.RoleAdmin, `SELECT lock_admins()`),
		"notification_count_differences": call("", `SELECT notification_count_differences(%[1]d - 1, %[1]d)`, "patient user"),
		"record_count_differences":       call("", `SELECT record_count_differences(%[1]d - 1, %[1]d)`, "patient"),
		"patient_is_kept": call("", `INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date)
			VALUES (%d, %d, 'CHECKUP', 't', now())`, "patient", "patient user"),
		"profile_stays_erased": call("", `UPDATE patient_profiles SET erased_at = now() WHERE id = %[1]d;
			DO $$ BEGIN UPDATE patient_profiles SET address = '' WHERE id = %[1]d; EXCEPTION WHEN SQLSTATE 'HR001' THEN NULL; END $$`, "patient"),
		"remove_deleted_records": call("", `SELECT remove_deleted_records(now(), 1)`),
		"patients_named":         call(clinic.RoleAdmin, `SELECT patients_named('%%u7777%%')`),
		"settle_assignments":     call("", `SELECT settle_assignments(ARRAY[%d], ARRAY[%d])`, "patient", "doctor"),
		"set_user_active":        call(clinic.RoleAdmin, `SELECT set_user_active(%d, false)`, "doctor user"),
		"start_session":          call("", `SELECT start_session(%d, 1, sha256('new'), 60, 1, 'device', NULL)`, "doctor user"),
		"users_found": call(clinic.RoleAdmin, `SELECT users_found('%%u7777%%', '', NULL, null, 0, false, 21, 0), users_found('', 'ADMIN', true, NULL, 0, false, 21, 0),
			users_found('', '', false, NULL, 0, false, 21, 0), users_found('', '', NULL, false, 0, false, 21, 0)`),
		"users_page": call(clinic.RoleAdmin, `SELECT users_page('%%u7777%%', '', NULL, null, 0, false, 21, 0, 10), users_page('', 'ADMIN', true, NULL, 0, false, 21, 0, 10),
			users_page('', '', false, NULL, 0, false, 21, 0, 10), users_page('', '', NULL, false, 0, false, 21, 0, 10), users_page('', '', NULL, null, 0, false, 21, 0, 10)`),
		"who_looked": call(clinic.RolePatient, `SELECT who_looked(id, at) FROM audit_log WHERE id = %d`, "entry"),
	}
}

type functionCall struct {
	as  clinic.Role // "": no caller
	sql string
}

// checkFunctions calls each function of the schema and counts the rows that it reads.
func checkFunctions(t *testing.T, dsn string, callers []clinic.Caller) {
	t.Helper()
	conn := connect(t, dsn)
	crowd := map[string]int64{}
	for name, sql := range map[string]string{
		"patient user": `SELECT min(user_id) FROM patient_profiles`, "doctor user": `SELECT max(user_id) FROM doctor_profiles`,
		"doctor": `SELECT max(id) FROM doctor_profiles`, "checkpoint": `SELECT max(number) + 1 FROM audit_checkpoints`,
		"claim": `SELECT max(id) FROM assignment_claims`, "assignment": `SELECT max(id) FROM assignments`,
		"comment": `SELECT max(id) FROM doctor_comments`,
		"patient": `SELECT max(id) FROM patient_profiles`, "stranger": `SELECT max(id) - 1 FROM doctor_profiles`,
		"entry": `SELECT min(l.id) FROM audit_log l JOIN patient_profiles p ON p.user_id = l.user_id WHERE p.user_id = (SELECT min(id) FROM users WHERE role = 'PATIENT')`,
	} {
		var id int64
		if err := conn.QueryRow(t.Context(), sql).Scan(&id); err != nil {
			t.Fatal(err)
		}
		crowd[name] = id
	}
	rows, err := conn.Query(t.Context(), `SELECT DISTINCT p.proname::text FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')`)
	if err != nil {
		t.Fatal(err)
	}
	functions, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	calls, callersBy := callsOf(crowd), map[clinic.Role]clinic.Caller{}
	for _, caller := range callers {
		callersBy[caller.Role] = caller
	}
	for _, function := range functions {
		call, known := calls[function]
		if !known {
			t.Errorf("%s: add to callsOf how it is called", function)
			continue
		}
		for table, read := range readBy(t, conn, callersBy[call.as], call.sql) {
			if read > 100 {
				t.Errorf("%s: %d rows of %s are read", function, read, table)
			}
		}
	}
}

// TestClaimsReadFewRowsWhenTablesHaveGrown: a session keeps the plans of functions, too, that it made while the tables were
// small.
func TestClaimsReadFewRowsWhenTablesHaveGrown(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	f := testkit.NewFactory(t, dsn)
	doctor := f.Doctor(testkit.DoctorOptions{})
	first := f.Patient(testkit.PatientOptions{})
	const claims = `INSERT INTO assignment_claims (patient_id, doctor_id, source, starts_at) SELECT p.id, %d, 'rest', now() FROM patient_profiles p
		WHERE p.id %s %d`
	claim := fmt.Sprintf(claims, doctor.ID, "=", first.ID)
	conn := connect(t, dsn)
	readBy(t, conn, clinic.Caller{}, claim)
	for range 3000 {
		f.Patient(testkit.PatientOptions{})
	}
	f.Exec(fmt.Sprintf(claims, doctor.ID, ">", first.ID))
	for table, read := range readBy(t, conn, clinic.Caller{}, claim) {
		if read > 100 {
			t.Errorf("%d rows of %s are read", read, table)
		}
	}
}

// readBy runs the statement for the caller, rolls it back, and returns the number of rows
// that it, and the functions that it called, read in each table.
func readBy(t *testing.T, conn *pgx.Conn, caller clinic.Caller, sql string) map[string]int {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	run := func(sql string) {
		if _, err := tx.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run(`SET LOCAL plan_cache_mode = force_generic_plan`)
	if caller.UserID != 0 {
		run(fmt.Sprintf(`SELECT identify(%d, '%s', 0)`, caller.UserID, caller.Role))
	}
	before := rowsRead(t, tx)
	run(sql)
	read := rowsRead(t, tx)
	for table := range read {
		read[table] -= before[table]
	}
	return read
}

// rowsRead returns the rows that the connection read in each table, by an index or not; Postgres
// counts them from before the transaction on.
func rowsRead(t *testing.T, tx pgx.Tx) map[string]int {
	t.Helper()
	rows, err := tx.Query(t.Context(), `SELECT relname::text, (seq_tup_read + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_xact_user_tables`)
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]int{}
	var table string
	var count int
	if _, err := pgx.ForEachRow(rows, []any{&table, &count}, func() error { read[table] = count; return nil }); err != nil {
		t.Fatal(err)
	}
	return read
}

// Postgres looks for rows that refer to a row which is deleted or gets another key.
func TestForeignKeysHaveIndexes(t *testing.T) {
	t.Parallel()
	conn := connect(t, testkit.NewDatabase(t, rights.Migrate))
	rows, err := conn.Query(t.Context(), `SELECT f.conname::text FROM pg_constraint f
		WHERE f.contype = 'f' AND f.connamespace = current_schema()::regnamespace AND NOT EXISTS (
			SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
			WHERE i.indrelid = f.conrelid AND i.indkey[0] = f.conkey[1]
				AND coalesce(pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname), true))`)
	if err != nil {
		t.Fatal(err)
	}
	missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(missing) > 0 {
		t.Errorf("foreign keys without an index: %v, %v", missing, err)
	}
}
