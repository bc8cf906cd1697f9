package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestTypeScriptClient generates a client from the committed document with orval, compiles it together with an application
// in strict mode, and runs the application's scenarios.
func TestTypeScriptClient(t *testing.T) {
	t.Parallel()
	address := program.FreeAddress(t)
	redis, _ := testkit.NewRedis(t)
	database := testkit.NewDatabase(t, rights.Migrate)
	program.Start(t, "server", "REDIS_URL="+redis, "DATABASE_URL="+rights.URL(t, database, schema.PartServer), "LOG_LEVEL=error",
		"LISTEN_ADDRESS="+address, "SIGNING_KEYS_DIR="+program.NewKeys(t))

	directory := t.TempDir()
	testkit.Must(t, os.CopyFS(directory, os.DirFS("testdata")))
	node := func(t *testing.T, arguments ...string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), filepath.Join(testkit.Root(t), "hack/node/run"), arguments...)
		command.Dir = directory
		command.Env = append(os.Environ(), "DOCUMENT="+filepath.Join(testkit.Root(t), "api/openapi.yaml"), "BASE_URL=http://"+address)
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", arguments, err, output)
		}
	}
	node(t, "orval", "--config", "orval.config.mjs")
	node(t, "tsc", "--project", ".")
	for _, scenario := range []string{"recordsAndErrors", "writeProfileBack", "writeRecordBack"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			node(t, "node", "application.js", scenario)
		})
	}
}
