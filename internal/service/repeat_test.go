package service_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func repeatKey(operation string) clinic.Idempotency {
	return clinic.Idempotency{Key: "k", Operation: operation, Hash: []byte("hash")}
}

// asking is the caller in a request with an id, which identifies its audit rows.
func asking(caller clinic.Caller, operation, id string) clinic.Caller {
	caller.Request = clinic.Request{Operation: operation, ID: id}
	return caller
}

// wantAudit expects one audit row of the request, with this text.
func (f fixture) wantAudit(t *testing.T, id, want string) {
	t.Helper()
	var rows []string
	found, err := f.db.Pool.Query(t.Context(), `SELECT concat_ws(' ', object_kind, object_id, decision, reason, patient_ids, assignment_ids)
		FROM audit_log WHERE request_id = $1`, id)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var row string
		if err := found.Scan(&row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if len(rows) != 1 || rows[0] != want {
		t.Errorf("the audit rows of %s are %q, want %q", id, rows, want)
	}
}

func TestARepetitionShowsWhatIsThereNow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	first := testkit.Value(f.Records.Create(t.Context(), c.asPatient(), fields(), repeatKey("createRecord")))(t)
	title := "Changed since"
	testkit.Value(f.Records.Update(t.Context(), c.asPatient(), first.ID, clinic.RecordChange{Title: &title}, nil))(t)
	comment := testkit.Value(f.Comments.Add(t.Context(), c.asDoctor(), first.ID, "fine", false, repeatKey("addComment")))(t)
	again := testkit.Value(f.Records.Create(t.Context(), asking(c.asPatient(), "createRecord", "again"), fields(), repeatKey("createRecord")))(t)
	if again.ID != first.ID || again.Title != title || again.Version != 2 || len(again.Comments) != 1 {
		t.Errorf("the repetition shows %+v", again)
	}
	f.wantAudit(t, "again", fmt.Sprintf("record %d allowed own {%d} {0}", first.ID, c.patient.ID))

	f.db.Exec(`UPDATE doctor_comments SET comment = 'corrected'`)
	commentAgain := testkit.Value(f.Comments.Add(t.Context(), asking(c.asDoctor(), "addComment", "comment"), first.ID, "fine", false, repeatKey("addComment")))(t)
	if commentAgain.ID != comment.ID || commentAgain.Text != "corrected" {
		t.Errorf("the repetition shows %+v", commentAgain)
	}
	f.wantAudit(t, "comment", fmt.Sprintf("comment %d allowed assignment {%d} {%d}", comment.ID, c.patient.ID, c.assignment.ID))
}

// TestARepetitionOfWhatIsGone makes nothing anew, and its audit row does not record
// that the caller saw a patient's data.
func TestARepetitionOfWhatIsGone(t *testing.T) {
	t.Parallel()
	e := newEmergency(t)
	f, admin := e.fixture, testkit.CallerOf(e.admins[0])
	both := clinic.AssignmentRequest{PatientID: e.patient.ID, DoctorID: e.stranger.ID}
	var record clinic.Record
	requests := map[string]func(id string) error{
		"createRecord": func(id string) (err error) {
			made, err := f.Records.Create(t.Context(), asking(e.asPatient(), "createRecord", id), fields(), repeatKey("createRecord"))
			if err == nil {
				record = made
			}
			return err
		},
		"addComment": func(id string) error {
			_, err := f.Comments.Add(t.Context(), asking(e.care.asDoctor(), "addComment", id), record.ID, "fine", true, repeatKey("addComment"))
			return err
		},
		"assignDoctor": func(id string) error {
			_, _, err := f.Assignments.Assign(t.Context(), asking(admin, "assignDoctor", id), both, repeatKey("assignDoctor"))
			return err
		},
		"breakGlass": func(id string) error {
			_, _, err := f.Assignments.OpenBreakGlass(t.Context(), asking(e.asDoctor(), "breakGlass", id), e.request(), repeatKey("breakGlass"))
			return err
		},
	}
	for _, operation := range []string{"createRecord", "addComment", "assignDoctor", "breakGlass"} {
		if err := requests[operation]("first"); err != nil {
			t.Fatalf("%s: %v", operation, err)
		}
	}
	kept := map[string]string{} // ids
	for _, operation := range []string{"assignDoctor", "breakGlass"} {
		var id string
		if err := f.db.Pool.QueryRow(t.Context(), `SELECT object_id FROM audit_log WHERE operation = $1`, operation).Scan(&id); err != nil {
			t.Fatal(err)
		}
		kept[operation] = id
	}
	if err := f.Records.Delete(t.Context(), e.asPatient(), record.ID, nil); err != nil {
		t.Fatal(err)
	}
	f.db.Exec(`DELETE FROM assignments WHERE doctor_id <> $1`, e.care.doctor.ID) // only SQL can do this
	before := f.db.Count(`SELECT count(*) FROM outbox`)
	for operation, object := range map[string]string{
		"createRecord": fmt.Sprintf("record %d", record.ID), "addComment": fmt.Sprintf("record %d", record.ID),
		"assignDoctor": "assignment " + kept["assignDoctor"], "breakGlass": "assignment " + kept["breakGlass"],
	} {
		wantCode(t, requests[operation](operation), clinic.CodeGone)
		f.wantAudit(t, operation, object+" gone refused {} {}")
	}
	if n := f.db.Count(`SELECT count(*) FROM outbox`); n != before {
		t.Errorf("%d events, want the %d of the first requests", n, before)
	}
	f.db.EndAssignment(e.assignment)
	wantCode(t, requests["addComment"]("ended"), clinic.CodeNotFound)
	f.wantAudit(t, "ended", fmt.Sprintf("record %d not_found refused {} {}", record.ID))
}

// TestADeletedRecordIsAmongTheVersionsOnly searches every column of every table for
// the texts of a record and its comments.
func TestADeletedRecordIsAmongTheVersionsOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	const marker = "Marker-of-what-was-deleted"
	written := fields()
	written.Title, written.Description, written.Symptoms, written.Diagnosis = marker, marker, marker, marker
	written.Treatment, written.Medications = marker, marker
	record := testkit.Value(f.Records.Create(t.Context(), c.asPatient(), written, repeatKey("createRecord")))(t)
	for operation, private := range map[string]bool{"addComment": false, "addPrivateComment": true} {
		testkit.Value(f.Comments.Add(t.Context(), c.asDoctor(), record.ID, marker, private, repeatKey(operation)))(t)
	}
	for _, e := range testkit.Value(f.Outbox.Claim(t.Context(), 100, 0))(t) {
		if err := f.handle(t.Context(), e.ID); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Value(f.Records.Create(t.Context(), c.asPatient(), written, repeatKey("createRecord")))(t)
	if found := f.tablesWith(t, marker); len(found) == 0 {
		t.Fatal("the search finds nothing while the record is there")
	}
	if err := f.Records.Delete(t.Context(), c.asPatient(), record.ID, nil); err != nil {
		t.Fatal(err)
	}
	found := f.tablesWith(t, marker)
	slices.Sort(found)
	if diff := cmp.Diff([]string{"doctor_comments", "record_versions"}, found); diff != "" {
		t.Errorf("the deleted record is in %v", found)
	}
}

// tablesWith names the tables that contain the text, or its bytes, in any column.
func (f fixture) tablesWith(t *testing.T, text string) (found []string) {
	t.Helper()
	var tables []string
	if err := f.db.Pool.QueryRow(t.Context(), `SELECT array_agg(relname::text) FROM pg_class
		WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')`).Scan(&tables); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if f.db.Count(`SELECT count(*) FROM `+table+` t WHERE t::text LIKE '%' || $1 || '%' OR t::text LIKE '%' || $2 || '%'`,
			text, hex.EncodeToString([]byte(text))) > 0 {
			found = append(found, table)
		}
	}
	return found
}

// TestWhatTheReleaseBeforeKeepsIsCutToIds: while the previous release still runs, its stored answers
// lose their texts, and it can still decode the answers that are stored.
func TestWhatTheReleaseBeforeKeepsIsCutToIds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	first := testkit.Value(f.Records.Create(t.Context(), c.asPatient(), fields(), repeatKey("createRecord")))(t)
	comment := testkit.Value(f.Comments.Add(t.Context(), c.asDoctor(), first.ID, "fine", false, repeatKey("addComment")))(t)
	var record clinic.Record // as that release decodes it
	var kept, keptComment string
	if err := f.db.Pool.QueryRow(t.Context(), `SELECT (SELECT answer FROM idempotency_keys WHERE operation = 'createRecord'),
		(SELECT answer FROM idempotency_keys WHERE operation = 'addComment')`).Scan(&kept, &keptComment); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(kept), &record); err != nil || record.ID != first.ID {
		t.Errorf("it reads %s as %+v, %v", kept, record, err)
	}
	var read clinic.Comment
	if err := json.Unmarshal([]byte(keptComment), &read); err != nil || read.ID != comment.ID {
		t.Errorf("it reads %s as %+v, %v", keptComment, read, err)
	}
	for operation, answer := range map[string]any{"createRecord": first, "addComment": comment} {
		encoded, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		f.db.Exec(`UPDATE idempotency_keys SET answer = $1 WHERE operation = $2`, encoded, operation)
	}
	if found := f.tablesWith(t, first.Title); strings.Join(found, " ") != "health_records" {
		t.Errorf("the record's title is in %v", found)
	}
	if again := testkit.Value(f.Records.Create(t.Context(), c.asPatient(), fields(), repeatKey("createRecord")))(t); again.Title != first.Title {
		t.Errorf("the repetition shows %+v", again)
	}
	if again := testkit.Value(f.Comments.Add(t.Context(), c.asDoctor(), first.ID, "fine", false, repeatKey("addComment")))(t); again.Text != comment.Text {
		t.Errorf("the repetition shows %+v", again)
	}
	if _, err := f.db.Pool.Exec(t.Context(), `UPDATE idempotency_keys SET answer = '["a word"]'`); err == nil {
		t.Error("a text was stored under a key")
	}
}
