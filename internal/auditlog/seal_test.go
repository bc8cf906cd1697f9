package auditlog_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/auditlog"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/token"
)

// vault is a log with its chain, used with the worker's rights and with the owner's.
type vault struct {
	db            *testkit.Factory
	sealer        *auditlog.Sealer // with the worker's rights
	worker, owner *store.DB
}

func newVault(t *testing.T) vault {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	v := vault{
		db:     testkit.NewFactory(t, dsn),
		worker: rights.OpenAs(t, dsn, schema.PartWorker, store.Options{}), owner: rights.Open(t, store.Options{URL: dsn}),
	}
	v.sealer = newSealer(t, v.worker, sealingKey)
	return v
}

func newSealer(t *testing.T, db *store.DB, key func() ed25519.PrivateKey) *auditlog.Sealer {
	t.Helper()
	return testkit.Value(auditlog.NewSealer(auditlog.SealerOptions{DB: db, Key: key}))(t)
}

func newRetention(t *testing.T, db *store.DB, years int) *auditlog.Retention {
	t.Helper()
	return testkit.Value(auditlog.NewRetention(auditlog.RetentionOptions{DB: db, Key: sealingKey, Years: years}))(t)
}

func sealingKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)) }

const auditInsert = `INSERT INTO audit_log (role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision)
	VALUES ('DOCTOR', 'getRecord', 'record', 1, '{1}', '{0}', 'assignment', 'allowed')`

// sealAll seals until all rows are sealed. Transactions of other tests, in other
// databases of the same Postgres, delay it too.
func (v vault) sealAll(t *testing.T) {
	t.Helper()
	unsealed := func() int {
		return v.db.Count(`SELECT count(*) FROM audit_log WHERE id > (SELECT coalesce(max(last_id), 0) FROM audit_checkpoints)`)
	}
	deadline := time.Now().Add(time.Minute)
	for unsealed() > 0 {
		if _, err := v.sealer.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d rows are not sealed", unsealed())
		}
	}
}

// verify returns the faults and the numbers of intact and of unsealed rows.
func (v vault) verify(t *testing.T, prepare func(*audit.Verifier)) (faults []audit.Fault, good, unsealed int64) {
	t.Helper()
	verifier := &audit.Verifier{KeyID: token.KeyID, Report: func(f audit.Fault) { faults = append(faults, f) }}
	prepare(verifier)
	unsealed, err := auditlog.Verify(t.Context(), v.owner, verifier, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return faults, verifier.Rows, unsealed
}

func asIs(*audit.Verifier) {}

// wantFaults verifies the log and an export of all of it, and passes the faults of both to named.
func (v vault) wantFaults(t *testing.T, named func([]audit.Fault) bool) {
	t.Helper()
	if faults, _, _ := v.verify(t, asIs); !named(faults) {
		t.Errorf("faults: %v", faults)
	}
	var export bytes.Buffer
	testkit.Value(auditlog.Export(t.Context(), v.owner, &export, auditlog.Period{To: time.Now().Add(time.Hour)}, func() {}))(t)
	var faults []audit.Fault
	verifier := &audit.Verifier{KeyID: token.KeyID, Partial: true, Report: func(f audit.Fault) { faults = append(faults, f) }}
	if err := audit.VerifyExport(&export, verifier, func() {}); err != nil || !named(faults) {
		t.Errorf("faults of the export: %v, %v", faults, err)
	}
}

// TestSealingWhileManyWrite runs writers that draw ids in one order and commit, or
// roll back, in another, while two workers seal.
func TestSealingWhileManyWrite(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	const writers, rows = 40, 15
	var writing, sealing sync.WaitGroup
	var committed, seals atomic.Int64
	done := make(chan struct{})
	for i := range writers {
		writing.Go(func() {
			conn, err := pgx.Connect(t.Context(), v.db.Pool.Config().ConnString())
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
			for j := 0; j < rows || seals.Load() < 3 && !t.Failed(); j++ {
				err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
					if _, err := tx.Exec(t.Context(), auditInsert); err != nil {
						return err
					}
					// Some stay open for longer than sealing takes.
					if _, err := tx.Exec(t.Context(), "SELECT pg_sleep($1)", float64((i*7+j*3)%11)/200); err != nil {
						return err
					}
					if (i+j)%5 == 0 {
						return errRollback
					}
					return nil
				})
				if err == nil {
					committed.Add(1)
				} else if err != errRollback { //nolint:errorlint // BeginFunc returns it as it is
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		sealer := newSealer(t, v.worker, sealingKey)
		sealing.Go(func() {
			for {
				sealed, err := sealer.Seal(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if sealed > 0 {
					seals.Add(1)
				}
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	writing.Wait()
	close(done)
	sealing.Wait()
	v.sealAll(t)
	faults, good, unsealed := v.verify(t, asIs)
	if len(faults) > 0 || good != committed.Load() || unsealed != 0 {
		t.Errorf("%d of %d rows are intact, %d unsealed; faults: %v", good, committed.Load(), unsealed, faults)
	}
	if n := v.db.Count(`SELECT count(*) FROM (SELECT unnest(row_ids) AS id FROM audit_checkpoints) r`); int64(n) != good {
		t.Errorf("%d rows have a digest, want each of %d once", n, good)
	}
}

var errRollback = fmt.Errorf("rolled back")

func TestUnsealedIsTheAgeOfTheOldestRow(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	oldest := func() time.Duration { return testkit.Value(v.sealer.Unsealed(t.Context()))(t) }
	if got := oldest(); got != 0 {
		t.Errorf("an empty log: %s", got)
	}
	insert := strings.NewReplacer("(role", "(at, role", "('DOCTOR'", "(now() - interval '1 hour', 'DOCTOR'").Replace(auditInsert)
	v.db.Exec(insert)
	v.db.Exec(auditInsert)
	if got := oldest(); got < time.Hour || got > 2*time.Hour {
		t.Errorf("a row from an hour ago: %s", got)
	}
	v.sealAll(t)
	if got := oldest(); got != 0 {
		t.Errorf("after all is sealed: %s", got)
	}
	v.db.Exec(auditInsert)
	if got := oldest(); got <= 0 || got > time.Hour {
		t.Errorf("a new row: %s", got)
	}
}

// TestAnOpenTransactionHoldsBackTheSeal writes a row that becomes visible after
// rows with higher ids.
func TestAnOpenTransactionHoldsBackTheSeal(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	tx := testkit.Value(v.db.Pool.Begin(t.Context()))(t)
	if _, err := tx.Exec(t.Context(), auditInsert); err != nil {
		t.Fatal(err)
	}
	v.db.Exec(auditInsert)
	for range 20 {
		if _, err := v.sealer.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := v.db.Count(`SELECT count(*) FROM audit_checkpoints`); n != 0 {
		t.Fatal("a range was closed while a row of it was being written")
	}
	if holder := testkit.Value(v.sealer.OldestTransaction(t.Context()))(t); holder == "" {
		t.Error("the worker's role does not see which transaction delays it")
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.sealAll(t)
	if faults, good, unsealed := v.verify(t, asIs); len(faults) > 0 || good != 2 || unsealed != 0 {
		t.Errorf("%d rows intact, %d unsealed, faults %v", good, unsealed, faults)
	}
}

func TestTamperingInTheDatabaseIsNamed(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"edited": `UPDATE audit_log SET user_id = 7 WHERE id = 2`, "removed": `DELETE FROM audit_log WHERE id = 2`,
		"moved":      `UPDATE audit_log SET at = at - interval '1 year' WHERE id = 2`,
		"renumbered": `UPDATE audit_log SET id = 1000 WHERE id = 2`, "added": `UPDATE audit_checkpoints SET row_ids = row_ids[1:1] || row_ids[3:],
			digests = substr(digests, 1, 32) || substr(digests, 65)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVault(t)
			for range 5 {
				v.db.Exec(auditInsert)
			}
			v.sealAll(t)
			v.db.Exec(sql)
			faults, _, _ := v.verify(t, asIs)
			if !slices.ContainsFunc(faults, func(f audit.Fault) bool { return f.Row == 2 || name == "added" && f.Checkpoint == 1 }) {
				t.Errorf("faults: %v", faults)
			}
		})
	}
}

// TestAGapInTheNumbersIsNamed: the chain's statements are whole, but their stored numbers have a
// gap.
func TestAGapInTheNumbersIsNamed(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"renumbered": `UPDATE audit_checkpoints SET number = 999999999 WHERE number = 3`,
		"unreadable": `UPDATE audit_checkpoints SET number = 999999999, statement = 'x' WHERE number = 3`,
		"unsigned":   `UPDATE audit_checkpoints SET number = 999999999, signature = '' WHERE number = 3`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVault(t)
			for range 3 {
				v.db.Exec(auditInsert)
				v.sealAll(t)
			}
			v.db.Exec(sql)
			named := func(faults []audit.Fault) bool { // the gap, and the checkpoint after it
				return len(faults) == 2 && faults[0].Checkpoint+faults[1].Checkpoint == 3+999_999_999
			}
			v.wantFaults(t, named)
		})
	}
}

func TestCuttingOffTheTail(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	for range 3 {
		v.db.Exec(auditInsert)
		v.sealAll(t)
	}
	kept := testkit.Value(auditlog.Newest(t.Context(), v.owner))(t)
	v.db.Exec(`DELETE FROM audit_log WHERE id > 1`)
	v.db.Exec(`DELETE FROM audit_checkpoints WHERE number > 1`)
	if faults, _, _ := v.verify(t, asIs); len(faults) > 0 {
		t.Fatalf("faults without the kept checkpoint: %v", faults)
	}
	if faults, _, _ := v.verify(t, func(verifier *audit.Verifier) { verifier.Kept = &kept }); len(faults) != 1 || faults[0].Checkpoint != 2 {
		t.Errorf("faults: %v", faults)
	}
}
