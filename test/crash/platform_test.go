package crash_test

import (
	"testing"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

// platform is the whole platform, in separate processes.
type platform struct {
	api    string // URL
	server *program.Part
	worker *program.Part
	redis  *services.Redis
	db     *testkit.Factory
}

func startPlatform(t *testing.T) platform {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	p := platform{redis: testkit.StartRedis(t), db: testkit.NewFactory(t, dsn)}
	address := program.FreeAddress(t)
	p.api = "http://" + address + "/api"
	redis := "REDIS_URL=" + p.redis.URL(0)
	p.server = program.Start(t, "server", redis, "LOG_LEVEL=warn", "DATABASE_URL="+rights.URL(t, dsn, schema.PartServer),
		"LISTEN_ADDRESS="+address, "SIGNING_KEYS_DIR="+program.NewKeys(t), "DOCTOR_AUTO_VERIFY=true", "DOCTOR_SELF_ASSIGNMENT=open")
	p.worker = program.Start(t, "worker", redis, "LOG_LEVEL=warn", "DATABASE_URL="+rights.URL(t, dsn, schema.PartWorker), "WORKER_RETRY_AFTER=1s",
		"AUDIT_KEYS_DIR="+program.NewKeys(t))
	return p
}
