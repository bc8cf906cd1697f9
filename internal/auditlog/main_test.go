package auditlog_test

import (
	"testing"

	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func openDB(t testing.TB, url string) *store.DB {
	t.Helper()
	db := testkit.Value(store.Open(t.Context(), store.Options{URL: url, MaxConns: 4, AcquireTimeout: testkit.Patience}))(t)
	t.Cleanup(db.Close)
	return db
}
