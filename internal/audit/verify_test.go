package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// ledger is a sealed log: the rows of each checkpoint.
type ledger struct {
	checkpoints []audit.Checkpoint
	rows        [][]clinic.AuditRow
}

func key(seed byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32)) }

func keyID(k ed25519.PublicKey) string { return hex.EncodeToString(k) }

func idOf(k ed25519.PrivateKey) string {
	public, _ := k.Public().(ed25519.PublicKey)
	return keyID(public)
}

func anyRow(t *rapid.T, id int64) clinic.AuditRow {
	patients := rapid.SliceOfN(rapid.Int64Range(1, 9), 1, 4).Draw(t, "patients")
	return clinic.AuditRow{
		ID: id, At: time.Unix(1_700_000_000+id, 123_456_000).UTC(), UserID: rapid.Int64Range(0, 9).Draw(t, "user"), Role: clinic.RoleDoctor,
		Operation: "getRecord", Object: clinic.Object{Kind: clinic.ObjectRecord, ID: rapid.Int64Range(0, 9).Draw(t, "object")},
		Patients: patients, Assignments: slices.Clone(patients), Reason: clinic.ReasonAssignment, Decision: clinic.DecisionAllowed,
		RequestID: "request", Address: "192.0.2.1",
		Records: rapid.SampledFrom([][]int64{nil, {}, {1, 2}}).Draw(t, "records"), // nil: no search
	}
}

// anyLedger has at least three checkpoints, each with rows and gaps.
func anyLedger(t *rapid.T, signer ed25519.PrivateKey) ledger {
	var l ledger
	var last *audit.Checkpoint
	id := int64(0)
	for range rapid.IntRange(3, 6).Draw(t, "checkpoints") {
		var rows []clinic.AuditRow
		for range rapid.IntRange(2, 6).Draw(t, "rows") {
			id += rapid.Int64Range(1, 3).Draw(t, "step")
			rows = append(rows, anyRow(t, id))
		}
		c, err := audit.Chain{Last: last, Key: signer, Now: time.Now()}.Seal(rows, id)
		if err != nil {
			t.Fatal(err)
		}
		l.checkpoints, l.rows, last = append(l.checkpoints, c), append(l.rows, rows), &c
	}
	return l
}

// verify returns the faults, once of the ledger itself and once of its export,
// which must be the same.
func (l ledger) verify(t *rapid.T, prepare func(*audit.Verifier)) []audit.Fault {
	run := func(do func(*audit.Verifier)) []audit.Fault {
		var faults []audit.Fault
		v := &audit.Verifier{KeyID: keyID, Trusted: []string{idOf(key(1))}, Report: func(f audit.Fault) { faults = append(faults, f) }}
		prepare(v)
		do(v)
		return faults
	}
	direct := run(func(v *audit.Verifier) {
		v.Prepare()
		for i, c := range l.checkpoints {
			v.Checkpoint(c, l.rows[i])
		}
		v.End()
	})
	var export bytes.Buffer
	e, err := audit.NewExporter(&export, nil)
	for i, c := range l.checkpoints {
		if err == nil {
			err = e.Checkpoint(c, l.rows[i])
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	exported := run(func(v *audit.Verifier) {
		if err := audit.VerifyExport(&export, v, func() {}); err != nil {
			t.Fatal(err)
		}
	})
	if !slices.Equal(direct, exported) {
		t.Fatalf("the export has other faults: %v, want %v", exported, direct)
	}
	return direct
}

// tampering changes the ledger and returns the rows, or else the checkpoint,
// that the verifier must name.
type tampering func(t *rapid.T, l *ledger) (rows []int64, checkpoint int64)

func edit(change func(*clinic.AuditRow)) tampering {
	return func(t *rapid.T, l *ledger) ([]int64, int64) {
		i, j := l.pick(t)
		change(&l.rows[i][j])
		return []int64{l.rows[i][j].ID}, 0
	}
}

func (l ledger) pick(t *rapid.T) (checkpoint, row int) {
	i := rapid.IntRange(0, len(l.rows)-1).Draw(t, "checkpoint")
	return i, rapid.IntRange(0, len(l.rows[i])-1).Draw(t, "row")
}

func tamperings() map[string]tampering {
	return map[string]tampering{
		"at":          edit(func(r *clinic.AuditRow) { r.At = r.At.Add(time.Microsecond) }),
		"user":        edit(func(r *clinic.AuditRow) { r.UserID++ }),
		"role":        edit(func(r *clinic.AuditRow) { r.Role = clinic.RoleAdmin }),
		"operation":   edit(func(r *clinic.AuditRow) { r.Operation = "listRecords" }),
		"object kind": edit(func(r *clinic.AuditRow) { r.Object.Kind = clinic.ObjectComment }),
		"object":      edit(func(r *clinic.AuditRow) { r.Object.ID++ }),
		"patients":    edit(func(r *clinic.AuditRow) { r.Patients = append(slices.Clone(r.Patients[1:]), 77) }),
		"assignments": edit(func(r *clinic.AuditRow) { r.Assignments = r.Assignments[1:] }),
		"records":     edit(func(r *clinic.AuditRow) { r.Records = append(slices.Clone(r.Records), 77) }),
		"reason":      edit(func(r *clinic.AuditRow) { r.Reason = clinic.ReasonBreakGlass }),
		"decision":    edit(func(r *clinic.AuditRow) { r.Decision = "not_found" }),
		"request":     edit(func(r *clinic.AuditRow) { r.RequestID = "" }),
		"address":     edit(func(r *clinic.AuditRow) { r.Address = "" }),
		"patient moved": edit(func(r *clinic.AuditRow) {
			r.Assignments = append(r.Assignments, r.Patients[0])
			r.Patients = r.Patients[1:]
		}),
		"removed": func(t *rapid.T, l *ledger) ([]int64, int64) {
			i, j := l.pick(t)
			id := l.rows[i][j].ID
			l.rows[i] = slices.Delete(slices.Clone(l.rows[i]), j, j+1)
			return []int64{id}, 0
		},
		"added": func(t *rapid.T, l *ledger) ([]int64, int64) {
			i, j := l.pick(t)
			added := anyRow(t, l.rows[i][j].ID)
			l.rows[i] = slices.Insert(slices.Clone(l.rows[i]), j, added) // twice the same id
			return []int64{added.ID}, 0
		},
		"ids exchanged": func(t *rapid.T, l *ledger) ([]int64, int64) {
			i, _ := l.pick(t)
			a, b := &l.rows[i][0], &l.rows[i][1]
			a.UserID, b.UserID = 1, 2
			resealed(t, l)
			a.ID, b.ID = b.ID, a.ID
			l.rows[i][0], l.rows[i][1] = *b, *a
			return []int64{l.rows[i][0].ID, l.rows[i][1].ID}, 0
		},
		"checkpoint removed": func(_ *rapid.T, l *ledger) ([]int64, int64) {
			l.checkpoints, l.rows = slices.Delete(l.checkpoints, 1, 2), slices.Delete(l.rows, 1, 2)
			return nil, 2
		},
		"checkpoints exchanged": func(_ *rapid.T, l *ledger) ([]int64, int64) {
			l.checkpoints[1], l.checkpoints[2] = l.checkpoints[2], l.checkpoints[1]
			l.rows[1], l.rows[2] = l.rows[2], l.rows[1]
			return nil, 2
		},
		"digests forged": func(_ *rapid.T, l *ledger) ([]int64, int64) {
			forged, _ := audit.Chain{Last: &l.checkpoints[0], Key: key(1), Now: time.Now()}.Seal(l.rows[2], 1000)
			l.checkpoints[1].Digests, l.checkpoints[1].RowIDs = forged.Digests, forged.RowIDs
			return nil, 2
		},
		"statement forged": func(_ *rapid.T, l *ledger) ([]int64, int64) {
			l.checkpoints[1].Statement = strings.Replace(l.checkpoints[1].Statement, `"rows":`, `"rows":1`, 1)
			return nil, 2
		},
		"signed by another key": func(t *rapid.T, l *ledger) ([]int64, int64) {
			forged, err := audit.Chain{Last: &l.checkpoints[0], Key: key(2), Now: time.Now()}.Seal(l.rows[1], l.rows[1][len(l.rows[1])-1].ID)
			if err != nil {
				t.Fatal(err)
			}
			l.checkpoints[1] = forged
			return nil, 2
		},
	}
}

func resealed(t *rapid.T, l *ledger) {
	var last *audit.Checkpoint
	for i, rows := range l.rows {
		c, err := audit.Chain{Last: last, Key: key(1), Now: time.Now()}.Seal(rows, rows[len(rows)-1].ID)
		if err != nil {
			t.Fatal(err)
		}
		l.checkpoints[i], last = c, &c
	}
}

func TestEachTamperingIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	for name, tamper := range tamperings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				l := anyLedger(t, key(1))
				if faults := l.verify(t, func(*audit.Verifier) {}); len(faults) > 0 {
					t.Fatalf("the unchanged ledger has faults: %v", faults)
				}
				rows, checkpoint := tamper(t, &l)
				faults := l.verify(t, func(*audit.Verifier) {})
				for _, id := range rows {
					if !slices.ContainsFunc(faults, func(f audit.Fault) bool { return f.Row == id }) {
						t.Errorf("row %d is not named: %v", id, faults)
					}
				}
				if len(rows) > 0 && slices.ContainsFunc(faults, func(f audit.Fault) bool { return !slices.Contains(rows, f.Row) }) {
					t.Errorf("rows other than %v are named: %v", rows, faults)
				}
				if checkpoint != 0 && !slices.ContainsFunc(faults, func(f audit.Fault) bool { return f.Checkpoint == checkpoint }) {
					t.Errorf("checkpoint %d is not named: %v", checkpoint, faults)
				}
			})
		})
	}
}

func TestACutOffTailIsFoundByAKeptCheckpoint(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := anyLedger(t, key(1))
		kept := l.checkpoints[len(l.checkpoints)-1]
		keep := func(v *audit.Verifier) { v.Kept = &kept }
		if faults := l.verify(t, keep); len(faults) > 0 {
			t.Fatalf("the unchanged ledger has faults: %v", faults)
		}
		left := rapid.IntRange(0, len(l.checkpoints)-1).Draw(t, "left")
		cut := ledger{l.checkpoints[:left], l.rows[:left]}
		if faults := cut.verify(t, keep); len(faults) != 1 || faults[0].Checkpoint != int64(left)+1 {
			t.Errorf("faults of a log cut off after %d checkpoints: %v", left, faults)
		}
		resealed(t, &l) // another history, signed with the right key
		if faults := l.verify(t, keep); len(faults) == 0 {
			t.Error("another history is accepted as that of the kept checkpoint")
		}
	})
}

// An export begins at the requested checkpoint: an older kept checkpoint
// says nothing about it, but an export must follow the kept one right before it.
func TestAnOlderKeptCheckpointIsNoFaultOfAnExport(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := anyLedger(t, key(1))
		first := rapid.IntRange(1, len(l.checkpoints)-1).Draw(t, "first")
		kept := l.checkpoints[rapid.IntRange(0, first-1).Draw(t, "kept")]
		adjacent := kept.Statement == l.checkpoints[first-1].Statement
		part := ledger{l.checkpoints[first:], l.rows[first:]}
		var v *audit.Verifier
		keep := func(verifier *audit.Verifier) { v, verifier.Partial, verifier.Kept = verifier, true, &kept }
		if faults := part.verify(t, keep); len(faults) > 0 || v.Outside == adjacent {
			t.Fatalf("faults: %v; it is outside: %t", faults, v.Outside)
		}
		resealed(t, &l)
		if adjacent {
			forged := ledger{l.checkpoints[first:], l.rows[first:]}
			if faults := forged.verify(t, keep); len(faults) != 1 || faults[0].Checkpoint != int64(first) {
				t.Errorf("faults of an export that does not follow the kept one: %v", faults)
			}
		}
	})
}

// runsOf returns the sorted ids as runs: the first and the last id of each.
func runsOf(ids []int64) [][2]int64 {
	var runs [][2]int64
	for _, id := range ids {
		if n := len(runs); n > 0 && runs[n-1][1] == id-1 {
			runs[n-1][1] = id
			continue
		}
		runs = append(runs, [2]int64{id, id})
	}
	return runs
}

func TestRetentionIsNoTampering(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := anyLedger(t, key(1))
		var ids []int64
		for _, rows := range l.rows[:2] {
			for _, r := range rows {
				ids = append(ids, r.ID)
			}
		}
		years := rapid.IntRange(0, 12).Draw(t, "years")
		now := time.Now()
		drop, err := audit.Chain{Last: &l.checkpoints[len(l.checkpoints)-1], Key: key(1), Now: now}.Drop(runsOf(ids), now.AddDate(-years, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		l.checkpoints, l.rows = append(l.checkpoints, drop), append(l.rows, nil)
		l.rows[0], l.rows[1] = nil, nil
		l.checkpoints[0].RowIDs, l.checkpoints[0].Digests = nil, nil
		var faults []audit.Fault
		v := &audit.Verifier{KeyID: keyID, Drops: []audit.Checkpoint{drop}, Report: func(f audit.Fault) { faults = append(faults, f) }}
		v.Prepare()
		for i, c := range l.checkpoints {
			v.Checkpoint(c, l.rows[i])
		}
		v.End()
		if (len(faults) == 0) != (years >= audit.RetentionYears) || v.Dropped != int64(len(ids)) {
			t.Errorf("after dropping rows older than %d years: %v", years, faults)
		}
	})
}

// An empty export, cut off before its header, is not a valid one.
func TestAnEmptyExportIsNone(t *testing.T) {
	t.Parallel()
	v := &audit.Verifier{KeyID: keyID, Partial: true, Report: func(audit.Fault) {}}
	if err := audit.VerifyExport(strings.NewReader(""), v, func() {}); err == nil {
		t.Error("the export is accepted")
	}
}

// TestRowsThatAFormerWorkerSealed: it does not know the records of a search. Its seal holds, but a row that this release has
// sealed with records must have them.
func TestRowsThatAFormerWorkerSealed(t *testing.T) {
	t.Parallel()
	row := clinic.AuditRow{ID: 1, At: time.Unix(1_700_000_000, 0), UserID: 1, Role: clinic.RoleDoctor, Operation: clinic.OperationSearch, Decision: clinic.DecisionAllowed}
	searched := row
	searched.Records = []int64{5}
	for name, test := range map[string]struct {
		sealed, read clinic.AuditRow
		faults       int
	}{
		"by this one":              {searched, searched, 0},
		"by the former one":        {row, searched, 0},
		"by this one, and emptied": {searched, row, 1},
	} {
		c, err := audit.Chain{Key: key(1), Now: time.Now()}.Seal([]clinic.AuditRow{test.sealed}, 1)
		if err != nil {
			t.Fatal(err)
		}
		faults := 0
		v := audit.Verifier{KeyID: keyID, Report: func(audit.Fault) { faults++ }}
		v.Prepare()
		v.Checkpoint(c, []clinic.AuditRow{test.read})
		v.End()
		if faults != test.faults {
			t.Errorf("a search sealed %s has %d faults, want %d", name, faults, test.faults)
		}
	}
}
