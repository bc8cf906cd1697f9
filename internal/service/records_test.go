package service_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

var noKey = clinic.Idempotency{}

func fields() clinic.RecordFields {
	return clinic.RecordFields{
		Type: clinic.RecordCheckup, Title: "Annual Physical", Description: "Routine", Symptoms: "None",
		Diagnosis: "Healthy", Treatment: "Go on", Medications: "None",
		VisitDate: time.Date(2025, 5, 27, 10, 0, 0, 123456789, time.FixedZone("", 3600)),
	}
}

func TestCreatedRecordReadsTheSame(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	created := testkit.Value(f.Records.Create(t.Context(), c.asPatient(), fields(), noKey))(t)
	read := testkit.Value(f.Records.Get(t.Context(), c.asPatient(), created.ID))(t)
	read.Comments = nil
	if diff := cmp.Diff(created, read); diff != "" {
		t.Errorf("created (-) and read (+) differ:\n%s", diff)
	}
	want := fields()
	want.VisitDate = time.Date(2025, 5, 27, 9, 0, 0, 123456000, time.UTC)
	if diff := cmp.Diff(want, read.RecordFields); diff != "" {
		t.Errorf("fields:\n%s", diff)
	}
	if read.Version != 1 || read.CreatedBy.Username != c.patient.User.Username || read.PatientID != c.patient.ID {
		t.Errorf("record = %+v", read)
	}
	if n := f.db.Count(`SELECT count(*) FROM outbox WHERE type = 'record.created' AND record_id = $1 AND patient_id = $2`, read.ID, c.patient.ID); n != 1 {
		t.Errorf("events = %d, want 1", n)
	}
}

func TestCreateRecordValidates(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	wrong := fields()
	wrong.Title = " "
	_, err := f.Records.Create(t.Context(), c.asPatient(), wrong, noKey)
	wantCode(t, err, clinic.CodeInvalid)
}

func TestCreateRecordOnceUnderAKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	key := clinic.Idempotency{Key: "k", Operation: "createRecord", Hash: []byte("hash")}
	first := testkit.Value(f.Records.Create(t.Context(), c.asPatient(), fields(), key))(t)
	second := testkit.Value(f.Records.Create(t.Context(), c.asPatient(), fields(), key))(t)
	if diff := cmp.Diff(first, second, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the answers differ:\n%s", diff)
	}
	if n := f.db.Count(`SELECT count(*) FROM outbox`); n != 1 {
		t.Errorf("events = %d, want 1", n)
	}
}

// TestRecordAccess tries each operation on a record as each kind of caller.
func TestRecordAccess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	other := testkit.CallerOf(f.db.Patient(testkit.PatientOptions{}).User)
	admin := testkit.CallerOf(f.db.Admin())
	inactive := testkit.CallerOf(f.db.Patient(testkit.PatientOptions{Person: testkit.Person{Inactive: true}}).User)
	posing := clinic.Caller{UserID: c.patient.User.ID, Role: clinic.RoleDoctor}
	ways := map[string]func(clinic.Caller, int64) error{
		"read": func(as clinic.Caller, id int64) error {
			_, err := f.Records.Get(t.Context(), as, id)
			return err
		},
		"comments": func(as clinic.Caller, id int64) error {
			_, err := f.Comments.List(t.Context(), as, id, clinic.PageRequest{})
			return err
		},
		"comment": func(as clinic.Caller, id int64) error {
			_, err := f.Comments.Add(t.Context(), as, id, "fine", false, noKey)
			return err
		},
		"update": func(as clinic.Caller, id int64) error {
			_, err := f.Records.Update(t.Context(), as, id, clinic.RecordChange{}, nil)
			return err
		},
		"update if": func(as clinic.Caller, id int64) error {
			_, err := f.Records.Update(t.Context(), as, id, clinic.RecordChange{}, []clinic.Revision{{Version: 99}})
			return err
		},
		"delete if": func(as clinic.Caller, id int64) error {
			return f.Records.Delete(t.Context(), as, id, []clinic.Revision{{Version: 99}})
		},
	}
	const missing = 1 << 40
	const none, forbidden, stale = clinic.CodeNotFound, clinic.CodeForbidden, clinic.CodePreconditionFailed
	for name, want := range map[string]struct{ patient, doctor, stranger, otherPatient clinic.Code }{
		"read":      {"", "", none, none},
		"comments":  {"", "", none, none},
		"comment":   {forbidden, "", none, forbidden},
		"update":    {"", forbidden, forbidden, none},
		"update if": {stale, forbidden, forbidden, none},
		"delete if": {stale, forbidden, forbidden, none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, who := range []struct {
				name      string
				as        clinic.Caller
				there, no clinic.Code
			}{
				{"patient", c.asPatient(), want.patient, want.otherPatient},
				{"doctor", c.asDoctor(), want.doctor, want.stranger},
				{"stranger", c.asStranger(), want.stranger, want.stranger},
				{"other patient", other, want.otherPatient, want.otherPatient},
				{"admin", admin, forbidden, forbidden},
			} {
				if got := clinic.CodeOf(ways[name](who.as, c.record.ID)); got != who.there {
					t.Errorf("%s: code = %q, want %q", who.name, got, who.there)
				}
				if got := clinic.CodeOf(ways[name](who.as, missing)); got != who.no {
					t.Errorf("%s, missing: code = %q, want %q", who.name, got, who.no)
				}
			}
			for name, as := range map[string]clinic.Caller{"inactive": inactive, "of another role": posing} {
				err := ways["read"](as, c.record.ID)
				if got := clinic.CodeOf(err); got != clinic.CodeUnauthenticated {
					t.Errorf("%s: code = %q, want unauthenticated", name, got)
				}
			}
		})
	}
}

// TestDoctorSeesOnlyWhileAssigned ends the doctor's access in each way.
func TestDoctorSeesOnlyWhileAssigned(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change string
		want   clinic.Code
	}{
		"as it is":         {`SELECT`, ""},
		"ended":            {`UPDATE assignments SET ends_at = now()`, clinic.CodeNotFound},
		"not begun":        {`UPDATE assignments SET starts_at = now() + interval '1 hour'`, clinic.CodeNotFound},
		"ends later":       {`UPDATE assignments SET ends_at = now() + interval '1 hour'`, ""},
		"not verified":     {`UPDATE doctor_profiles SET verified_at = NULL`, clinic.CodeNotFound},
		"doctor disabled":  {`UPDATE users SET active = false WHERE role = 'DOCTOR'`, clinic.CodeUnauthenticated},
		"patient disabled": {`UPDATE users SET active = false WHERE role = 'PATIENT'`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			c := f.care()
			f.db.Exec(test.change)
			_, err := f.Records.Get(t.Context(), c.asDoctor(), c.record.ID)
			wantCode(t, err, test.want)
			if _, err = f.Comments.Add(t.Context(), c.asDoctor(), c.record.ID, "fine", false, noKey); clinic.CodeOf(err) != test.want {
				t.Errorf("commenting: code = %q, want %q", clinic.CodeOf(err), test.want)
			}
			if test.want == clinic.CodeUnauthenticated {
				return
			}
			want := 0
			if test.want == "" {
				want = 1
			}
			records := testkit.Value(f.Records.List(t.Context(), c.asDoctor(), clinic.RecordFilter{}, clinic.PageRequest{}))(t)
			if records.Total != want || len(records.Items) != want {
				t.Errorf("list = %d of %d records, want %d", len(records.Items), records.Total, want)
			}
			patients := testkit.Value(f.Patients.OfDoctor(t.Context(), c.asDoctor(), clinic.PageRequest{}))(t)
			if patients.Total != want || len(patients.Items) != want {
				t.Errorf("list = %d of %d patients, want %d", len(patients.Items), patients.Total, want)
			}
		})
	}
}

func TestEmergencyAccessReadsOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	f.db.Assignment(testkit.AssignmentOptions{Patient: c.patient, Doctor: c.stranger, Source: clinic.SourceBreakGlass})
	testkit.Value(f.Records.Get(t.Context(), c.asStranger(), c.record.ID))(t)
	_, err := f.Comments.Add(t.Context(), c.asStranger(), c.record.ID, "fine", false, noKey)
	wantReason(t, err, "read_only")

	f.db.Assignment(testkit.AssignmentOptions{Patient: c.patient, Doctor: c.doctor, Source: clinic.SourceBreakGlass})
	records := testkit.Value(f.Records.List(t.Context(), c.asDoctor(), clinic.RecordFilter{}, clinic.PageRequest{}))(t)
	if records.Total != 1 || len(records.Items) != 1 {
		t.Errorf("list = %d of %d: a second reason to see the patient doubles their records", len(records.Items), records.Total)
	}
}

func TestUpdateRecord(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor})
	f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor, Private: true})
	before := testkit.Value(f.Records.Get(t.Context(), c.asPatient(), c.record.ID))(t)

	title := "Better title"
	changed := testkit.Value(f.Records.Update(t.Context(), c.asPatient(), c.record.ID, clinic.RecordChange{Title: &title}, nil))(t)
	if changed.Title != title || changed.Version != 2 || !changed.UpdatedAt.After(before.UpdatedAt) {
		t.Errorf("changed = %+v", changed)
	}
	read := testkit.Value(f.Records.Get(t.Context(), c.asPatient(), c.record.ID))(t)
	if diff := cmp.Diff(read, changed); diff != "" {
		t.Errorf("read (-) and answered (+) differ:\n%s", diff)
	}
	again := testkit.Value(f.Records.Update(t.Context(), c.asPatient(), c.record.ID, clinic.RecordChange{Title: &title}, nil))(t)
	if diff := cmp.Diff(read, again); diff != "" {
		t.Errorf("a change of nothing changed:\n%s", diff)
	}
	empty := ""
	_, err := f.Records.Update(t.Context(), c.asPatient(), c.record.ID, clinic.RecordChange{Title: &empty}, nil)
	wantCode(t, err, clinic.CodeInvalid)
}

func TestRevisionGuardsChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	ctx := t.Context()
	title := "New title"
	change := clinic.RecordChange{Title: &title}
	shown := testkit.Value(f.Records.Get(ctx, c.asPatient(), c.record.ID))(t).Revision()

	testkit.Value(f.Comments.Add(ctx, c.asDoctor(), c.record.ID, "between us", true, noKey))(t)
	if now := testkit.Value(f.Records.Get(ctx, c.asPatient(), c.record.ID))(t).Revision(); now != shown {
		t.Fatalf("a private comment changed the patient's revision from %v to %v", shown, now)
	}
	if now := testkit.Value(f.Records.Get(ctx, c.asDoctor(), c.record.ID))(t).Revision(); now == shown {
		t.Error("a private comment left the doctor's revision as it was")
	}
	updated := testkit.Value(f.Records.Update(ctx, c.asPatient(), c.record.ID, change, []clinic.Revision{shown}))(t)
	_, err := f.Records.Update(ctx, c.asPatient(), c.record.ID, change, []clinic.Revision{shown})
	wantCode(t, err, clinic.CodePreconditionFailed)

	shown = updated.Revision()
	testkit.Value(f.Comments.Add(ctx, c.asDoctor(), c.record.ID, "for you", false, noKey))(t)
	wantCode(t, f.Records.Delete(ctx, c.asPatient(), c.record.ID, []clinic.Revision{shown}), clinic.CodePreconditionFailed)
	shown = testkit.Value(f.Records.Get(ctx, c.asPatient(), c.record.ID))(t).Revision()
	if err := f.Records.Delete(ctx, c.asPatient(), c.record.ID, []clinic.Revision{shown}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, f.Records.Delete(ctx, c.asPatient(), c.record.ID, nil), clinic.CodeNotFound)
}

// TestConcurrentUpdatesOfOneRevision changes one revision concurrently.
func TestConcurrentUpdatesOfOneRevision(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	shown := c.record.Revision()
	results := make(chan error)
	const writers = 12
	for i := range writers {
		go func() {
			title := "Title " + string(rune('a'+i))
			_, err := f.Records.Update(t.Context(), c.asPatient(), c.record.ID, clinic.RecordChange{Title: &title}, []clinic.Revision{shown})
			results <- err
		}()
	}
	won := 0
	for range writers {
		switch err := <-results; clinic.CodeOf(err) {
		case "":
			won++
		case clinic.CodePreconditionFailed:
		default:
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d changes of one revision succeeded, want 1", won)
	}
}

func TestPrivateComments(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	colleague := f.db.Doctor(testkit.DoctorOptions{})
	f.db.Assignment(testkit.AssignmentOptions{Patient: c.patient, Doctor: colleague})
	testkit.Value(f.Comments.Add(t.Context(), c.asDoctor(), c.record.ID, "public", false, noKey))(t)
	testkit.Value(f.Comments.Add(t.Context(), c.asDoctor(), c.record.ID, "private", true, noKey))(t)
	for name, test := range map[string]struct {
		as   clinic.Caller
		want []string
	}{
		"patient":   {c.asPatient(), []string{"public"}},
		"doctor":    {c.asDoctor(), []string{"public", "private"}},
		"colleague": {testkit.CallerOf(colleague.User), []string{"public", "private"}},
	} {
		record := testkit.Value(f.Records.Get(t.Context(), test.as, c.record.ID))(t)
		list := testkit.Value(f.Records.List(t.Context(), test.as, clinic.RecordFilter{}, clinic.PageRequest{}))(t)
		comments := testkit.Value(f.Comments.List(t.Context(), test.as, c.record.ID, clinic.PageRequest{}))(t)
		for way, got := range map[string][]clinic.Comment{
			"record": record.Comments, "list": list.Items[0].Comments, "comments": comments.Items,
		} {
			if diff := cmp.Diff(test.want, texts(got)); diff != "" {
				t.Errorf("%s, %s:\n%s", name, way, diff)
			}
		}
		if comments.Total != len(test.want) {
			t.Errorf("%s: total = %d, want %d", name, comments.Total, len(test.want))
		}
	}
	if n := f.db.Count(`SELECT count(*) FROM outbox WHERE type = 'comment.created'`); n != 1 {
		t.Errorf("events = %d, want one for the public comment", n)
	}
}

func TestAddedCommentReadsTheSame(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	added := testkit.Value(f.Comments.Add(t.Context(), c.asDoctor(), c.record.ID, "fine", false, noKey))(t)
	read := testkit.Value(f.Records.Get(t.Context(), c.asPatient(), c.record.ID))(t).Comments[0]
	read.Doctor.User, added.Doctor.User = clinic.User{}, clinic.User{}
	added.Doctor.VerifiedAt = nil // only the directory shows it
	if diff := cmp.Diff(added, read); diff != "" {
		t.Errorf("added (-) and read (+) differ:\n%s", diff)
	}
}

func TestAddCommentOnceUnderAKeyWhileAssigned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	key := clinic.Idempotency{Key: "k", Operation: "addComment", Hash: []byte("hash")}
	first := testkit.Value(f.Comments.Add(t.Context(), c.asDoctor(), c.record.ID, "fine", false, key))(t)
	second := testkit.Value(f.Comments.Add(t.Context(), c.asDoctor(), c.record.ID, "fine", false, key))(t)
	if first.ID != second.ID {
		t.Errorf("ids = %d, %d: the comment was added twice", first.ID, second.ID)
	}
	f.db.EndAssignment(c.assignment)
	_, err := f.Comments.Add(t.Context(), c.asDoctor(), c.record.ID, "fine", false, key)
	wantCode(t, err, clinic.CodeNotFound)
}

func TestMyPatients(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	bare := f.db.Patient(testkit.PatientOptions{Person: testkit.Person{Email: "bare@example.com", Phone: "+123"}, BloodType: "A+"})
	f.db.Assignment(testkit.AssignmentOptions{Patient: bare, Doctor: c.doctor})
	f.db.Patient(testkit.PatientOptions{}) // somebody else's
	last := time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC)
	f.db.Record(testkit.RecordOptions{Patient: c.patient, VisitDate: last})

	page := testkit.Value(f.Patients.OfDoctor(t.Context(), c.asDoctor(), clinic.PageRequest{}))(t)
	if page.Total != 2 || len(page.Items) != 2 {
		t.Fatalf("page = %+v", page)
	}
	john, other := page.Items[0], page.Items[1]
	if john.ID != c.patient.ID || john.TotalRecords != 2 || john.LastVisit == nil || !john.LastVisit.Equal(last) {
		t.Errorf("first = %+v", john)
	}
	if other.ID != bare.ID || other.TotalRecords != 0 || other.LastVisit != nil || other.BloodType != "A+" ||
		other.User.Email != "bare@example.com" || other.User.PhoneNumber != "+123" {
		t.Errorf("second = %+v", other)
	}
	_, err := f.Patients.OfDoctor(t.Context(), c.asPatient(), clinic.PageRequest{})
	wantCode(t, err, clinic.CodeForbidden)

	beyond := testkit.Value(f.Patients.OfDoctor(t.Context(), c.asDoctor(), clinic.PageRequest{Number: 9}))(t)
	if beyond.Total != 2 || len(beyond.Items) != 0 {
		t.Errorf("page beyond the end = %+v", beyond)
	}
}

func texts(comments []clinic.Comment) []string {
	return slices.Collect(func(yield func(string) bool) {
		for _, c := range comments {
			if !yield(c.Text) {
				return
			}
		}
	})
}
