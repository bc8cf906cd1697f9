package auditlog_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/auditlog"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/token"
)

func monthOf(at time.Time) time.Time {
	at = at.UTC()
	return time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
}

func nameOf(begin time.Time) string { return "audit_log_" + begin.Format("2006_01") }

// addMonth makes a partition and returns its name.
func (v vault) addMonth(begin time.Time) string {
	v.db.Exec(fmt.Sprintf(`CREATE TABLE %s PARTITION OF audit_log FOR VALUES FROM ('%s') TO ('%s')`,
		nameOf(begin), begin.Format(time.RFC3339), begin.AddDate(0, 1, 0).Format(time.RFC3339)))
	return nameOf(begin)
}

// addOldMonths makes the partitions of two successive months that retention may drop.
func (v vault) addOldMonths() (first, second time.Time) {
	first = monthOf(time.Now().AddDate(-7, 0, 0))
	second = first.AddDate(0, 1, 0)
	v.addMonth(first)
	v.addMonth(second)
	return first, second
}

// addSealed adds rows with these times, which one checkpoint seals.
func (v vault) addSealed(t *testing.T, times ...time.Time) {
	t.Helper()
	v.db.Exec(`INSERT INTO audit_log (at, role, operation, object_kind, reason, decision)
		SELECT at, 'DOCTOR', 'getRecord', 'record', 'assignment', 'allowed' FROM unnest($1::timestamptz[]) AS at`, times)
	v.sealAll(t)
}

// patience ends a test that would wait for ever.
const patience = time.Minute

// hold runs the statement in a transaction that stays open until release is called.
func (v vault) hold(t *testing.T, sql string) (release func()) {
	t.Helper()
	tx := testkit.Value(v.db.Pool.Begin(t.Context()))(t)
	if _, err := tx.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	release = func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }
	t.Cleanup(release)
	return release
}

// await waits until the query counts at least one row.
func (v vault) await(t *testing.T, query string) {
	t.Helper()
	for deadline := time.Now().Add(patience); v.db.Count(query) == 0; {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for %s", query)
		}
	}
}

func TestRetentionDropsOnlyWhatIsOld(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	begin := monthOf(time.Now().AddDate(-7, 0, 0))
	month := v.addMonth(begin)
	for range 3 {
		v.db.Exec(auditInsert)
	}
	v.db.Exec(`UPDATE audit_log SET at = $1 WHERE id <= 2`, begin)
	if _, err := newRetention(t, v.owner, 0).Drop(t.Context(), time.Now().AddDate(-5, 0, 0)); clinic.CodeOf(err) != clinic.CodeInvalid {
		t.Fatalf("rows of five years ago: %v, want a refusal", err)
	}
	if _, err := newRetention(t, v.owner, 8).Drop(t.Context(), time.Now().AddDate(-6, 0, -1)); clinic.CodeOf(err) != clinic.CodeInvalid {
		t.Fatalf("rows that a longer policy keeps: %v, want a refusal", err)
	}
	before := time.Now().AddDate(-6, 0, -1)
	if _, err := newRetention(t, v.owner, 6).Drop(t.Context(), before); clinic.CodeOf(err) != clinic.CodeConflict {
		t.Fatalf("unsealed rows: %v, want a refusal", err)
	}
	v.sealAll(t)
	if names := testkit.Value(newRetention(t, v.owner, 6).Due(t.Context(), before))(t); !slices.Equal(names, []string{month}) || v.db.Count(`SELECT count(*) FROM audit_log`) != 3 {
		t.Fatalf("a dry run names %v", names)
	}
	if _, err := newRetention(t, v.worker, 6).Drop(t.Context(), before); err == nil {
		t.Fatal("the worker may drop a month")
	}
	testkit.Value(newRetention(t, v.owner, 6).Drop(t.Context(), before))(t)
	if faults, good, _ := v.verify(t, asIs); len(faults) > 0 || good != 1 {
		t.Errorf("%d rows are intact, faults: %v", good, faults)
	}
	end := begin.AddDate(0, 1, 0).Format(time.RFC3339) // six years ago now, whatever day the next one is
	if n := v.db.Count(`SELECT count(*) FROM audit_checkpoints WHERE statement::jsonb->>'before' = $1`, end); n != 1 {
		t.Errorf("%d checkpoints record that the rows before %s were dropped, want 1", n, end)
	}
	v.db.Exec(`DELETE FROM audit_log WHERE id = 3`)
	if faults, _, _ := v.verify(t, asIs); len(faults) != 1 || faults[0].Row != 3 {
		t.Errorf("faults after another row was removed: %v", faults)
	}
}

// TestRetentionKeepsNobodyWaiting: a backup reads the log for hours. The retention waits for the
// backup, but other users of the log do not wait behind the retention.
func TestRetentionKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	begin := monthOf(time.Now().AddDate(-7, 0, 0))
	v.addMonth(begin)
	v.addSealed(t, begin)
	release := v.hold(t, `SELECT count(*) FROM audit_log`)
	dropped := make(chan error, 1)
	go func() {
		_, err := newRetention(t, v.owner, 6).Drop(t.Context(), begin.AddDate(0, 1, 0))
		dropped <- err
	}()
	v.await(t, `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'audit_log'::regclass`)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := v.db.Pool.Exec(ctx, auditInsert); err != nil {
		t.Errorf("a request waits behind the retention: %v", err)
	}
	release()
	if err := <-dropped; err != nil {
		t.Fatal(err)
	}
	v.sealAll(t)
	if faults, good, _ := v.verify(t, asIs); len(faults) > 0 || good != 1 || v.db.Count(`SELECT count(*) FROM audit_log`) != 1 {
		t.Errorf("%d rows are intact, faults: %v", good, faults)
	}
}

// TestAnInterruptedRetentionIsFinishedByTheNext: the month is detached with its checkpoint,
// but its digests and its table still exist.
func TestAnInterruptedRetentionIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	begin := monthOf(time.Now().AddDate(-7, 0, 0))
	month := v.addMonth(begin)
	v.addSealed(t, begin)
	release := v.hold(t, `SELECT FROM audit_checkpoints WHERE number = 1 FOR UPDATE`)
	ctx, interrupt := context.WithCancel(t.Context())
	interrupted := make(chan error, 1)
	go func() {
		_, err := newRetention(t, v.owner, 6).Drop(ctx, begin.AddDate(0, 1, 0))
		interrupted <- err
	}()
	left := `SELECT count(*) FROM pg_class WHERE relname = '` + month + `_dropped'`
	v.await(t, left)
	interrupt()
	if err := <-interrupted; clinic.CodeOf(err) != clinic.CodeUnavailable {
		t.Fatalf("the interruption: %v", err)
	}
	release()
	intact := func() {
		t.Helper()
		if faults, good, _ := v.verify(t, asIs); len(faults) > 0 || good != 0 {
			t.Errorf("%d rows are intact, faults: %v", good, faults)
		}
	}
	intact()
	if names := testkit.Value(newRetention(t, v.owner, 6).Drop(t.Context(), begin.AddDate(0, 1, 0)))(t); len(names) != 0 {
		t.Errorf("%v are dropped again", names)
	}
	intact()
	if v.db.Count(left) != 0 || v.db.Count(`SELECT count(*) FROM audit_checkpoints WHERE row_ids IS NULL`) != 1 {
		t.Error("the next retention did not remove the table, or the digests")
	}
	if n := v.db.Count(`SELECT count(*) FROM audit_checkpoints`); n != 2 {
		t.Errorf("there are %d checkpoints, want that of the rows and that of the drop", n)
	}
}

// TestDigestsOfTwoMonthsAreForgottenWithTheLast, and no others.
func TestDigestsOfTwoMonthsAreForgottenWithTheLast(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	first, second := v.addOldMonths()
	for _, times := range [][]time.Time{{first}, {first, second}, {second}, {second, time.Now()}} {
		v.addSealed(t, times...)
	}
	for i, want := range []int{1, 3} {
		testkit.Value(newRetention(t, v.owner, 6).Drop(t.Context(), first.AddDate(0, i+1, 0)))(t)
		if n := v.db.Count(`SELECT count(*) FROM audit_checkpoints WHERE row_ids IS NULL`); n != want {
			t.Errorf("after %d months the digests of %d checkpoints are gone, want %d", i+1, n, want)
		}
		dropped := []int64{2, 5}[i]
		var found *audit.Verifier
		faults, good, _ := v.verify(t, func(verifier *audit.Verifier) { found = verifier })
		if len(faults) > 0 || good != 6-dropped || found.Dropped != dropped {
			t.Errorf("%d rows are intact, %d dropped, faults: %v", good, found.Dropped, faults)
		}
	}
}

// writerFunc is called for each write.
type writerFunc func()

func (w writerFunc) Write(b []byte) (int, error) {
	w()
	return len(b), nil
}

// TestRetentionDuringAVerificationIsNoTampering: a detached month disappears even
// from older snapshots, unless the snapshot locked the log at its beginning.
func TestRetentionDuringAVerificationIsNoTampering(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	first, second := v.addOldMonths()
	v.addSealed(t, first)
	v.addSealed(t, second)
	testkit.Value(newRetention(t, v.owner, 6).Drop(t.Context(), second))(t) // a verification reads its statement first
	dropped := make(chan error, 1)
	var once sync.Once
	retain := func() {
		once.Do(func() {
			ended := make(chan struct{})
			go func() {
				_, err := newRetention(t, v.owner, 6).Drop(t.Context(), second.AddDate(0, 1, 0))
				close(ended)
				dropped <- err
			}()
			waits := `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'audit_log'::regclass`
			for v.db.Count(waits) == 0 {
				select {
				case <-ended:
					return
				default:
				}
			}
		})
	}
	var export bytes.Buffer
	testkit.Value(auditlog.Export(t.Context(), v.owner, io.MultiWriter(&export, writerFunc(retain)), auditlog.Period{To: time.Now().Add(time.Hour)}, func() {}))(t)
	verifier := &audit.Verifier{KeyID: token.KeyID, Partial: true, Report: func(f audit.Fault) { t.Errorf("export: %v", f) }}
	if err := audit.VerifyExport(&export, verifier, func() {}); err != nil {
		t.Error(err)
	}
	if err := <-dropped; err != nil {
		t.Fatal(err)
	}
	if faults, _, _ := v.verify(t, asIs); len(faults) > 0 {
		t.Errorf("faults afterwards: %v", faults)
	}
}

// TestRowsOfTheDefaultPartitionMoveToTheirMonth covers a long time without a worker.
func TestRowsOfTheDefaultPartitionMoveToTheirMonth(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	month := "audit_log_" + time.Now().UTC().Format("2006_01")
	v.db.Exec("DROP TABLE " + month)
	v.db.Exec(auditInsert)
	v.sealAll(t)
	if n := v.db.Count(`SELECT count(*) FROM audit_log_default`); n != 1 {
		t.Fatalf("%d rows in the default partition", n)
	}
	if err := v.sealer.PrepareMonths(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := v.db.Count("SELECT count(*) FROM " + month); n != 1 {
		t.Errorf("%d rows in the month", n)
	}
	if n := v.db.Count(`SELECT count(*) FROM pg_constraint WHERE conname = 'audit_month'`); n != 0 {
		t.Errorf("%d checks are left, which slow down each insertion", n)
	}
	if faults, good, _ := v.verify(t, asIs); len(faults) > 0 || good != 1 {
		t.Errorf("%d rows are intact, faults: %v", good, faults)
	}
}

// TestMonthsThatPassedGetTheirPartitions: rows that were added while no worker ran must not
// stay where retention does not find them.
func TestMonthsThatPassedGetTheirPartitions(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	now := monthOf(time.Now())
	passed := []time.Time{now.AddDate(0, -30, 0), now.AddDate(0, -2, 0)}
	v.addSealed(t, passed[0], passed[1].Add(time.Hour), passed[1], now)
	v.db.Exec(`UPDATE audit_log SET at = 'infinity' WHERE id = 4`) // no month has this time
	for range passed {                                             // one in each call
		if err := v.sealer.PrepareMonths(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i, begin := range passed {
		if n := v.db.Count("SELECT count(*) FROM " + nameOf(begin)); n != i+1 {
			t.Errorf("%d rows in %s, want %d", n, nameOf(begin), i+1)
		}
	}
	if n := v.db.Count(`SELECT count(*) FROM audit_log_default`); n != 1 {
		t.Errorf("%d rows are left in the default partition", n)
	}
	if faults, good, _ := v.verify(t, asIs); len(faults) != 1 || good != 3 {
		t.Errorf("%d rows are intact, faults: %v", good, faults)
	}
}

// TestMakingMonthsKeepsNobodyWaiting behind a backup that is reading the
// partition from which a new one takes its rows.
func TestMakingMonthsKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	month := nameOf(monthOf(time.Now()))
	v.db.Exec("DROP TABLE " + month)
	v.db.Exec(auditInsert)
	release := v.hold(t, `SELECT count(*) FROM audit_log_default`)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := newSealer(t, v.owner, sealingKey).PrepareMonths(ctx); clinic.CodeOf(err) != clinic.CodeUnavailable || ctx.Err() != nil {
		t.Errorf("behind a backup: %v, %v; want an early refusal", err, ctx.Err())
	}
	// A row that was moved, in vain, has the id of that transaction: a month of them, every few seconds.
	if n := v.db.Count(`SELECT count(*) FROM audit_log_default WHERE xmax <> 0`); n != 0 {
		t.Errorf("%d rows were moved in vain", n)
	}
	release()
	if err := newSealer(t, v.owner, sealingKey).PrepareMonths(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := v.db.Count("SELECT count(*) FROM " + month); n != 1 {
		t.Errorf("%d rows in the month", n)
	}
}

// TestRowsOnTheirWayGoToTheNewMonth: after a long time without a worker, requests write to the
// default partition, some of them while the month is made.
func TestRowsOnTheirWayGoToTheNewMonth(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	month := nameOf(monthOf(time.Now()))
	v.db.Exec("DROP TABLE " + month)
	v.db.Exec(auditInsert)
	making := testkit.Value(v.db.Pool.Begin(t.Context()))(t)
	defer func() { _ = making.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := making.Exec(t.Context(), `SELECT audit_prepare_months()`); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		_, err := v.db.Pool.Exec(t.Context(), auditInsert)
		written <- err
	}()
	v.await(t, `SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted`)
	if err := making.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Errorf("a request's row is refused: %v", err)
	}
	if n := v.db.Count("SELECT count(*) FROM " + month); n != 2 {
		t.Errorf("%d rows in the month, want 2", n)
	}
}
