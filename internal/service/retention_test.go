package service_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// deletedRecord makes a record with a comment that was deleted some time ago.
func (f fixture) deletedRecord(t *testing.T, c care, ago time.Duration) clinic.Record {
	t.Helper()
	record := f.db.Record(testkit.RecordOptions{Patient: c.patient})
	f.db.Comment(testkit.CommentOptions{Record: record, Doctor: c.doctor})
	f.db.Exec(`UPDATE health_records SET title = 'Changed' WHERE id = $1`, record.ID)
	f.db.Exec(`UPDATE doctor_comments SET comment = 'Changed' WHERE record_id = $1`, record.ID)
	testkit.Must(t, f.Records.Delete(t.Context(), c.asPatient(), record.ID, nil))
	f.db.Exec(`UPDATE record_versions SET deleted_at = now() - make_interval(secs => $1) WHERE record_id = $2 AND deleted_at IS NOT NULL`,
		ago.Seconds(), record.ID)
	return record
}

// rowsOf counts what is left of a record.
func (f fixture) rowsOf(r clinic.Record) int {
	return f.db.Count(`SELECT (SELECT count(*) FROM record_versions WHERE record_id = $1) + (SELECT count(*) FROM doctor_comments WHERE record_id = $1)
		+ (SELECT count(*) FROM comment_versions v WHERE NOT EXISTS (SELECT FROM doctor_comments c WHERE c.id = v.comment_id))`, r.ID)
}

func TestRetentionRemovesWhatWasDeletedLongAgo(t *testing.T) {
	t.Parallel()
	const day, month = 24 * time.Hour, 30 * 24 * time.Hour
	f := newFixture(t)
	c := f.care()
	held := f.care()
	f.db.Exec(`INSERT INTO legal_holds (patient_id, reason) VALUES ($1, 'lawsuit')`, held.patient.ID)
	removed, recent := f.deletedRecord(t, c, 2*month), f.deletedRecord(t, c, day+time.Hour)
	restored, ofHeld := f.deletedRecord(t, c, 2*month), f.deletedRecord(t, held, 2*month)
	f.db.Exec(`UPDATE record_versions SET restored_at = now() WHERE record_id = $1 AND deleted_at IS NOT NULL`, restored.ID)
	f.db.Exec(`UPDATE health_records SET title = 'Changed'`)
	for _, step := range []struct {
		age  time.Duration
		want int
		gone []clinic.Record
		left []clinic.Record
	}{
		{month, 1, []clinic.Record{removed}, []clinic.Record{recent, restored, ofHeld, c.record}},
		{month, 0, nil, []clinic.Record{recent, restored, ofHeld, c.record}},
		{0, 1, []clinic.Record{recent}, []clinic.Record{restored, ofHeld, c.record}},
	} {
		if n := testkit.Value(f.Cleanup.RemoveDeleted(t.Context(), step.age, 10))(t); n != step.want {
			t.Errorf("%s: removed %d records, want %d", step.age, n, step.want)
		}
		for _, r := range step.gone {
			if n := f.rowsOf(r); n != 0 {
				t.Errorf("%s: %d rows of a removed record are left", step.age, n)
			}
		}
		for _, r := range step.left {
			if n := f.rowsOf(r); n == 0 {
				t.Errorf("%s: record %d is gone", step.age, r.ID)
			}
		}
	}
	young := f.deletedRecord(t, c, 23*time.Hour)
	if n := testkit.Value(f.Cleanup.RemoveDeleted(t.Context(), 0, 10))(t); n != 0 || f.rowsOf(young) == 0 {
		t.Error("a record was removed within a day of its deletion")
	}
	f.deletedRecord(t, c, month)
	f.deletedRecord(t, c, month)
	for _, want := range []int{1, 1, 0} {
		if n := testkit.Value(f.Cleanup.RemoveDeleted(t.Context(), day, 1))(t); n != want {
			t.Errorf("removed %d records of one at most, want %d", n, want)
		}
	}
}

// TestReadingTheTextsOfACommentTellsNothingOfIt: to the patient, that of a private one and that of a public one look the same.
func TestReadingTheTextsOfACommentTellsNothingOfIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	doctor := c.asDoctor()
	doctor.Request.Operation = "listCommentVersions"
	for _, private := range []bool{true, false} {
		comment := f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor, Text: "text", Private: private})
		testkit.Value(f.Comments.Versions(t.Context(), doctor, comment.ID, clinic.PageRequest{Size: 1}))(t)
		log := testkit.Value(f.AuditLog.ListAccesses(t.Context(), c.asPatient(), 0, 1))(t)
		if entry := log.Items[0]; entry.Operation != "listRecords" || entry.Object != (clinic.Object{Kind: clinic.ObjectRecord}) {
			t.Errorf("private: %t, the patient sees %+v", private, entry)
		}
	}
}

// TestWhatRetentionRemovesStaysSecret: to its patient, a private comment was a reading of the record, and still is.
func TestWhatRetentionRemovesStaysSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	doctor := c.asDoctor()
	doctor.Request.Operation = "addComment"
	for _, private := range []bool{true, false} {
		testkit.Value(f.Comments.Add(t.Context(), doctor, c.record.ID, "text", private, clinic.Idempotency{}))(t)
	}
	f.handleAll(t)
	testkit.Must(t, f.Records.Delete(t.Context(), c.asPatient(), c.record.ID, nil))
	f.db.Exec(`UPDATE record_versions SET deleted_at = now() - interval '1 year' WHERE deleted_at IS NOT NULL`)
	entries := func() (private, public clinic.Access) {
		t.Helper()
		log := testkit.Value(f.AuditLog.ListAccesses(t.Context(), c.asPatient(), 0, 100))(t)
		of := map[int64]clinic.Access{}
		for _, entry := range log.Items {
			of[entry.ID] = entry
		}
		return of[int64(f.db.Count(`SELECT id FROM audit_log WHERE operation = 'addComment' AND object_kind = 'record'`))],
			of[int64(f.db.Count(`SELECT id FROM audit_log WHERE operation = 'addComment' AND object_kind = 'comment'`))]
	}
	private, public := entries()
	text := f.newest(t, c.asPatient()).Message
	if private.Operation != "getRecord" || public.Operation != "addComment" {
		t.Errorf("before: %+v, %+v", private, public)
	}
	if n := testkit.Value(f.Cleanup.RemoveDeleted(t.Context(), 24*time.Hour, 10))(t); n != 1 {
		t.Fatalf("removed %d records", n)
	}
	after, publicAfter := entries()
	if diff := cmp.Diff(private, after); diff != "" {
		t.Errorf("the entry of the private comment has changed:\n%s", diff)
	}
	if publicAfter.Operation != "listRecords" || publicAfter.Object.ID != 0 {
		t.Errorf("the entry of the public comment is %+v", publicAfter)
	}
	if got := f.newest(t, c.asPatient()).Message; got != text {
		t.Errorf("the notification of the comment said %q, and says %q", text, got)
	}
}

// TestRetentionMeetsARestoreAndAHold: whoever has locked the record, or its patient, comes first. Retention waits for nobody.
func TestRetentionMeetsARestoreAndAHold(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{
		"a restore": `UPDATE record_versions SET restored_at = now() WHERE record_id = $1 AND deleted_at IS NOT NULL`,
		"a hold":    `WITH p AS (SELECT id FROM patient_profiles WHERE id = (SELECT patient_id FROM record_versions WHERE record_id = $1 LIMIT 1) FOR NO KEY UPDATE) INSERT INTO legal_holds (patient_id, reason) SELECT id, 'lawsuit' FROM p`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			c := f.care()
			record := f.deletedRecord(t, c, 48*time.Hour)
			tx := testkit.Value(f.db.Pool.Begin(t.Context()))(t)
			testkit.Value(tx.Exec(t.Context(), first, record.ID))(t)
			for range 2 {
				if n := testkit.Value(f.Cleanup.RemoveDeleted(t.Context(), 24*time.Hour, 10))(t); n != 0 {
					t.Errorf("removed %d records", n)
				}
				if err := tx.Commit(t.Context()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
					t.Fatal(err)
				}
			}
			if f.rowsOf(record) == 0 {
				t.Error("the record is gone")
			}
		})
	}
}

// TestARestoreMeetsRetention, which has locked the record before, and removes it.
func TestARestoreMeetsRetention(t *testing.T) {
	t.Parallel()
	m := newMeeting(t)
	m.pause(pausesOther, "AFTER DELETE ON doctor_comments")
	release := m.hold(t, pausesOther)
	removed, restored := make(chan error, 1), make(chan error, 1)
	go func() {
		n, err := m.Cleanup.RemoveDeleted(t.Context(), 24*time.Hour, 10)
		if err == nil && n != 1 {
			t.Errorf("removed %d records", n)
		}
		removed <- err
	}()
	m.waiting(t, 1, removed)
	go func() { restored <- m.restore(t.Context()) }()
	m.waiting(t, 2, restored)
	release()
	wantCode(t, <-removed, "")
	wantCode(t, <-restored, "")
	if n := m.db.Count(`SELECT (SELECT count(*) FROM health_records WHERE id = $1) + (SELECT count(*) FROM record_versions WHERE record_id = $1)`, m.deleted); n != 0 {
		t.Errorf("%d rows of the record are left", n)
	}
}
