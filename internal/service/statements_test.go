package service_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// statements counts the statements that are sent to Postgres, in batches or alone.
type statements struct{ count atomic.Int64 }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.count.Add(1)
	return ctx
}
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {
	s.count.Add(1)
}
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// TestListsTakeFewStatements reads full pages of lists: the check of the caller, the list itself, the comments, if it shows
// any, and the audit row, for any number of rows.
func TestListsTakeFewStatements(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	for range 30 {
		patient := f.db.Patient(testkit.PatientOptions{})
		f.db.Assignment(testkit.AssignmentOptions{Patient: patient, Doctor: c.doctor})
		f.db.Comment(testkit.CommentOptions{Record: f.db.Record(testkit.RecordOptions{Patient: patient}), Doctor: c.doctor})
		f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor})
	}
	f.db.Exec(`INSERT INTO notifications (recipient_id, event_id, type, patient_id, record_id)
		SELECT $1, id, 'NEW_RECORD', patient_id, id FROM health_records`, c.doctor.User.ID)
	sent := &statements{}
	db, err := store.Open(t.Context(), store.Options{URL: rights.URL(t, f.db.Pool.Config().ConnString(), schema.PartServer), MaxConns: 1, Tracer: sent})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	s := newAPI(t, db)
	for name, list := range map[string]func() (rows int, err error){
		"records": func() (int, error) {
			page, err := s.Records.List(t.Context(), c.asDoctor(), clinic.RecordFilter{}, clinic.PageRequest{})
			return len(page.Items), err
		},
		"comments": func() (int, error) {
			page, err := s.Comments.List(t.Context(), c.asDoctor(), c.record.ID, clinic.PageRequest{})
			return len(page.Items), err
		},
		"patients": func() (int, error) {
			page, err := s.Patients.OfDoctor(t.Context(), c.asDoctor(), clinic.PageRequest{})
			return len(page.Items), err
		},
		"assignments": func() (int, error) {
			page, err := s.Assignments.List(t.Context(), c.asDoctor(), clinic.AssignmentFilter{}, clinic.PageRequest{})
			return len(page.Items), err
		},
		"notifications": func() (int, error) {
			page, err := s.Notifications.List(t.Context(), c.asDoctor(), clinic.NotificationFilter{}, clinic.PageRequest{})
			return len(page.Items), err
		},
	} {
		sent.count.Store(0)
		if rows, err := list(); err != nil || rows != clinic.DefaultPageSize {
			t.Errorf("%s: %d rows, %v", name, rows, err)
		}
		want := int64(3)
		if name == "records" || name == "comments" {
			want = 4
		}
		if n := sent.count.Load(); n != want {
			t.Errorf("%s: %d statements, want %d", name, n, want)
		}
	}
}
