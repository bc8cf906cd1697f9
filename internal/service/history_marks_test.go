package service_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestVersionsHaveTheLanguage changes the language of a record, and restores what it was.
func TestVersionsHaveTheLanguage(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	language := clinic.Language("de")
	testkit.Value(f.Records.Update(ctx, c.asPatient(), c.record.ID, clinic.RecordChange{Language: &language}, nil))(t)
	changes := testkit.Value(f.Records.Compare(ctx, c.asPatient(), c.record.ID, 1, 2))(t)
	if diff := cmp.Diff([]clinic.FieldChange{{Field: "language", From: "", To: "de"}}, changes); diff != "" {
		t.Errorf("differences:\n%s", diff)
	}
	for _, step := range []struct {
		to, version int64
		want        clinic.Language
	}{{2, 2, "de"}, {1, 3, ""}, {2, 4, "de"}} { // what is there already makes no version
		got := testkit.Value(f.Records.Restore(ctx, c.asPatient(), c.record.ID, step.to, nil))(t)
		if got.Version != step.version || got.Language != step.want {
			t.Errorf("restoring version %d made version %d in language %q, want %d in %q", step.to, got.Version, got.Language, step.version, step.want)
		}
	}
}
