package crash_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestAWorkerSealsWithANewKey that is added while the worker runs, once the key is old enough.
func TestAWorkerSealsWithANewKey(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	db := testkit.NewFactory(t, dsn)
	url, _ := testkit.NewRedis(t)
	dir := t.TempDir()
	addKey := func(name string) {
		made := program.NewKeys(t)
		files, err := filepath.Glob(filepath.Join(made, "*.pem"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		if err := os.Rename(files[0], filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	const insert = `INSERT INTO audit_log (role, operation, object_kind, reason, decision) VALUES ('ADMIN', 'getAudit', 'audit', 'role', 'allowed')`
	signers := func() int { return db.Count(`SELECT count(DISTINCT statement::json ->> 'key') FROM audit_checkpoints`) }
	sealedBy := func(keys int) bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		return await(ctx, func() bool { db.Exec(insert); return signers() == keys }) == nil
	}
	addKey("20200101T000000.000000000Z.pem")
	program.Start(t, "worker", "REDIS_URL="+url, "LOG_LEVEL=warn", "DATABASE_URL="+rights.URL(t, dsn, schema.PartWorker), "AUDIT_KEYS_DIR="+dir)
	if !sealedBy(1) {
		t.Fatal("nothing is sealed")
	}
	addKey("20210101T000000.000000000Z.pem")
	if !sealedBy(2) {
		t.Error("the new key does not sign")
	}
}
