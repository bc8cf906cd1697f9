//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/transcript"
)

// followTutorial runs the commands of docs/tutorial.md with kubectl and the plugin, as the Kubernetes user admin.
func followTutorial(t *testing.T, c cluster) {
	bin, kubectl := t.TempDir(), testkit.Kubectl(t)
	if err := os.Symlink(kubectl, filepath.Join(bin, "kubectl")); err != nil {
		t.Fatal(err)
	}
	build := []string{"CGO_ENABLED=0", "go", "build", "-C", root, "-trimpath", "-o", filepath.Join(bin, "kubectl-healthrecords"), "."} // as hack/image does
	if _, err := run(t.Context(), nil, "env", build...); err != nil {
		t.Fatal(err)
	}
	if _, err := c.kubectl(t.Context(), "create", "clusterrolebinding", "tutorial", "--clusterrole=cluster-admin", "--user=admin"); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(c.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), nil, kubectl, "--kubeconfig", kubeconfig, "config", "set", "users.kind-"+c.name+".act-as", "admin"); err != nil {
		t.Fatal(err)
	}
	steps, err := transcript.Read(filepath.Join(root, "docs/tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	transcript.Run(t, t.TempDir(), append(os.Environ(), "KUBECONFIG="+kubeconfig, "BASE_URL="+c.api, "ADMIN_USERNAME=admin",
		"ADMIN_PASSWORD="+c.administratorsPassword(t), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH")), steps)
}
