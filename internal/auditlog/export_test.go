package auditlog_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/auditlog"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/token"
)

// TestSkewedClocksLeaveNoHoleInAnExport: two workers took turns, and the clock of one is behind.
func TestSkewedClocksLeaveNoHoleInAnExport(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	midnight := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	var last *audit.Checkpoint
	for id, at := range []time.Duration{-3 * time.Hour, time.Second, -time.Second, time.Hour, -2 * time.Second, 25 * time.Hour} {
		row := clinic.AuditRow{ID: int64(id) + 1, At: midnight, Role: "DOCTOR", Operation: "getRecord", Reason: "assignment", Decision: "allowed"}
		sealed := testkit.Value(audit.Chain{Last: last, Key: sealingKey(), Now: midnight.Add(at)}.Seal([]clinic.AuditRow{row}, row.ID))(t)
		v.db.Exec(`INSERT INTO audit_log (at, role, operation, object_kind, reason, decision) VALUES ($1, 'DOCTOR', 'getRecord', '', 'assignment', 'allowed')`, midnight)
		v.db.Exec(`INSERT INTO audit_checkpoints (number, last_id, statement, signature, row_ids, digests) VALUES ($1, $1, $2, $3, $4, $5)`,
			sealed.Number, sealed.Statement, sealed.Signature, sealed.RowIDs, sealed.Digests)
		last = &sealed
	}
	for name, test := range map[string]struct {
		from time.Time
		rows int
	}{
		"the day before": {midnight.AddDate(0, 0, -1), 5}, // from the first to the fifth
		"the day":        {midnight, 3},                   // from the second to the fourth
		"a day of none":  {midnight.AddDate(0, 0, 9), 0},
	} {
		var export bytes.Buffer
		written := testkit.Value(auditlog.Export(t.Context(), v.owner, &export, auditlog.Period{From: test.from, To: test.from.AddDate(0, 0, 1)}, func() {}))(t)
		verifier := &audit.Verifier{KeyID: token.KeyID, Partial: true, Report: func(f audit.Fault) { t.Errorf("%s: %v", name, f) }}
		if err := audit.VerifyExport(&export, verifier, func() {}); err != nil || written != test.rows || verifier.Rows != int64(test.rows) {
			t.Errorf("%s: %d rows are written, %d are intact, want %d, %v", name, written, verifier.Rows, test.rows, err)
		}
	}
}

// TestVerifyingSeesOneMoment, whatever happens until it ends.
func TestVerifyingSeesOneMoment(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	for range 2 {
		v.db.Exec(auditInsert)
		v.sealAll(t)
	}
	change := func() { v.db.Exec(`UPDATE audit_log SET operation = 'getAudit' WHERE id = 2`) }
	verifier := &audit.Verifier{KeyID: token.KeyID, Report: func(f audit.Fault) { t.Error(f) }}
	testkit.Value(auditlog.Verify(t.Context(), v.owner, verifier, change))(t)
	if faults, _, _ := v.verify(t, asIs); len(faults) != 1 || faults[0].Row != 2 {
		t.Errorf("faults afterwards: %v", faults)
	}
}
