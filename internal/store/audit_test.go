package store_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestAPatientsLogHidesPrivateComments has rows as this release and the one before
// write them, of comments that are there and of some that are gone.
func TestAPatientsLogHidesPrivateComments(t *testing.T) {
	t.Parallel()
	h := newHospital(t)
	h.owner.Exec(`DELETE FROM audit_log`)
	const public, private, gone = 1, 2, 999
	for _, row := range []struct {
		kind, decision string
		object         int64
	}{
		{"comment", "allowed", public},
		{"comment", "allowed", private},
		{"comment", "allowed", gone},
		{"record", "allowed", h.ofAnn.ID}, // a private one of this release
		{"record", "forbidden", h.ofAnn.ID},
	} {
		h.owner.Exec(`INSERT INTO audit_log (user_id, role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision)
			VALUES ($1, 'DOCTOR', 'addComment', $2, $3, ARRAY[$4::bigint], '{1}', 'assignment', $5)`,
			h.doctor.User.ID, row.kind, row.object, h.ann.ID, row.decision)
	}
	reading := fmt.Sprintf("getRecord record %d", h.ofAnn.ID)
	want := []string{
		fmt.Sprintf("addComment comment %d", public), reading, "listRecords record ", reading,
		fmt.Sprintf("addComment record %d", h.ofAnn.ID),
	}
	h.as(t, &h.ann.User, func(tx pgx.Tx) {
		rows, err := tx.Query(t.Context(), `SELECT concat_ws(' ', operation, object_kind, coalesce(object_id::text, '')) FROM callers_audit ORDER BY id`)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || !slices.Equal(got, want) {
			t.Errorf("the patient sees %q, want %q (%v)", got, want, err)
		}
	})
}
