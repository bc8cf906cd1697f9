package app

import (
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestCountsVerify(t *testing.T) {
	dsn := testkit.NewDatabase(t, schema.Migrate)
	t.Setenv("DATABASE_URL", dsn)
	run := func(want int, args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		if code := Main(append([]string{"counts", "verify"}, args...), strings.NewReader(""), &out, &errs); code != want {
			t.Fatalf("counts verify %v ends with %d, want %d: %s%s", args, code, want, &out, &errs)
		}
		return out.String()
	}
	f := testkit.NewFactory(t, dsn)
	patient := f.Patient(testkit.PatientOptions{})
	f.Record(testkit.RecordOptions{Patient: patient})
	run(0)
	f.Exec(`UPDATE record_counts SET records = 5`)
	f.Exec(`INSERT INTO notification_counts (recipient_id, read, notifications) VALUES ($1, true, 1), ($1, false, 2)`, patient.User.ID)
	found := run(1)
	for _, line := range []string{"counts of records: 1 wrong\n", "counts of notifications: 2 wrong\n", "counts of assignments: 0 wrong\n"} {
		if !strings.Contains(found, line) {
			t.Errorf("%q is missing in %q", line, found)
		}
	}
	if repaired := run(0, "--repair"); !strings.Contains(repaired, "counts of records: 1 repaired\n") {
		t.Errorf("the repair says %q", repaired)
	}
	run(0)
	if n := f.Count(`SELECT sum(records) FROM record_counts`); n != 1 {
		t.Errorf("one record is counted as %d", n)
	}
}
