package service_test

import (
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestAuthorsCorrectTheirComments(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	for _, private := range []bool{false, true} {
		said := testkit.Value(f.Comments.Add(t.Context(), c.asDoctor(), c.record.ID, "Wel.", private, clinic.Idempotency{}))(t)
		events := f.db.Count(`SELECT count(*) FROM outbox`)
		revision := func(as clinic.Caller) clinic.Revision {
			return testkit.Value(f.Records.Get(t.Context(), as, c.record.ID))(t).Revision()
		}
		toPatient, toDoctor := revision(c.asPatient()), revision(c.asDoctor())
		got := testkit.Value(f.Comments.Correct(t.Context(), c.asDoctor(), said.ID, new("Well."), &private))(t)
		if got.Text != "Well." || got.Private != private || got.Version != 2 || !got.UpdatedAt.After(got.CreatedAt) || !got.CreatedAt.Equal(said.CreatedAt) {
			t.Errorf("corrected: %+v", got)
		}
		if got.Doctor.User.FullName() != "Jane Smith" || said.Doctor.User.FullName() != "Jane Smith" {
			t.Errorf("the author is %+v, and was %+v", got.Doctor.User, said.Doctor.User)
		}
		if again := testkit.Value(f.Comments.Correct(t.Context(), c.asDoctor(), said.ID, new("Well."), nil))(t); again != got {
			t.Errorf("a correction without an effect: %+v, want %+v", again, got)
		}
		if (revision(c.asPatient()) != toPatient) == private || revision(c.asDoctor()) == toDoctor {
			t.Errorf("private %t: the patient's revision was %+v and is %+v, the doctor's %+v and %+v", private,
				toPatient, revision(c.asPatient()), toDoctor, revision(c.asDoctor()))
		}
		if n := f.db.Count(`SELECT count(*) FROM outbox`); n != events {
			t.Errorf("%d events of a correction", n-events)
		}
		_, err := f.Comments.Correct(t.Context(), c.asDoctor(), said.ID, nil, new(!private))
		wantFields(t, err, "is_private")
		_, err = f.Comments.Correct(t.Context(), c.asDoctor(), said.ID, new(" "), nil)
		wantFields(t, err, "comment")
	}
}

func TestOthersCorrectNoComment(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	colleague := f.db.Doctor(testkit.DoctorOptions{})
	f.db.Assignment(testkit.AssignmentOptions{Patient: c.patient, Doctor: colleague})
	said := testkit.Value(f.Comments.Add(t.Context(), c.asDoctor(), c.record.ID, "Well.", true, clinic.Idempotency{}))(t)
	correct := func(as clinic.Caller, id int64) error {
		_, err := f.Comments.Correct(t.Context(), as, id, new("Better."), nil)
		return err
	}
	wantCode(t, correct(c.asPatient(), said.ID), clinic.CodeForbidden)
	wantCode(t, correct(testkit.CallerOf(f.db.Admin()), said.ID), clinic.CodeForbidden)
	wantCode(t, correct(c.asStranger(), said.ID), clinic.CodeNotFound)
	wantCode(t, correct(c.asDoctor(), said.ID+1), clinic.CodeNotFound)
	wantReason(t, correct(testkit.CallerOf(colleague.User), said.ID), "not_author")

	// a minute after the time for corrections, and long after it: the database hides that comment from the change
	for _, age := range []string{"16 minutes", "3 days"} {
		f.db.Exec(`UPDATE doctor_comments SET created_at = now() - $1::text::interval`, age)
		err := correct(c.asDoctor(), said.ID)
		wantCode(t, err, clinic.CodeConflict)
		wantReason(t, err, "comment_final")
	}
	f.db.Exec(`UPDATE doctor_comments SET created_at = now() - interval '14 minutes'`)
	f.db.EndAssignment(c.assignment)
	wantCode(t, correct(c.asDoctor(), said.ID), clinic.CodeNotFound)
	f.db.Assignment(testkit.AssignmentOptions{Patient: c.patient, Doctor: c.doctor, Source: clinic.SourceBreakGlass})
	wantReason(t, correct(c.asDoctor(), said.ID), "read_only")
	f.db.Exec(`UPDATE assignments SET ends_at = NULL WHERE source <> 'break_glass'`)
	if err := correct(c.asDoctor(), said.ID); err != nil {
		t.Error(err)
	}
	f.db.Exec(`UPDATE doctor_profiles SET verified_at = NULL`)
	wantCode(t, correct(c.asDoctor(), said.ID), clinic.CodeNotFound)
}

// A private comment appears in the patient's log as the reading of the record, also when it was
// corrected, and its refusals do not appear.
func TestCorrectionsInThePatientsLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	as := c.asDoctor()
	as.Request.Operation = "correctComment"
	log := func() []clinic.Access {
		return testkit.Value(f.AuditLog.ListAccesses(t.Context(), c.asPatient(), 0, 0))(t).Items
	}
	for _, private := range []bool{false, true} {
		said := f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor, Private: private})
		testkit.Value(f.Comments.Correct(t.Context(), as, said.ID, new("Better."), nil))(t)
		entry, want := log()[0], clinic.Object{Kind: clinic.ObjectComment, ID: said.ID}
		operation := "correctComment"
		if private {
			operation, want = "getRecord", clinic.Object{Kind: clinic.ObjectRecord, ID: c.record.ID}
		}
		if entry.Operation != operation || entry.Object != want || entry.Decision != clinic.DecisionAllowed {
			t.Errorf("private %t: %+v", private, entry)
		}
		f.db.Exec(`UPDATE doctor_comments SET created_at = now() - interval '1 hour'`)
		before := len(log())
		_, err := f.Comments.Correct(t.Context(), as, said.ID, new("Best."), nil)
		wantReason(t, err, "comment_final")
		if n := len(log()); n-before > 1 { // that of the first reading
			t.Errorf("private %t: %d entries of a refusal", private, n-before)
		}
		for _, entry := range log() {
			if entry.Decision != clinic.DecisionAllowed {
				t.Errorf("private %t: a refusal is in the log: %+v", private, entry)
			}
		}
	}
}

// The author of a comment stays on it, whatever becomes of their account.
func TestCommentsKeepTheirAuthor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor})
	f.db.EndAssignment(c.assignment)
	f.db.Exec(`UPDATE doctor_profiles SET verified_at = NULL`)
	f.db.Exec(`UPDATE users SET active = false WHERE role = 'DOCTOR'`)
	page := testkit.Value(f.Comments.List(t.Context(), c.asPatient(), c.record.ID, clinic.PageRequest{}))(t)
	if len(page.Items) != 1 || page.Items[0].Doctor.User.FullName() != "Jane Smith" {
		t.Errorf("%+v", page.Items)
	}
}
