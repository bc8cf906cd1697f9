package service_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestReadingTheVersionsOfAPrivateCommentIsAReadingToThePatient looks at the access log while the comment is there, when its
// record is deleted, and when both are gone.
func TestReadingTheVersionsOfAPrivateCommentIsAReadingToThePatient(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	public := f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor})
	private := f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor, Private: true})
	doctor := c.asDoctor()
	doctor.Request.Operation = "listCommentVersions"
	for _, id := range []int64{public.ID, private.ID} {
		testkit.Value(f.Comments.Versions(ctx, doctor, id, clinic.PageRequest{}))(t)
	}
	type entry struct {
		Operation string
		Object    clinic.Object
	}
	check := func(when string, want ...entry) {
		t.Helper()
		var got []entry
		for _, a := range testkit.Value(f.AuditLog.ListAccesses(ctx, c.asPatient(), 0, 10))(t).Items {
			if a.Role == clinic.RoleDoctor {
				got = append(got, entry{a.Operation, a.Object})
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, the access log (-want +got):\n%s", when, diff)
		}
	}
	readRecord := entry{"getRecord", clinic.Object{Kind: clinic.ObjectRecord, ID: c.record.ID}}
	readComment := entry{"listCommentVersions", clinic.Object{Kind: clinic.ObjectComment, ID: public.ID}}
	check("now", readRecord, readComment)
	testkit.Must(t, f.Records.Delete(ctx, c.asPatient(), c.record.ID, nil))
	check("deleted", readRecord, readComment)
	f.db.Exec(`UPDATE record_versions SET deleted_at = now() - interval '1 year' WHERE deleted_at IS NOT NULL`)
	testkit.Value(f.Cleanup.RemoveDeleted(ctx, 24*time.Hour, 10))(t)
	gone := entry{"listRecords", clinic.Object{Kind: clinic.ObjectRecord}}
	check("removed", gone, gone)
}
