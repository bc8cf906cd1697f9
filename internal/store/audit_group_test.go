package store

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// auditReader is a patient with a record, on a database with room for few connections.
type auditReader struct {
	db     *DB
	admin  *testkit.Factory
	caller clinic.Caller
	record int64
}

func newAuditReader(t *testing.T, conns int32) auditReader {
	t.Helper()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	db, err := Open(t.Context(), Options{URL: dsn, MaxConns: conns, AcquireTimeout: testkit.Patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	f := testkit.NewFactory(t, dsn)
	patient := f.Patient(testkit.PatientOptions{})
	return auditReader{db: db, admin: f, caller: testkit.CallerOf(patient.User), record: f.Record(testkit.RecordOptions{Patient: patient}).ID}
}

func (r auditReader) read(ctx context.Context) error {
	_, err := r.db.As(r.caller).Records().Get(ctx, r.record)
	return err
}

// gathered returns the number of rows that wait for a writer.
func (r auditReader) gathered() int {
	g := r.db.audits
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.next == nil {
		return 0
	}
	return len(g.next.rows)
}

// occupy takes all writers, so that rows gather, until release is called.
func (r auditReader) occupy() (release func()) {
	for range auditWriters {
		r.db.audits.writers <- struct{}{}
	}
	return sync.OnceFunc(func() {
		for range auditWriters {
			<-r.db.audits.writers
		}
	})
}

func (r auditReader) await(t *testing.T, rows int) {
	t.Helper()
	tick, limit := time.NewTicker(time.Millisecond), time.After(testkit.Patience)
	defer tick.Stop()
	for r.gathered() != rows {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%d rows have gathered, want %d", r.gathered(), rows)
		}
	}
}

// TestReadsAtOnceShareACommit: the reads also need no more than one connection, which each gives back before its row is
// written.
func TestReadsAtOnceShareACommit(t *testing.T) {
	t.Parallel()
	const reads = 20
	r := newAuditReader(t, 1)
	release := r.occupy()
	defer release()
	results := make(chan error, reads)
	for range reads {
		go func() { results <- r.read(t.Context()) }()
	}
	r.await(t, reads)
	select {
	case err := <-results:
		t.Fatalf("a read was answered before its row was written: %v", err)
	default:
	}
	release()
	for range reads {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if n := r.admin.Count(`SELECT count(*) FROM audit_log WHERE object_id = $1`, r.record); n != reads {
		t.Errorf("%d audit rows, want %d", n, reads)
	}
	if n := r.admin.Count(`SELECT count(DISTINCT xmin::text) FROM audit_log`); n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
}

// TestTheRowOfACallerWhoLeftIsWritten: what they asked for was read.
func TestTheRowOfACallerWhoLeftIsWritten(t *testing.T) {
	t.Parallel()
	r := newAuditReader(t, 4)
	release := r.occupy()
	defer release()
	first, second := make(chan error, 1), make(chan error, 1)
	ctx, leave := context.WithCancel(t.Context())
	go func() { first <- r.read(t.Context()) }()
	r.await(t, 1)
	go func() { second <- r.read(ctx) }()
	r.await(t, 2)
	leave()
	if err := <-second; clinic.CodeOf(err) != clinic.CodeUnavailable {
		t.Errorf("the read of the caller who left: %v", err)
	}
	release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	if n := r.admin.Count(`SELECT count(*) FROM audit_log`); n != 2 {
		t.Errorf("%d audit rows, want 2", n)
	}
}

// TestNoReadIsAnsweredWithoutItsRow: a group that cannot be written fails each of its reads, and no later one.
func TestNoReadIsAnsweredWithoutItsRow(t *testing.T) {
	t.Parallel()
	r := newAuditReader(t, 4)
	r.admin.Exec(`ALTER TABLE audit_log RENAME TO audit_log_away`)
	release := r.occupy()
	defer release()
	const reads = 3
	results := make(chan error, reads)
	for range reads {
		go func() { results <- r.read(t.Context()) }()
	}
	r.await(t, reads)
	release()
	for range reads {
		if err := <-results; err == nil {
			t.Error("a read without an audit row was answered")
		}
	}
	r.admin.Exec(`ALTER TABLE audit_log_away RENAME TO audit_log`)
	if err := r.read(t.Context()); err != nil {
		t.Errorf("a read after the outage: %v", err)
	}
}

// TestAPanicLeavesNoReadWithoutItsAuditRow: whoever waits for a group whose writer panics gets an error.
func TestAPanicLeavesNoReadWithoutItsAuditRow(t *testing.T) {
	t.Parallel()
	g := newAuditGroup(nil) // writing panics
	flush, _ := g.join(dbsqlc.InsertAuditParams{})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the writer did not panic")
			}
		}()
		g.flush(t.Context(), flush)
	}()
	<-flush.done
	if flush.err == nil {
		t.Error("the group is written")
	}
}
