// Package tutorial_test runs the commands of docs/tutorial.md with kubectl, an API server and the whole platform, and compares
// their output with the page. `go test ./test/tutorial -args -record` writes the output into the page.
package tutorial_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/testkit/transcript"
	"github.com/healthrecords/healthrecords/internal/token"
)

var record = flag.Bool("record", false, "write the output of the commands into the page")

func TestTutorial(t *testing.T) {
	environment := startPlatform(t)
	page := filepath.Join(testkit.Root(t), "docs/tutorial.md")
	if *record {
		transcript.Record(t, t.TempDir(), environment, page)
	}
	transcript.Run(t, t.TempDir(), environment, testkit.Value(transcript.Read(page))(t))
}

// startPlatform starts the platform as make run does, and returns the environment of the page's shell.
func startPlatform(t *testing.T) []string {
	t.Helper()
	const admin, password = "admin", "administrator's"
	dsn := testkit.NewDatabase(t, rights.Migrate)
	createAdmin(t, dsn, admin, password)
	address := program.FreeAddress(t)
	redis, _ := testkit.NewRedis(t)
	program.Start(t, "server", "REDIS_URL="+redis, "LOG_LEVEL=error", "DATABASE_URL="+rights.URL(t, dsn, schema.PartServer),
		"LISTEN_ADDRESS="+address, "SIGNING_KEYS_DIR="+program.NewKeys(t), "DOCTOR_AUTO_VERIFY=true")
	kubeconfig := testkit.Kubeconfig(t)
	program.Start(t, "controller", "LOG_LEVEL=error", "DATABASE_URL="+rights.URL(t, dsn, schema.PartController), "KUBECONFIG="+kubeconfig,
		"LEADER_ELECT=false", "REQUESTER_STAMPED=true")

	bin := binaries(t)
	environment := append(os.Environ(), "KUBECONFIG="+kubeconfig, "BASE_URL=http://"+address, "ADMIN_USERNAME="+admin, "ADMIN_PASSWORD="+password,
		"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "HEALTHRECORDS_TEST_PROGRAM=1")
	root := testkit.Root(t)
	kubectl(t, kubeconfig, "apply", "--kustomize", filepath.Join(root, "config/policies/stamp"))
	// for a moment, the API server does not know the types that the policy needs
	gomega.NewWithT(t).Eventually(func() error {
		return try(t, kubeconfig, "apply", "--dry-run=server", "--filename", filepath.Join(root, "config/samples/doctorassignment.yaml"))
	}).WithTimeout(testkit.Patience).WithPolling(200 * time.Millisecond).Should(gomega.Succeed())
	return environment
}

func createAdmin(t *testing.T, dsn, username, password string) {
	t.Helper()
	hasher := testkit.Value(token.NewHasher(token.HasherOptions{}))(t)
	db := rights.Open(t, store.Options{URL: dsn})
	testkit.Value(service.NewAdministrators(db, hasher).Create(t.Context(), clinic.Registration{
		Username: username, Password: password, Role: clinic.RoleAdmin,
	}))(t)
}

func kubectl(t *testing.T, kubeconfig string, args ...string) {
	t.Helper()
	testkit.Must(t, try(t, kubeconfig, args...))
}

func try(t *testing.T, kubeconfig string, args ...string) error {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), testkit.Kubectl(t), append(args, "--kubeconfig", kubeconfig)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("kubectl %v: %w\n%s", args, err, output)
	}
	return nil
}

// binaries returns a directory with kubectl and its plugin, which is this program.
func binaries(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	testkit.Must(t, os.Symlink(testkit.Kubectl(t), filepath.Join(dir, "kubectl")))
	testkit.Must(t, os.Symlink(testkit.Value(os.Executable())(t), filepath.Join(dir, "kubectl-healthrecords")))
	return dir
}
