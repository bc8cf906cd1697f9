package schema_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// A statement changes the given number of rows, or is denied.
func TestRawStatementsWriteWhatTheCallerMayWrite(t *testing.T) {
	t.Parallel()
	h := newHospital(t)
	const refused = -1
	insert := `INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date) VALUES (%d, %d, 'CHECKUP', 't', now())`
	comment := `INSERT INTO doctor_comments (record_id, doctor_id, comment) VALUES (%d, %d, 't')`
	assign := `INSERT INTO assignments (patient_id, doctor_id, source, requested_by, starts_at) VALUES (%d, %d, 'rest', %d, now())`
	claim := `INSERT INTO assignment_claims (patient_id, doctor_id, source, requested_by, starts_at) VALUES (%d, %d, '%s', %d, now())`
	told := `INSERT INTO outbox (type, doctor_id) VALUES ('%s', %d)`
	pending := `INSERT INTO pending_names (user_id, first_name, last_name) VALUES (%d, 'A', 'B')`
	code := `INSERT INTO reset_codes AS c (user_id, code_hash, expires_at) VALUES (%d, sha256('x'), now() + interval '1 day')
		ON CONFLICT (user_id) DO UPDATE SET code_hash = excluded.code_hash`
	hold, erasure := `INSERT INTO legal_holds (patient_id, reason) VALUES (%d, 'x')`, `INSERT INTO erasures (patient_id, reason) VALUES (%d, 'x')`
	event := `INSERT INTO outbox (type, user_id) VALUES ('%s', %d)`
	forged := `INSERT INTO outbox (type, %s, %s) VALUES ('%s', %d, %d)`
	user := `INSERT INTO users (id, username, role, password_hash) OVERRIDING SYSTEM VALUE
		VALUES (set_config('healthrecords.user_id', nextval('users_id_seq')::text, true)::bigint, 'new', '%s', '-')`
	for _, test := range []struct {
		caller *clinic.User
		sql    string
		want   int64
	}{
		{&h.ann.User, `UPDATE health_records SET title = 'x'`, 1},
		{&h.ann.User, `DELETE FROM health_records`, 1}, // the private comment too, though she does not see it
		{&h.ann.User, fmt.Sprintf(insert, h.ann.ID, h.ann.User.ID), 1},
		{&h.ann.User, fmt.Sprintf(insert, h.bob.ID, h.ann.User.ID), refused},
		{&h.ann.User, fmt.Sprintf(insert, h.ann.ID, h.bob.User.ID), refused},
		{&h.ann.User, `UPDATE users SET email = 'x'`, 1},
		{&h.ann.User, `UPDATE patient_profiles SET address = 'x'`, 1},
		{&h.ann.User, `UPDATE notifications SET read_at = now()`, 1},
		{&h.ann.User, `UPDATE idempotency_keys SET answer = '{}'`, 1},
		{&h.ann.User, `DELETE FROM reset_codes`, 1},
		{&h.ann.User, fmt.Sprintf(code, h.ann.User.ID), refused}, // only administrators issue codes, also for oneself
		{&h.ann.User, `UPDATE reset_codes SET expires_at = expires_at + interval '1 day'`, refused},
		{&h.doctor.User, fmt.Sprintf(code, h.ann.User.ID), refused},
		{&h.doctor.User, fmt.Sprintf(`DELETE FROM reset_codes WHERE user_id = %d`, h.ann.User.ID), 0},
		{&h.doctor.User, fmt.Sprintf(`SELECT lock_account(%d)`, h.ann.User.ID), 0},
		{&h.doctor.User, fmt.Sprintf(`SELECT lock_account(%d)`, h.doctor.User.ID), 1},
		{&h.admin, fmt.Sprintf(`SELECT lock_account(%d)`, h.ann.User.ID), 1},
		{&h.admin, fmt.Sprintf(code, h.ann.User.ID), 1},
		{nil, fmt.Sprintf(code, h.ann.User.ID), refused},
		{nil, fmt.Sprintf(`SELECT lock_account(%d)`, h.ann.User.ID), 0},
		{&h.ann.User, fmt.Sprintf(event, "password.reset", h.ann.User.ID), 1},
		{&h.ann.User, fmt.Sprintf(event, "password.reset", h.bob.User.ID), refused},
		{&h.ann.User, fmt.Sprintf(event, "second_factor.reset", h.ann.User.ID), refused},
		{&h.admin, fmt.Sprintf(event, "reset_code.issued", h.ann.User.ID), 1},
		{&h.ann.User, fmt.Sprintf(forged, "patient_id", "user_id", "second_factor.reset", h.ann.ID, h.bob.User.ID), refused},
		{&h.ann.User, fmt.Sprintf(forged, "patient_id", "user_id", "password.reset", h.bob.ID, h.ann.User.ID), refused},
		{&h.ann.User, fmt.Sprintf(forged, "user_id", "actor_id", "password.reset", h.ann.User.ID, h.admin.ID), refused},
		{&h.ann.User, fmt.Sprintf(forged, "patient_id", "actor_id", "record.created", h.ann.ID, h.admin.ID), refused},
		{&h.doctor.User, fmt.Sprintf(forged, "doctor_id", "user_id", "reset_code.issued", h.doctor.ID, h.ann.User.ID), refused},
		{&h.unverified.User, fmt.Sprintf(forged, "doctor_id", "user_id", "doctor.registered", h.unverified.ID, h.ann.User.ID), refused},
		{&h.unverified.User, fmt.Sprintf(forged, "doctor_id", "actor_id", "doctor.registered", h.unverified.ID, h.admin.ID), refused},
		{&h.ann.User, `UPDATE assignments SET ends_at = now()`, 0},
		{&h.ann.User, fmt.Sprintf(comment, h.ofAnn.ID, h.doctor.ID), refused},
		{&h.ann.User, fmt.Sprintf(assign, h.ann.ID, h.other.ID, h.ann.User.ID), refused},
		{&h.doctor.User, `UPDATE health_records SET title = 'x'`, 0},
		{&h.doctor.User, `SELECT FROM health_records FOR UPDATE`, 0},
		{&h.doctor.User, fmt.Sprintf(insert, h.ann.ID, h.doctor.User.ID), refused},
		{&h.doctor.User, fmt.Sprintf(comment, h.ofAnn.ID, h.doctor.ID), 1},
		{&h.doctor.User, fmt.Sprintf(comment, h.ofAnn.ID, h.other.ID), refused},
		{&h.doctor.User, fmt.Sprintf(comment, h.ofBob.ID, h.doctor.ID), refused},
		{&h.doctor.User, fmt.Sprintf(assign, h.bob.ID, h.doctor.ID, h.doctor.User.ID), 1},
		{&h.doctor.User, fmt.Sprintf(assign, h.bob.ID, h.other.ID, h.doctor.User.ID), refused},
		{&h.doctor.User, `UPDATE assignments SET ends_at = now()`, 0},
		{&h.doctor.User, fmt.Sprintf(claim, h.bob.ID, h.doctor.ID, "rest", h.doctor.User.ID), 1},
		{&h.doctor.User, fmt.Sprintf(claim, h.bob.ID, h.doctor.ID, "rest", h.admin.ID), refused},
		{&h.doctor.User, fmt.Sprintf(claim, h.bob.ID, h.doctor.ID, "kubernetes", h.doctor.User.ID), refused},
		{&h.doctor.User, fmt.Sprintf(claim, h.cleo.ID, h.other.ID, "rest", h.doctor.User.ID), refused},
		{&h.unverified.User, fmt.Sprintf(claim, h.cleo.ID, h.unverified.ID, "rest", h.unverified.User.ID), refused},
		{&h.ann.User, fmt.Sprintf(claim, h.ann.ID, h.other.ID, "rest", h.ann.User.ID), refused},
		{&h.admin, fmt.Sprintf(claim, h.cleo.ID, h.other.ID, "rest", h.admin.ID), 1},
		{&h.admin, fmt.Sprintf(claim, h.cleo.ID, h.other.ID, "rest", h.other.User.ID), refused},
		{nil, fmt.Sprintf(claim, h.cleo.ID, h.other.ID, "rest", h.admin.ID), refused},
		{&h.ann.User, `UPDATE assignment_claims SET ended_at = now()`, 0},
		{&h.doctor.User, `UPDATE assignment_claims SET ended_at = now()`, 0},
		{nil, `UPDATE assignment_claims SET ended_at = now()`, 0},
		{&h.admin, `UPDATE assignment_claims SET ended_at = now()`, 5},
		{&h.doctor.User, `UPDATE patient_profiles SET address = 'x'`, 0},
		{&h.unverified.User, fmt.Sprintf(assign, h.cleo.ID, h.unverified.ID, h.unverified.User.ID), refused},
		{&h.unverified.User, fmt.Sprintf(comment, h.ofBob.ID, h.unverified.ID), refused},
		{&h.other.User, fmt.Sprintf(pending, h.other.User.ID), 1},
		{&h.other.User, fmt.Sprintf(pending, h.unverified.User.ID), refused},
		{&h.admin, fmt.Sprintf(pending, h.other.User.ID), refused},
		{&h.admin, fmt.Sprintf(`SELECT decide_name(%d, true)`, h.doctor.ID), 1},
		{&h.doctor.User, fmt.Sprintf(`SELECT decide_name(%d, true)`, h.doctor.ID), 0},
		{nil, fmt.Sprintf(`SELECT decide_name(%d, true)`, h.doctor.ID), 0},
		{&h.admin, `UPDATE assignments SET ends_at = greatest(starts_at, now())`, 6},
		{&h.admin, `UPDATE users SET email = 'x'`, 1},
		{&h.admin, `DELETE FROM health_records`, 0},
		{&h.admin, fmt.Sprintf(assign, h.cleo.ID, h.other.ID, h.ann.User.ID), refused}, // in the name of another user
		{&h.doctor.User, `UPDATE doctor_comments SET comment = 'x'`, 2},                // their own on Ann's record; Bob was their patient
		{&h.other.User, `UPDATE doctor_comments SET comment = 'x'`, 1},
		{&h.unverified.User, `UPDATE doctor_comments SET comment = 'x'`, 0},
		{&h.ann.User, `UPDATE doctor_comments SET comment = 'x'`, 0},
		{&h.admin, `UPDATE doctor_comments SET comment = 'x'`, 0},
		{nil, `UPDATE doctor_comments SET comment = 'x'`, 0},
		{&h.doctor.User, `UPDATE doctor_comments SET is_private = false`, refused},
		{&h.doctor.User, `UPDATE doctor_comments SET created_at = now()`, refused},
		{&h.unverified.User, fmt.Sprintf(told, "doctor.registered", h.unverified.ID), 1},
		{&h.unverified.User, fmt.Sprintf(told, "doctor.registered", h.other.ID), refused},
		{&h.unverified.User, fmt.Sprintf(told, "doctor.verified", h.unverified.ID), refused},
		{&h.ann.User, fmt.Sprintf(told, "doctor.registered", h.unverified.ID), refused},
		{nil, fmt.Sprintf(told, "doctor.registered", h.unverified.ID), refused},
		{&h.admin, fmt.Sprintf(told, "doctor.verified", h.unverified.ID), 1},
		{&h.other.User, `INSERT INTO outbox (type, patient_id) VALUES ('record.created', 1)`, refused},
		{nil, `INSERT INTO outbox (type, patient_id) VALUES ('record.created', 1)`, refused},
		{nil, fmt.Sprintf(insert, h.ann.ID, h.ann.User.ID), refused},
		{nil, `UPDATE users SET email = 'x'`, 0},
		{nil, fmt.Sprintf(user, "PATIENT"), 1},
		{nil, fmt.Sprintf(user, "ADMIN"), refused},
		{&h.admin, fmt.Sprintf(hold, h.ann.ID), 1},
		{&h.admin, `UPDATE legal_holds SET reason = 'x', placed_by = caller_id('user')`, 1},
		{&h.admin, `UPDATE legal_holds SET reason = 'x', placed_by = 1000`, refused}, // in the name of another user
		{&h.admin, `DELETE FROM legal_holds`, 1},
		{&h.doctor.User, fmt.Sprintf(hold, h.ann.ID), refused},
		{&h.doctor.User, `DELETE FROM legal_holds`, 0},
		{&h.bob.User, `DELETE FROM legal_holds`, 0},
		{nil, `DELETE FROM legal_holds`, 0},
		{&h.admin, fmt.Sprintf(erasure, h.ann.ID), 1},
		{&h.admin, `INSERT INTO erasures (patient_id, reason, requested_by) VALUES (1, 'x', 1)`, refused},
		{&h.admin, `UPDATE erasures SET erased_at = now()`, refused},
		{&h.admin, `DELETE FROM erasures`, 1},
		{&h.doctor.User, fmt.Sprintf(erasure, h.ann.ID), refused},
		{&h.cleo.User, `DELETE FROM erasures`, 0},
		{nil, `DELETE FROM erasures`, 0},
		{nil, fmt.Sprintf(erasure, h.ann.ID), refused},
		{&h.admin, fmt.Sprintf(`SELECT FROM erase_patient(%d) AS outcome WHERE outcome = 'done'`, h.cleo.ID), 1},
		{&h.admin, fmt.Sprintf(`SELECT FROM erase_patient(%d) AS outcome WHERE outcome = 'done'`, h.ann.ID), 0},
		{&h.doctor.User, fmt.Sprintf(`SELECT FROM erase_patient(%d) AS outcome WHERE outcome = 'done'`, h.cleo.ID), 0},
		{&h.cleo.User, fmt.Sprintf(`SELECT FROM erase_patient(%d) AS outcome WHERE outcome = 'done'`, h.cleo.ID), 0},
		{nil, fmt.Sprintf(`SELECT FROM erase_patient(%d) AS outcome WHERE outcome = 'done'`, h.cleo.ID), 0},
		{&h.admin, fmt.Sprintf(`SELECT lock_patient(%d)`, h.cleo.ID), 1},
		{&h.doctor.User, fmt.Sprintf(`SELECT lock_patient(%d)`, h.cleo.ID), 0},
		{nil, fmt.Sprintf(`SELECT lock_patient(%d)`, h.cleo.ID), 0},
		{nil, `INSERT INTO idempotency_keys (user_id, operation, key, request_hash) VALUES (1, 'register', 'x', '')`, refused},
	} {
		h.as(t, test.caller, func(tx pgx.Tx) {
			tag, err := tx.Exec(t.Context(), test.sql)
			switch {
			case test.want == refused && codeOf(err) != denied:
				t.Errorf("%+v: %s: %v, want SQLSTATE %s", test.caller, test.sql, err, denied)
			case test.want != refused && (err != nil || tag.RowsAffected() != test.want):
				t.Errorf("%+v: %s: %v, %v, want %d rows", test.caller, test.sql, tag, err, test.want)
			}
		})
	}
}
