package crash_test

import (
	"testing"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestTheWorkerWaitsForItsSchema starts a worker of this release on the schema of the previous one, where an attempt to handle
// an event could fail for good.
func TestTheWorkerWaitsForItsSchema(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	db := testkit.NewFactory(t, dsn)
	db.Exec(`CREATE TABLE kept AS SELECT * FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`)
	db.Exec(`DELETE FROM goose_db_version WHERE version_id IN (SELECT version_id FROM kept)`)
	db.Exec(`INSERT INTO outbox (type) VALUES ('record.created')`)
	url, _ := testkit.NewRedis(t)

	asked := func() int {
		return db.Count(`SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'goose_db_version'`)
	}
	before := asked()
	untouched := make(chan bool, 1)
	go func() {
		err := await(t.Context(), func() bool { // it runs, and has checked the schema many times
			return asked() > before+50
		})
		if err != nil {
			return
		}
		untouched <- db.Count(`SELECT count(*) FROM outbox WHERE attempts = 0 AND finished_at IS NULL`) == 1
		db.Exec(`INSERT INTO goose_db_version OVERRIDING SYSTEM VALUE SELECT * FROM kept`)
	}()
	program.Start(t, "worker", "REDIS_URL="+url, "LOG_LEVEL=warn", "DATABASE_URL="+rights.URL(t, dsn, schema.PartWorker), "AUDIT_KEYS_DIR="+program.NewKeys(t))
	if !<-untouched {
		t.Error("an event was touched before the schema was there")
	}
	if err := await(t.Context(), func() bool { return db.Count(`SELECT count(*) FROM outbox WHERE finished_at IS NULL`) == 0 }); err != nil {
		t.Error("the event is not handled after the migration")
	}
}
