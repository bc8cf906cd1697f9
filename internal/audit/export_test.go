package audit_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// TestWhatOthersReadInAnExportIsVerified: a line contains nothing beside the verified
// content that another program, or a person, may read instead.
func TestWhatOthersReadInAnExportIsVerified(t *testing.T) {
	t.Parallel()
	row := func(id int64) clinic.AuditRow {
		return clinic.AuditRow{ID: id, At: time.Unix(1_700_000_000, 0).UTC(), Role: clinic.RoleDoctor, Operation: "getRecord", Patients: []int64{1}}
	}
	rows := []clinic.AuditRow{row(1), row(2)}
	sealed, err := audit.Chain{Key: key(1), Now: time.Now()}.Seal(rows, 2)
	if err != nil {
		t.Fatal(err)
	}
	var export bytes.Buffer
	e, err := audit.NewExporter(&export, nil)
	if err == nil {
		err = e.Checkpoint(sealed, rows)
	}
	if err != nil {
		t.Fatal(err)
	}
	const added = `"row":{"id":9,"role":"ADMIN"}`
	for name, c := range map[string]struct {
		old, edited string
		want        audit.Fault // without What
	}{
		"as it was":          {"", "", audit.Fault{}},
		"a name twice":       {`{"id":2,`, `{"id":2,"role":"ADMIN",`, audit.Fault{Row: 2, Checkpoint: 1}},
		"in other letters":   {`{"id":2,`, `{"id":2,"Role":"ADMIN",`, audit.Fault{Row: 2, Checkpoint: 1}},
		"a name of no row":   {`{"id":2,`, `{"id":2,"note":"never happened",`, audit.Fault{Row: 2, Checkpoint: 1}},
		"beside a row":       {`{"row":{"id":2`, `{"rOw":{"id":8},"row":{"id":2`, audit.Fault{Row: 2, Checkpoint: 1}},
		"beside a statement": {`{"checkpoint"`, `{` + added + `,"checkpoint"`, audit.Fault{Checkpoint: 1}},
		"beside the format":  {`{"format"`, `{` + added + `,"format"`, audit.Fault{}},
	} {
		edited := export.String()
		if c.edited != "" {
			edited = strings.Replace(edited, c.old, c.edited, 1)
		}
		var faults []audit.Fault
		v := &audit.Verifier{KeyID: keyID, Partial: true, Report: func(f audit.Fault) { faults = append(faults, audit.Fault{Row: f.Row, Checkpoint: f.Checkpoint}) }}
		if err := audit.VerifyExport(strings.NewReader(edited), v, func() {}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if ok := len(faults) == 1 && faults[0] == c.want; c.edited != "" && !ok || c.edited == "" && len(faults) > 0 {
			t.Errorf("%s: faults %v, want %v", name, faults, c.want)
		}
	}
}
