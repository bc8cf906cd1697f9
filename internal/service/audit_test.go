package service_test

import (
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestProgramsHaveAuditRowsToo counts a row for each assignment that a
// declaration changes, and one for an import.
func TestProgramsHaveAuditRowsToo(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	count := func(operation string) int {
		return w.db.Count(`SELECT count(*) FROM audit_log l JOIN assignments a ON a.id = l.object_id AND l.patient_ids = ARRAY[a.patient_id]
			WHERE l.role = 'CONTROLLER' AND l.operation = $1 AND l.user_id IS NULL`, operation)
	}
	testkit.Value(w.Declarations.Declare(t.Context(), w.wish(3)))(t)
	testkit.Value(w.Declarations.Declare(t.Context(), w.wish(3)))(t) // changes nothing
	other := w.wish(2)
	other.Reason = "another"
	testkit.Value(w.Declarations.Declare(t.Context(), other))(t)
	if err := w.Declarations.Retain(t.Context(), other.Owner); err != nil {
		t.Fatal(err)
	}
	for operation, want := range map[string]int{"declare": 3, "endDeclared": 1, "adjustDeclared": 2, "disown": 2} {
		if got := count(operation); got != want {
			t.Errorf("%s has %d rows, want %d", operation, got, want)
		}
	}
	f := newFixture(t)
	f.importBundle(t, bundle())
	if n := f.db.Count(`SELECT count(*) FROM audit_log WHERE role = $1 AND operation = 'import' AND cardinality(patient_ids) =
		(SELECT count(*) FROM patient_profiles)`, clinic.ActorImport); n != 1 {
		t.Errorf("an import has %d rows with all of its patients, want 1", n)
	}
}
