package store

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/store/schema"
)

// TestPgBouncerIsToldOfEveryParameter compares the list in operations.md with
// the parameters that a connection sends: PgBouncer refuses parameters that it does not
// know, unless its configuration lists them.
func TestPgBouncerIsToldOfEveryParameter(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("`ignore_startup_parameters = ([^`]*)`").FindSubmatch(text)
	if found == nil {
		t.Fatal("operations.md has no ignore_startup_parameters")
	}
	documented := strings.FieldsFunc(string(found[1]), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
	slices.Sort(documented)
	known := []string{"application_name", "timezone"} // PgBouncer passes these on
	for _, part := range []schema.Part{schema.PartServer, schema.PartWorker, schema.PartController} {
		db, err := Open(t.Context(), Options{URL: "postgres://nobody@127.0.0.1:1/none", Settings: part.Settings()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		var sent []string
		for name := range db.pool.Config().ConnConfig.RuntimeParams {
			if !slices.Contains(known, name) {
				sent = append(sent, name)
			}
		}
		slices.Sort(sent)
		if !slices.Equal(sent, documented) {
			t.Errorf("%s sends %q, operations.md has %q", part, sent, documented)
		}
	}
}
