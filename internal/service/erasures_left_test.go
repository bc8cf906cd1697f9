package service_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// What the columns about a patient hold in the tests of erasures: texts and bytes, dates, times, and addresses.
const (
	erasedText    = "canary7f3a"
	erasedDay     = "1911-11-11"
	erasedTime    = "1912-12-12"
	erasedAddress = "203.0.113.77"
)

// without lists the columns of texts, bytes, dates and addresses that have nothing of a patient, with the reason. A new
// column is either filled by fill, and so must be emptied by an erasure, or listed here.
func without() map[string]string {
	const (
		word      = "one of a few words"
		doctors   = "of doctors"
		object    = "about an object in Kubernetes, and who wrote it there"
		log       = "ids and words of requests; the log stays, so that it can be verified"
		requester = "written by administrators, who must name nobody"
	)
	return map[string]string{
		"users.role": word, "patient_profiles.role": word, "doctor_profiles.role": word, "callers.role": word,
		"patient_profiles.blood_type":    "one of eight; the test looks at it",
		"doctor_profiles.specialization": doctors, "doctor_profiles.license_number": doctors, "doctor_profiles.source_id": doctors,
		"name_versions.license_number": doctors, "pending_names.first_name": doctors, "pending_names.last_name": doctors,
		"assignments.source": word, "assignments.owner": object, "assignments.requester": object,
		"assignment_claims.source": word, "assignment_claims.owner": object, "assignment_claims.requester": object,
		"declarations.uid": object, "declarations.cluster": object, "declarations.name": object, "declarations.digest": object,
		"health_records.record_type": word, "health_records.language": word,
		"record_versions.record_type": word, "record_versions.language": word, "record_counts.record_type": word,
		"record_search.record_type": word, "record_search.language": word,
		"outbox.type": word, "outbox.outcome": word, "notifications.type": word,
		"idempotency_keys.operation": word, "idempotency_keys.answer": "ids and numbers, as a constraint demands",
		"audit_log.role": word, "audit_log.operation": log, "audit_log.object_kind": log, "audit_log.reason": log, "audit_log.decision": log,
		"audit_log.request_id": log, "audit_log.address": log,
		"audit_checkpoints.statement": log, "audit_checkpoints.signature": log, "audit_checkpoints.digests": log,
		"legal_holds.reason": requester, "erasures.reason": requester, "erasures.removed": "numbers",
	}
}

// fill makes a patient of the doctor, in whose rows every column has one of these values.
func (w registry) fill(t *testing.T, text, day, at, address string) clinic.Patient {
	t.Helper()
	p := w.db.Patient(testkit.PatientOptions{Person: testkit.Person{
		Username: text, FirstName: text, LastName: text, Email: text, Phone: text, PasswordHash: text,
	}, BloodType: "AB-"})
	account := clinic.Caller{UserID: p.User.ID, Role: clinic.RolePatient}
	run := func(sql string) {
		t.Helper()
		sql = strings.NewReplacer(
			"$patient", fmt.Sprint(p.ID), "$account", fmt.Sprint(account.UserID), "$doctor", fmt.Sprint(w.doctor.ID), "$staff", fmt.Sprint(w.doctor.User.ID),
			"$text", "'"+text+"'", "$bytes", `'\x`+hex.EncodeToString([]byte(fmt.Sprintf("%-32s", text)))+`'::bytea`,
			"$day", "'"+day+"'", "$at", "'"+at+"'", "$address", "'"+address+"'").Replace(sql)
		w.db.Exec(sql)
	}
	for _, sql := range []string{
		`UPDATE patient_profiles SET date_of_birth = $day, address = $text, emergency_contact = $text, source_id = $text WHERE id = $patient`,
		`INSERT INTO assignment_claims (patient_id, doctor_id, source, owner, declared_by, reason, starts_at)
			VALUES ($patient, $doctor, 'kubernetes', 'uid ' || $patient, $text, $text, now())`,
		`INSERT INTO assignments (patient_id, doctor_id, source, reason, starts_at, ends_at)
			VALUES ($patient, $doctor, 'break_glass', $text, now(), now() + interval '1 hour')`,
		`INSERT INTO health_records (patient_id, created_by, record_type, title, description, symptoms, diagnosis, treatment, medications, visit_date,
				error_reason, source_id, source_digest)
			SELECT $patient, $account, 'ENTERED_IN_ERROR:CHECKUP', $text || n, $text, $text, $text, $text, $text, $at, $text, $text || n, $bytes FROM generate_series(1, 3) n`,
		`INSERT INTO doctor_comments (record_id, doctor_id, comment, is_private)
			SELECT r.id, $doctor, $text, r.title LIKE '%1' FROM health_records r WHERE r.patient_id = $patient`,
		`UPDATE doctor_comments SET comment = comment || ' again' WHERE patient_id = $patient`,
		`UPDATE health_records SET description = description || ' again' WHERE patient_id = $patient`,
		`DELETE FROM health_records WHERE patient_id = $patient AND title LIKE '%3'`,
		`SELECT index_records(ARRAY(SELECT id FROM health_records WHERE patient_id = $patient), 'simple')`,
		`INSERT INTO sessions (user_id, expires_at, device, address, last_device, last_address)
			VALUES ($account, now() + interval '1 day', $text, $address, $text, $address)`,
		`INSERT INTO refresh_tokens (session_id, token_hash, expires_at, used_at, successor_salt)
			SELECT id, $bytes, now() + interval '1 day', now(), $bytes FROM sessions WHERE user_id = $account`,
		`INSERT INTO totp_factors (user_id, secret) VALUES ($account, $bytes)`,
		`INSERT INTO recovery_codes (user_id, code_hash) VALUES ($account, $bytes)`,
		`INSERT INTO reset_codes (user_id, code_hash, expires_at) VALUES ($account, $bytes, now() + interval '1 day')`,
		`INSERT INTO idempotency_keys (user_id, operation, key, request_hash) VALUES ($account, 'createRecord', $text, $bytes)`,
		`INSERT INTO idempotency_keys (user_id, operation, key, request_hash, answer)
			VALUES ($staff, 'addComment', $text, $bytes, '{"ID": 1, "PatientID": $patient}')`,
		`INSERT INTO outbox (type, patient_id, record_id) SELECT 'record.created', patient_id, id FROM health_records WHERE patient_id = $patient`,
		`INSERT INTO notifications (recipient_id, event_id, type, patient_id, record_id)
			SELECT u.id, r.id, 'NEW_RECORD', r.patient_id, r.id FROM health_records r, users u WHERE r.patient_id = $patient AND u.id IN ($account, $staff)`,
		`INSERT INTO audit_log (user_id, role, operation, object_kind, patient_ids, reason, decision)
			VALUES ($staff, 'DOCTOR', 'getRecord', 'record', ARRAY[$patient::bigint], 'assignment', 'allowed')`,
		`UPDATE users SET first_name = first_name || 'b' WHERE id = $account`,
	} {
		run(sql)
	}
	return p
}

// column is one that can hold what people write.
type column struct{ Table, Name string }

// writable returns the columns that can hold texts, bytes, documents, days and addresses.
func (w registry) writable(t *testing.T) []column {
	t.Helper()
	rows := testkit.Value(w.db.Pool.Query(t.Context(), `SELECT c.table_name::text, c.column_name::text
		FROM information_schema.columns c JOIN pg_class k ON k.relname = c.table_name AND k.relnamespace = current_schema()::regnamespace
		WHERE c.table_schema = current_schema() AND k.relkind IN ('r', 'p') AND NOT k.relispartition
			AND c.udt_name NOT IN ('int2', 'int4', 'int8', 'bool', 'timestamptz', 'timestamp', 'float8', 'numeric', 'uuid', '_int8')
		ORDER BY 1, 2`))(t)
	return testkit.Value(pgx.CollectRows(rows, pgx.RowToStructByPos[column]))(t)
}

// dump returns every row of the database, as text. It leaves out what the log says of the erasure itself.
func (w registry) dump(t *testing.T) (rows []string) {
	t.Helper()
	var all string
	testkit.Must(t, w.db.Pool.QueryRow(t.Context(), `SELECT string_agg(format('SELECT %L || '' '' || to_jsonb(t) FROM %I t', relname, relname), ' UNION ALL ')
		FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`).Scan(&all))
	found := testkit.Value(w.db.Pool.Query(t.Context(), all))(t)
	rows = testkit.Value(pgx.CollectRows(found, pgx.RowTo[string]))(t)
	slices.Sort(rows)
	return rows
}

// having returns the rows that contain one of the values, or its bytes.
func having(rows []string, values ...string) (found []string) {
	for _, value := range values {
		for _, row := range rows {
			if strings.Contains(strings.ToLower(row), value) || strings.Contains(row, hex.EncodeToString([]byte(value))) {
				found = append(found, row)
			}
		}
	}
	return found
}

// TestNothingIsLeftOfAnErasedPatient compares the whole database before and after an erasure, and finds every column that an
// erasure has to know.
func TestNothingIsLeftOfAnErasedPatient(t *testing.T) {
	t.Parallel()
	w := newRegistry(t)
	erased := w.fill(t, erasedText, erasedDay, erasedTime, erasedAddress)
	w.fill(t, "bystander", "1913-01-01", "1914-01-01", "203.0.113.78")
	w.patient = erased
	for _, c := range w.writable(t) {
		filled := w.db.Count(fmt.Sprintf(`SELECT count(*) FROM %[1]s t WHERE t.%[2]s::text ~ $1`, c.Table, c.Name), strings.Join([]string{
			erasedText, hex.EncodeToString([]byte(erasedText)), erasedDay, strings.ReplaceAll(erasedAddress, ".", `\.`),
		}, "|"))
		if known := without()[c.Table+"."+c.Name] != ""; known == (filled > 0) {
			t.Errorf("%s.%s has the patient's texts in %d rows, and is listed as one without them: %t; fill it in fill, and empty it in erase_patient, or list it",
				c.Table, c.Name, filled, known)
		}
	}
	before := w.dump(t)
	bystander, log := having(before, "bystander", "1913-01-01", "1914-01-01", "203.0.113.78"), having(before, "audit_log {")
	kept := w.db.Count(`SELECT count(*) FROM assignments WHERE patient_id = $1`, erased.ID)

	certificate := w.erase(t)

	after := w.dump(t)
	if left := having(after, erasedText, erasedDay, erasedTime, erasedAddress); len(left) > 0 {
		t.Errorf("%d rows have something of the patient:\n%s", len(left), strings.Join(left, "\n"))
	}
	if now := having(after, "bystander", "1913-01-01", "1914-01-01", "203.0.113.78"); !slices.Equal(bystander, now) {
		t.Errorf("the rows of another patient have changed: %d before, %d after", len(bystander), len(now))
	}
	for _, row := range log {
		if !slices.Contains(after, row) {
			t.Errorf("a row of the audit log has changed: %s", row)
		}
	}
	want := clinic.Removed{
		Records: 3, RecordVersions: 4, Comments: 3, CommentVersions: 3, Assignments: 2, Claims: 1, Sessions: 1, Notifications: 2, KeptAnswers: 1, Names: 2,
	}
	if *certificate.Removed != want {
		t.Errorf("removed %+v, want %+v", *certificate.Removed, want)
	}
	for sql, want := range map[string]int{
		`SELECT count(*) FROM patient_profiles p JOIN users u ON u.id = p.user_id WHERE p.id = $1 AND p.blood_type = '' AND p.erased_at IS NOT NULL
			AND u.username = 'erased-' || u.id AND NOT u.active`: 1,
		`SELECT count(*) FROM assignments WHERE patient_id = $1`:                                                    kept,
		`SELECT count(*) FROM assignments WHERE patient_id = $1 AND (ends_at IS NULL OR ends_at > now())`:           0,
		`SELECT count(*) FROM assignment_claims WHERE patient_id = $1 AND ended_at IS NULL`:                         0,
		`SELECT count(*) FROM name_versions v JOIN patient_profiles p USING (user_id) WHERE p.id = $1`:              1,
		`SELECT count(*) FROM health_records r JOIN patient_profiles p ON p.id = r.patient_id WHERE p.id = $1`:      0,
		`SELECT count(*) FROM record_counts WHERE patient_id = $1`:                                                  0,
		`SELECT count(*) FROM erasures e WHERE e.patient_id = $1 AND e.erased_at IS NOT NULL`:                       1,
		`SELECT count(*) FROM audit_log WHERE patient_ids @> ARRAY[$1::bigint] AND operation = 'getRecord'`:         1,
		`SELECT count(*) FROM check_counts('assignments', 0, 1000, false) c WHERE c.wrong > 0 AND $1::bigint > 0`:   0,
		`SELECT count(*) FROM check_counts('records', 0, 1000, false) c WHERE c.wrong > 0 AND $1::bigint > 0`:       0,
		`SELECT count(*) FROM check_counts('notifications', 0, 1000, false) c WHERE c.wrong > 0 AND $1::bigint > 0`: 0,
	} {
		if n := w.db.Count(sql, erased.ID); n != want {
			t.Errorf("%s: %d, want %d", sql, n, want)
		}
	}
}
