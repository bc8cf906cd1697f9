package store

import (
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestABoundIsOfOneDatabase: a missing row, or a missing transaction id,
// means that this database is another one, or an earlier state of it.
func TestABoundIsOfOneDatabase(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	db := openTest(t, dsn)
	testkit.NewFactory(t, dsn).Exec(`INSERT INTO audit_log (role, operation, object_kind, reason, decision)
		VALUES ('DOCTOR', 'getRecord', 'record', 'assignment', 'allowed')`)
	bound, err := db.System().AuditChain().Bound(t.Context(), 0)
	if err != nil || bound.ID != 1 {
		t.Fatalf("the bound is %+v, %v", bound, err)
	}
	for name, test := range map[string]struct {
		change func(*AuditBound)
		known  bool
	}{
		"as it is":          {func(*AuditBound) {}, true},
		"another row":       {func(b *AuditBound) { b.at = strings.Repeat("0", len(b.at)) }, false},
		"no row":            {func(b *AuditBound) { b.ID++ }, false},
		"transactions lost": {func(b *AuditBound) { b.transaction += 1 << 40 }, false},
	} {
		changed := bound
		test.change(&changed)
		settled, known, err := db.System().AuditChain().Settled(t.Context(), changed)
		if err != nil || known != test.known || settled && name == "transactions lost" {
			t.Errorf("%s: settled %t, known %t, %v", name, settled, known, err)
		}
	}
	if bound, err := db.System().AuditChain().Bound(t.Context(), bound.ID); err != nil || bound.ID != 0 {
		t.Errorf("without a newer row the bound is %+v, %v", bound, err)
	}
}
