package audit_test

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Two checkpoints seal three rows. Somebody then changes who made the second request.
func Example() {
	_, signer, err := ed25519.GenerateKey(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	row := func(id, user int64) clinic.AuditRow {
		return clinic.AuditRow{
			ID: id, At: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), UserID: user, Role: clinic.RoleDoctor, Operation: "getRecord",
			Object: clinic.Object{Kind: clinic.ObjectRecord, ID: 7}, Patients: []int64{3}, Assignments: []int64{5},
			Reason: clinic.ReasonAssignment, Decision: clinic.DecisionAllowed,
		}
	}
	rows := []clinic.AuditRow{row(1, 10), row(2, 11), row(3, 10)}

	first, err := audit.Chain{Key: signer, Now: time.Now()}.Seal(rows[:2], 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	second, err := audit.Chain{Last: &first, Key: signer, Now: time.Now()}.Seal(rows[2:], 3)
	if err != nil {
		fmt.Println(err)
		return
	}

	verify := func() {
		v := audit.Verifier{
			KeyID:  func(key ed25519.PublicKey) string { return fmt.Sprintf("%x", key) },
			Report: func(f audit.Fault) { fmt.Println(f) },
		}
		v.Prepare()
		v.Checkpoint(first, rows[:2])
		v.Checkpoint(second, rows[2:])
		v.End()
		fmt.Println("unchanged rows:", v.Rows)
	}
	verify()
	rows[1].UserID = 12
	verify()
	// Output:
	// unchanged rows: 3
	// row 2 (checkpoint 1): it was changed
	// unchanged rows: 2
}
