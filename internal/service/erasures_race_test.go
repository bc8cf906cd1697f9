package service_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// The advisory locks at which the two of a race wait.
const (
	pausesErasure = 1
	pausesOther   = 2
)

// meeting is something that happens to a patient at the same time as the erasure.
type meeting struct {
	do func(context.Context, meetingOf) error
	// at is the statement at which it pauses, with its locks: a table and the time of a trigger for each row.
	table, when string
	// refused is the code of what comes after the erasure; "" means that it goes on without the patient.
	refused clinic.Code
	// stops is the reason for which the erasure fails that comes after it.
	stops string
}

// meetingOf is the registry with what meetings need: texts of the patient everywhere, a deleted record and an import.
type meetingOf struct {
	registry
	present, deleted int64 // records
	comment          int64
	third            clinic.Caller // another administrator
}

func meetings() map[string]meeting {
	text := erasedText + " meanwhile"
	return map[string]meeting{
		"a new record": {func(ctx context.Context, m meetingOf) error {
			written := fields()
			written.Title = text
			_, err := m.Records.Create(ctx, m.asPatient(), written, clinic.Idempotency{})
			return err
		}, "health_records", "AFTER INSERT", clinic.CodeUnauthenticated, ""},
		"a new record under a key": {func(ctx context.Context, m meetingOf) error {
			written := fields()
			written.Title = text
			_, err := m.Records.Create(ctx, m.asPatient(), written, clinic.Idempotency{Operation: "createRecord", Key: text, Hash: []byte(text)})
			return err
		}, "health_records", "AFTER INSERT", clinic.CodeUnauthenticated, ""},
		"a changed record": {func(ctx context.Context, m meetingOf) error {
			_, err := m.Records.Update(ctx, m.asPatient(), m.present, clinic.RecordChange{Title: &text}, nil)
			return err
		}, "health_records", "AFTER UPDATE", clinic.CodeNotFound, ""},
		"a deleted record": {func(ctx context.Context, m meetingOf) error {
			return m.Records.Delete(ctx, m.asPatient(), m.present, nil)
		}, "health_records", "AFTER DELETE", clinic.CodeNotFound, ""},
		"a restored record": {func(ctx context.Context, m meetingOf) error {
			return m.restore(ctx)
		}, "health_records", "BEFORE INSERT", "", ""},
		"a comment": {func(ctx context.Context, m meetingOf) error {
			_, err := m.Comments.Add(ctx, m.asDoctor(), m.present, text, true, clinic.Idempotency{})
			return err
		}, "doctor_comments", "AFTER INSERT", clinic.CodeNotFound, ""},
		"a corrected comment": {func(ctx context.Context, m meetingOf) error {
			_, err := m.Comments.Correct(ctx, m.asDoctor(), m.comment, &text, nil)
			return err
		}, "doctor_comments", "AFTER UPDATE", clinic.CodeNotFound, ""},
		"another doctor": {func(ctx context.Context, m meetingOf) error {
			_, _, err := m.Assignments.Assign(ctx, m.first, clinic.AssignmentRequest{PatientID: m.patient.ID, DoctorID: m.stranger.ID, Reason: text}, clinic.Idempotency{})
			return err
		}, "assignments", "AFTER INSERT", clinic.CodeNotFound, ""},
		"emergency access": {func(ctx context.Context, m meetingOf) error {
			_, err := m.db.Pool.Exec(ctx, `INSERT INTO assignments (patient_id, doctor_id, source, reason, starts_at, ends_at)
				VALUES ($1, $2, 'break_glass', $3, now(), now() + interval '1 hour')`, m.patient.ID, m.stranger.ID, text)
			if err != nil && strings.Contains(err.Error(), "the patient is gone") {
				return clinic.NotFound("patient")
			}
			return err
		}, "assignments", "AFTER INSERT", clinic.CodeNotFound, ""},
		"an object that declares a doctor": {func(ctx context.Context, m meetingOf) error {
			_, err := m.Declarations.Declare(ctx, clinic.Declaration{
				Owner: clinic.Owner{UID: "new", Term: 1}, Generation: 1, Name: "clinic/team", Reason: text,
				Doctors: []string{m.doctor.User.Username, m.stranger.User.Username}, Patients: []string{m.patient.User.Username},
			})
			return err
		}, "assignment_claims", "BEFORE INSERT", "", ""},
		"a login": {func(ctx context.Context, m meetingOf) error {
			_, err := m.Sessions.Login(ctx, m.patient.User.Username, password, clinic.SecondFactor{})
			return err
		}, "sessions", "AFTER INSERT", clinic.CodeUnauthenticated, ""},
		"another name": {func(ctx context.Context, m meetingOf) error {
			_, err := m.Accounts.UpdateProfile(ctx, m.asPatient(), clinic.ProfileChange{LastName: &text, Address: &text}, nil)
			return err
		}, "users", "AFTER UPDATE", clinic.CodeUnauthenticated, ""},
		"an import": {func(ctx context.Context, m meetingOf) error {
			b := bundle()
			b.Accounts[0].SourceID, b.Records[0].Patient, b.CareTeam[0].Patient = erasedText, erasedText, erasedText
			b.Accounts[0].FirstName, b.Accounts[0].LastName = erasedText, erasedText
			b.Records[0].Title = "imported meanwhile"
			_, err := m.Imports.Load(ctx, b)
			return err
		}, "health_records", "AFTER INSERT", "", ""},
		"the end of the retention": {func(ctx context.Context, m meetingOf) error {
			_, err := m.Cleanup.RemoveDeleted(ctx, 24*time.Hour, 10)
			return err
		}, "doctor_comments", "AFTER DELETE", "", ""},
		"a disabled account": {func(ctx context.Context, m meetingOf) error {
			_, err := m.Accounts.Disable(ctx, m.first, m.patient.User.ID)
			return err
		}, "users", "AFTER UPDATE", "", ""},
		"a legal hold": {func(ctx context.Context, m meetingOf) error {
			_, err := m.Erasures.PlaceHold(ctx, m.first, m.patient.ID, "lawsuit")
			return err
		}, "legal_holds", "AFTER INSERT", clinic.CodeConflict, "legal_hold"},
		"a withdrawal": {func(ctx context.Context, m meetingOf) error {
			return m.Erasures.Withdraw(ctx, m.first, m.patient.ID)
		}, "erasures", "AFTER DELETE", clinic.CodeConflict, "-"},
		"another confirmation": {func(ctx context.Context, m meetingOf) error {
			_, err := m.Erasures.Confirm(ctx, m.third, m.patient.ID)
			return err
		}, "sessions", "AFTER DELETE", clinic.CodeConflict, "erased"},
	}
}

// restore restores the deleted record as its patient, with the owner's rights: the use case does more.
func (m meetingOf) restore(ctx context.Context) error {
	var version int64
	err := m.db.Pool.QueryRow(ctx, `SELECT max(version) FROM record_versions WHERE record_id = $1`, m.deleted).Scan(&version)
	if err != nil {
		return nil //nolint:nilerr // it is gone
	}
	return pgx.BeginFunc(ctx, m.db.Pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL healthrecords.caller = '%d %d 0 0 PATIENT'`, m.patient.User.ID, m.patient.ID))
		if err == nil {
			_, err = tx.Exec(ctx, `SELECT restore_record($1, $2)`, m.deleted, version)
		}
		return err
	})
}

func newMeeting(t *testing.T) meetingOf {
	t.Helper()
	w := newRegistry(t)
	m := meetingOf{registry: w, third: testkit.CallerOf(w.db.Admin())}
	m.patient = w.fill(t, erasedText, erasedDay, erasedTime, erasedAddress)
	hash := testkit.Value(newHasher(t, 64).Hash(t.Context(), password))(t)
	w.db.Exec(`UPDATE users SET password_hash = $1 WHERE id = $2`, hash, m.patient.User.ID)
	w.db.Exec(`DELETE FROM totp_factors`)
	w.db.Exec(`UPDATE record_versions SET deleted_at = now() - interval '2 days' WHERE deleted_at IS NOT NULL`)
	m.present = int64(w.db.Count(`SELECT min(id) FROM health_records WHERE patient_id = $1`, m.patient.ID))
	m.comment = int64(w.db.Count(`SELECT min(id) FROM doctor_comments WHERE record_id = $1`, m.present))
	m.deleted = int64(w.db.Count(`SELECT record_id FROM record_versions WHERE patient_id = $1 AND deleted_at IS NOT NULL`, m.patient.ID))
	m.request(t)
	m.pause(pausesErasure, `BEFORE UPDATE ON erasures`)
	return m
}

// pause makes a statement wait while somebody holds the advisory lock: before other triggers of the same time.
func (m meetingOf) pause(lock int, at string) {
	m.db.Exec(fmt.Sprintf(`CREATE FUNCTION pause%[1]d() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		PERFORM pg_advisory_xact_lock_shared(%[1]d); RETURN NEW; END $$`, lock))
	m.db.Exec(fmt.Sprintf(`CREATE TRIGGER "0_pause%[1]d" %[2]s FOR EACH ROW EXECUTE FUNCTION pause%[1]d()`, lock, at))
}

// hold takes the advisory lock until release is called.
func (m meetingOf) hold(t *testing.T, lock int) (release func()) {
	t.Helper()
	conn := testkit.Value(pgx.ConnectConfig(t.Context(), m.db.Pool.Config().ConnConfig))(t)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	testkit.Value(conn.Exec(t.Context(), `SELECT pg_advisory_lock($1)`, lock))(t)
	return func() { testkit.Value(conn.Exec(t.Context(), `SELECT pg_advisory_unlock($1)`, lock))(t) }
}

// waiting waits until that many statements wait for a lock, or one of the calls has ended.
func (m meetingOf) waiting(t *testing.T, many int, ended <-chan error) {
	t.Helper()
	for m.db.Count(`SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted`) < many {
		if len(ended) > 0 {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("nothing waits")
		}
	}
}

// TestAnErasureMeetsOthers lets one of the two begin and pause with all of its locks, and then the other. Neither deadlocks,
// and nothing is left of the patient in either order.
func TestAnErasureMeetsOthers(t *testing.T) {
	t.Parallel()
	for name, test := range meetings() {
		for _, order := range []string{"before the erasure", "after the erasure"} {
			t.Run(name+" "+order, func(t *testing.T) {
				t.Parallel()
				m := newMeeting(t)
				m.pause(pausesOther, test.when+" ON "+test.table)
				erased, other := make(chan error, 1), make(chan error, 1)
				erase := func() { _, err := m.Erasures.Confirm(t.Context(), m.second, m.patient.ID); erased <- err }
				meet := func() { other <- test.do(t.Context(), m) }
				first, second, firstEnds, secondEnds := meet, erase, other, erased
				lock := pausesOther
				if order == "after the erasure" {
					first, second, firstEnds, secondEnds, lock = erase, meet, erased, other, pausesErasure
				}
				release := m.hold(t, lock)
				go first()
				m.waiting(t, 1, firstEnds)
				go second()
				m.waiting(t, 2, secondEnds)
				release()
				m.compare(t, test, order, <-erased, <-other)
			})
		}
	}
}

func (m meetingOf) compare(t *testing.T, test meeting, order string, erased, other error) {
	t.Helper()
	var wantErased, wantOther clinic.Code
	if order == "before the erasure" && test.stops != "" {
		wantErased = clinic.CodeConflict
		if test.stops == "-" {
			wantErased = clinic.CodeNotFound
		}
	}
	if order == "after the erasure" {
		wantOther = test.refused
	}
	if clinic.CodeOf(erased) != wantErased || test.stops != "-" && wantErased != "" && clinic.ReasonOf(erased) != test.stops {
		t.Errorf("the erasure ends with %v (%v), want %q", erased, cause(erased), wantErased)
	}
	switch got := clinic.CodeOf(other); {
	case test.refused == "" && order == "after the erasure" && strings.Contains(fmt.Sprint(cause(other)), "the patient is gone"):
	case got != wantOther:
		t.Errorf("the other ends with %v (%v), want %q", other, cause(other), wantOther)
	}
	if wantErased != "" && test.stops != "erased" {
		return
	}
	if n := m.db.Count(`SELECT count(*) FROM health_records WHERE patient_id = $1`, m.patient.ID); n != 0 {
		t.Errorf("%d records are left", n)
	}
	left := having(m.dump(t), erasedText, erasedDay, erasedTime, erasedAddress)
	var of []string // the new patient, whom an import makes who comes later
	for _, row := range left {
		if order == "before the erasure" || !strings.Contains(row, "zoe.example.1") && !strings.Contains(row, "Example") && !strings.HasPrefix(row, "patient_profiles") {
			of = append(of, row)
		}
	}
	if len(of) > 0 {
		t.Errorf("%d rows have something of the patient:\n%s", len(of), strings.Join(of, "\n"))
	}
}
