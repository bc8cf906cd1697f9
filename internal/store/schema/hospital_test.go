package schema_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// hospital has a row in every table: Ann and her doctor; Bob, who was a patient of that doctor;
// and Cleo, who is going to be one.
type hospital struct {
	dsn                       string
	owner                     *testkit.Factory
	admin                     clinic.User
	ann, bob, cleo            clinic.Patient
	doctor, other, unverified clinic.Doctor
	ofAnn, ofBob              clinic.Record
}

func newHospital(t *testing.T) hospital {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	f := testkit.NewFactory(t, dsn)
	h := hospital{
		dsn: dsn, owner: f, admin: f.Admin(),
		ann: f.Patient(testkit.PatientOptions{}), bob: f.Patient(testkit.PatientOptions{}), cleo: f.Patient(testkit.PatientOptions{}),
		doctor: f.Doctor(testkit.DoctorOptions{}), other: f.Doctor(testkit.DoctorOptions{}),
		unverified: f.Doctor(testkit.DoctorOptions{Unverified: true}),
	}
	h.ofAnn, h.ofBob = f.Record(testkit.RecordOptions{Patient: h.ann}), f.Record(testkit.RecordOptions{Patient: h.bob})
	past := time.Now().Add(-time.Minute)
	f.Assignment(testkit.AssignmentOptions{Patient: h.ann, Doctor: h.doctor})                                       // 1
	f.Assignment(testkit.AssignmentOptions{Patient: h.bob, Doctor: h.doctor, EndsAt: &past})                        // 2
	f.Assignment(testkit.AssignmentOptions{Patient: h.cleo, Doctor: h.doctor, StartsAt: time.Now().Add(time.Hour)}) // 3
	f.Assignment(testkit.AssignmentOptions{Patient: h.bob, Doctor: h.other})                                        // 4
	f.Assignment(testkit.AssignmentOptions{Patient: h.ann, Doctor: h.unverified})                                   // 5
	f.Assignment(testkit.AssignmentOptions{Patient: h.bob, Doctor: h.unverified, Source: clinic.SourceBreakGlass})  // 6
	f.Exec(`INSERT INTO declarations (uid, cluster, name, term, generation, retain) VALUES ('uid', '', 'clinic/team', 1, 3, false)`)
	f.Exec(`INSERT INTO assignment_claims (patient_id, doctor_id, source, owner, declared_by, requester, starts_at)
		VALUES ($1, $2, 'kubernetes', 'uid', 'clinic/team', 'jane', now())`, h.ann.ID, h.doctor.ID) // 5, beside that of assignment 1
	f.Exec(`UPDATE assignments SET requested_by = $1 WHERE id IN (1, 4)`, h.admin.ID)   // Ann's and Bob's
	f.Comment(testkit.CommentOptions{Record: h.ofAnn, Doctor: h.doctor})                // 1
	f.Comment(testkit.CommentOptions{Record: h.ofAnn, Doctor: h.doctor, Private: true}) // 2
	f.Comment(testkit.CommentOptions{Record: h.ofBob, Doctor: h.doctor})                // 3, while Bob was the doctor's patient
	f.Comment(testkit.CommentOptions{Record: h.ofBob, Doctor: h.other, Private: true})  // 4
	f.Exec(`INSERT INTO legal_holds (patient_id, reason) VALUES ($1, 'lawsuit')`, h.bob.ID)
	f.Exec(`INSERT INTO erasures (patient_id, reason) VALUES ($1, 'asked for it')`, h.cleo.ID)
	f.Exec(`UPDATE health_records SET title = 'Changed'`)
	f.Exec(`UPDATE doctor_comments SET comment = 'Changed'`)
	for _, patient := range []clinic.Patient{h.ann, h.bob} {
		gone := f.Record(testkit.RecordOptions{Patient: patient}) // 3, 4
		f.Exec(`DELETE FROM health_records WHERE id = $1`, gone.ID)
	}
	f.Exec(`INSERT INTO pending_names (user_id, first_name, last_name) VALUES ($1, 'New', 'Name')`, h.doctor.User.ID)
	f.Exec(`INSERT INTO notifications (recipient_id, event_id, type) SELECT id, 1, 'NEW_RECORD' FROM users ORDER BY id`)
	f.Exec(`INSERT INTO idempotency_keys (user_id, operation, key, request_hash) SELECT id, 'create', 'k', '' FROM users`)
	f.Exec(`INSERT INTO reset_codes (user_id, code_hash, expires_at) SELECT id, sha256(id::text::bytea), now() + interval '1 day' FROM users`)
	f.Exec(`INSERT INTO outbox (type, patient_id, record_id) SELECT 'record.created', patient_id, id FROM health_records`)
	f.Exec(`INSERT INTO audit_log (role, operation, object_kind, object_id, patient_ids, reason, decision)
		SELECT 'DOCTOR', 'getRecord', 'record', id, ARRAY[patient_id], 'assignment', 'allowed' FROM health_records`)
	f.Exec(`SELECT index_records(ARRAY(SELECT id FROM health_records), 'simple')`)
	f.Exec(`INSERT INTO sessions (user_id, expires_at) SELECT id, now() FROM users`)
	f.Exec(`INSERT INTO refresh_tokens (session_id, token_hash, expires_at) SELECT id, sha256(id::text::bytea), now() FROM sessions`)
	return h
}

// as runs do in a transaction of the caller (nil: no caller) with the server's
// role, and rolls it back.
func (h hospital) as(t *testing.T, caller *clinic.User, do func(pgx.Tx)) {
	t.Helper()
	conn := connect(t, rights.URL(t, h.dsn, schema.PartServer))
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if caller != nil {
		if _, err := tx.Exec(t.Context(), `SELECT identify($1, $2, 0)`, caller.ID, string(caller.Role)); err != nil {
			t.Fatal(err)
		}
	}
	do(tx)
}
