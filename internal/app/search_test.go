package app

import (
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestSearchReindex(t *testing.T) {
	dsn := testkit.NewDatabase(t, schema.Migrate)
	t.Setenv("DATABASE_URL", dsn)
	run := func(want int, args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		if code := Main(append([]string{"search"}, args...), strings.NewReader(""), &out, &errs); code != want {
			t.Fatalf("search %v ends with %d, want %d: %s%s", args, code, want, &out, &errs)
		}
		return out.String() + errs.String()
	}
	f := testkit.NewFactory(t, dsn)
	patient := f.Patient(testkit.PatientOptions{})
	for range 3 {
		f.Record(testkit.RecordOptions{Patient: patient, Title: "Entzündungen"})
	}
	f.Exec(`UPDATE search_reindex SET filled_at = NULL`)
	if status := run(0, "status"); !strings.Contains(status, "changes to index: 3,") || !strings.Contains(status, "searches are not complete") {
		t.Errorf("the status is %q", status)
	}
	t.Setenv("SEARCH_LANGUAGE", "de")
	if said := run(0, "reindex"); !strings.Contains(said, "indexed 3 health records\n") {
		t.Errorf("the command says %q", said)
	}
	if n := f.Count(`SELECT count(*) FROM record_search WHERE language = 'de' AND public @@ to_tsquery('simple', 'entzund')`); n != 3 {
		t.Errorf("%d records are indexed in German", n)
	}
	if status := run(0, "status"); !strings.Contains(status, "run over all health records: finished, 3 indexed\n") || strings.Contains(status, "not complete") {
		t.Errorf("the status is %q", status)
	}
	if said := run(0, "reindex", "--resume"); !strings.Contains(said, "indexed 3 health records\n") {
		t.Errorf("where all is done, the command says %q", said)
	}
	t.Setenv("SEARCH_LANGUAGE", "xx")
	if said := run(1, "status"); !strings.Contains(said, "SEARCH_LANGUAGE") {
		t.Errorf("a wrong language is answered %q", said)
	}
}
