package auditlog_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestWhatCannotBeReadIsNamed: an edit that no program can read stops neither
// audit verify nor audit export, and hides no other edit.
func TestWhatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	const edited, last = 3, 5 // ids of rows; each checkpoint except the last has two
	for name, test := range map[string]struct {
		sql  string
		want []audit.Fault
	}{
		"a mask":           {`UPDATE audit_log SET address = '10.0.0.0/8' WHERE id = 3`, []audit.Fault{{Row: edited, Checkpoint: 2}}},
		"infinity":         {`UPDATE audit_log SET at = 'infinity' WHERE id = 3`, []audit.Fault{{Row: edited, Checkpoint: 2}}},
		"before time":      {`UPDATE audit_log SET at = '-infinity' WHERE id = 3`, []audit.Fault{{Row: edited, Checkpoint: 2}}},
		"year of five":     {`UPDATE audit_log SET at = '12026-01-01' WHERE id = 3`, []audit.Fault{{Row: edited, Checkpoint: 2}}},
		"before Christ":    {`UPDATE audit_log SET at = '0044-03-15 BC' WHERE id = 3`, []audit.Fault{{Row: edited, Checkpoint: 2}}},
		"null":             {`UPDATE audit_log SET patient_ids = '{NULL}' WHERE id = 3`, []audit.Fault{{Row: edited, Checkpoint: 2}}},
		"array of arrays":  {`UPDATE audit_log SET assignment_ids = '{{1},{2}}' WHERE id = 3`, []audit.Fault{{Row: edited, Checkpoint: 2}}},
		"an array in one":  {`UPDATE audit_log SET patient_ids = '{{1}}' WHERE id = 3`, []audit.Fault{{Row: edited, Checkpoint: 2}}},
		"zero for nothing": {`UPDATE audit_log SET user_id = 0 WHERE id = 3`, []audit.Fault{{Row: edited, Checkpoint: 2}}},
		"the lowest id": {`INSERT INTO audit_log (id, role, operation, object_kind, reason, decision) OVERRIDING SYSTEM VALUE
			VALUES (-9223372036854775808, 'DOCTOR', 'getRecord', 'record', 'assignment', 'allowed')`, []audit.Fault{{Row: math.MinInt64, Checkpoint: 1}}},
		"the lowest id, odd": {`INSERT INTO audit_log (id, role, operation, object_kind, reason, decision, address) OVERRIDING SYSTEM VALUE
			VALUES (-9223372036854775808, 'DOCTOR', 'getRecord', 'record', 'assignment', 'allowed', '10.0.0.0/8')`, []audit.Fault{{Row: math.MinInt64, Checkpoint: 1}}},
		"bounds":             {`UPDATE audit_log SET patient_ids = '[0:0]={1}' WHERE id = 3`, []audit.Fault{{Row: edited, Checkpoint: 2}}},
		"two rows":           {`UPDATE audit_log SET address = '10.0.0.0/8' WHERE id IN (3, 5)`, []audit.Fault{{Row: edited, Checkpoint: 2}, {Row: last, Checkpoint: 3}}},
		"null in digests":    {`UPDATE audit_checkpoints SET row_ids = ARRAY[NULL, 4] WHERE number = 2`, []audit.Fault{{Checkpoint: 2}}},
		"no JSON":            {`UPDATE audit_checkpoints SET statement = 'x' WHERE number = 2`, []audit.Fault{{Checkpoint: 2}, {Checkpoint: 3}}},
		"no JSON, at last":   {`UPDATE audit_checkpoints SET statement = 'x' WHERE number = 3`, []audit.Fault{{Checkpoint: 3}}},
		"no JSON, a drop":    {`UPDATE audit_checkpoints SET statement = '"kind":"drop"' WHERE number = 2`, []audit.Fault{{Checkpoint: 2}, {Checkpoint: 2}, {Checkpoint: 3}}},
		"a range to the end": {`UPDATE audit_checkpoints SET statement = replace(statement, '"up_to":2', '"up_to":999') WHERE number = 1`, []audit.Fault{{Checkpoint: 1}, {Checkpoint: 2}}},
		"a shorter range":    {`UPDATE audit_checkpoints SET statement = replace(statement, '"up_to":2', '"up_to":1') WHERE number = 1`, []audit.Fault{{Checkpoint: 1}, {Checkpoint: 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVault(t)
			for id := range last {
				v.db.Exec(auditInsert)
				if id%2 == 1 || id+1 == last {
					v.sealAll(t)
				}
			}
			v.db.Exec(test.sql)
			named := func(faults []audit.Fault) bool {
				for i := range faults {
					faults[i].What = ""
				}
				return slices.Equal(faults, test.want)
			}
			v.wantFaults(t, named)
		})
	}
}

// An unreadable row, added with a stolen password, is sealed all the same.
func TestARowThatCannotBeReadIsSealed(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.db.Exec(auditInsert)
	v.db.Exec(`UPDATE audit_log SET patient_ids = '{NULL}'`)
	v.sealAll(t)
	if faults, good, unsealed := v.verify(t, asIs); len(faults) > 0 || good != 1 || unsealed != 0 {
		t.Errorf("%d rows intact, %d unsealed, faults %v", good, unsealed, faults)
	}
	v.db.Exec(`UPDATE audit_log SET patient_ids = '{NULL,1}'`)
	if faults, _, _ := v.verify(t, asIs); len(faults) != 1 || faults[0].Row != 1 {
		t.Errorf("faults after the edit: %v", faults)
	}
}

// The columns beside a statement do not count: sealing continues where the statement
// ended, and the verification names the edit.
func TestALastIDThatWasEditedIsNamedAndNotBelieved(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]int{"less": -1, "more": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVault(t)
			for range 2 {
				v.db.Exec(auditInsert)
				v.sealAll(t)
			}
			v.db.Exec(`UPDATE audit_checkpoints SET last_id = last_id + $1 WHERE number = 2`, by)
			for range 2 {
				v.db.Exec(auditInsert)
				number := v.db.Count(`SELECT max(number) FROM audit_checkpoints`)
				for deadline := time.Now().Add(patience); v.db.Count(`SELECT max(number) FROM audit_checkpoints`) == number; {
					testkit.Value(v.sealer.Seal(t.Context()))(t)
					if time.Now().After(deadline) {
						t.Fatal("the sealing stopped")
					}
				}
			}
			if faults, good, unsealed := v.verify(t, asIs); len(faults) != 1 || faults[0].Checkpoint != 2 || faults[0].Row != 0 || good != 4 || unsealed != 0 {
				t.Errorf("%d rows intact, %d unsealed, faults %v", good, unsealed, faults)
			}
		})
	}
}

// TestNoIntactRowIsNamedForItsCheckpoint: rows whose proof is missing may be unchanged;
// the fault is the checkpoint's. An edited row is named all the same.
func TestNoIntactRowIsNamedForItsCheckpoint(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sql         string
		checkpoints []int64
	}{
		"removed":     {`DELETE FROM audit_checkpoints WHERE number = 2`, []int64{2}},
		"its digests": {`UPDATE audit_checkpoints SET row_ids = NULL, digests = NULL WHERE number = 2`, []int64{2}},
		"exchanged": {`UPDATE audit_checkpoints SET number = -2 WHERE number = 2; UPDATE audit_checkpoints SET number = 2 WHERE number = 3;
			UPDATE audit_checkpoints SET number = 3 WHERE number = -2`, []int64{2, 3, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVault(t)
			for range 4 {
				v.db.Exec(auditInsert)
				v.db.Exec(auditInsert)
				v.sealAll(t)
			}
			for sql := range strings.SplitSeq(test.sql, ";") {
				v.db.Exec(sql)
			}
			v.wantFaults(t, func(faults []audit.Fault) bool { return slices.Equal(rowsAndCheckpoints(faults), test.checkpoints) })
			v.db.Exec(`UPDATE audit_log SET operation = 'edited' WHERE id = 7`)
			v.wantFaults(t, func(faults []audit.Fault) bool {
				return slices.Equal(rowsAndCheckpoints(faults), append(test.checkpoints, 7_000))
			})
		})
	}
}

// rowsAndCheckpoints returns the numbers of the named checkpoints, and thousands for rows.
func rowsAndCheckpoints(faults []audit.Fault) []int64 {
	var named []int64
	for _, f := range faults {
		named = append(named, f.Row*1_000)
		if f.Row == 0 {
			named[len(named)-1] = f.Checkpoint
		}
	}
	slices.Sort(named)
	return slices.Compact(named)
}
