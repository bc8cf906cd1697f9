//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	root      = "../.."
	release   = "clinic"
	namespace = "clinic"
	nodePort  = 30080
)

// product is the parts of a release.
type product struct {
	chart string // its directory
	image string // REPOSITORY:TAG, loaded into the nodes
}

// cluster is the kind cluster that hack/kind/up created, and the release in it.
type cluster struct {
	name       string // of the cluster
	kubeconfig string
	present    product // of the working tree
	previous   product // from hack/previous-release
	api        string  // URL
}

func connect() (cluster, error) {
	c := cluster{
		name: os.Getenv("KIND_CLUSTER_NAME"), kubeconfig: os.Getenv("KUBECONFIG"), api: os.Getenv("E2E_URL"),
		present:  product{chart: root + "/charts/healthrecords", image: os.Getenv("E2E_IMAGE")},
		previous: product{chart: os.Getenv("E2E_PREVIOUS_CHART"), image: os.Getenv("E2E_PREVIOUS_IMAGE")},
	}
	required := []string{c.name, c.kubeconfig, c.api, c.present.image}
	if os.Getenv("UPGRADE") != "0" {
		required = append(required, c.previous.chart, c.previous.image)
	}
	if slices.Contains(required, "") {
		return c, errors.New("run this by make e2e, which sets KIND_CLUSTER_NAME, KUBECONFIG and the variables named E2E_")
	}
	return c, nil
}

// values are the chart's values for this cluster. The nodes have every image, and pods with data run on the first worker.
func (c cluster) values(p product) []string {
	repository, tag, _ := strings.Cut(p.image, ":")
	const host = `.nodeSelector.kubernetes\.io/hostname=`
	return []string{
		"postgresql.bundled" + host + c.name + "-worker", "redis.bundled" + host + c.name + "-worker",
		"image.repository=" + repository, "image.tag=" + tag, "image.pullPolicy=Never",
		"postgresql.bundled.image=healthrecords-kind/postgres:15", "redis.bundled.image=healthrecords-kind/redis:7",
		"server.doctorAutoVerify=true", "server.doctorSelfAssignment=open",
		"server.service.type=NodePort", "server.service.nodePort=" + strconv.Itoa(nodePort),
	}
}

// deploy installs the product or upgrades the release to it, and waits until it is ready.
func (c cluster) deploy(ctx context.Context, p product, values ...string) error {
	args := []string{"upgrade", "--install", release, p.chart, "--wait", "--wait-for-jobs", "--timeout", "3m"}
	for _, value := range append(c.values(p), values...) {
		args = append(args, "--set", value)
	}
	_, err := c.helm(ctx, args...)
	return err
}

func (c cluster) helm(ctx context.Context, args ...string) (string, error) {
	args = append([]string{"helm@v4", "--kubeconfig", c.kubeconfig, "--namespace", namespace}, args...)
	return run(ctx, nil, root+"/hack/tool", args...)
}

// kubectl runs kubectl in the release's namespace. It uses that of the first node, which has the version of the cluster.
func (c cluster) kubectl(ctx context.Context, args ...string) (string, error) {
	return c.kubectlInput(ctx, nil, args...)
}

func (c cluster) kubectlInput(ctx context.Context, input []byte, args ...string) (string, error) {
	args = append([]string{
		"exec", "--interactive", c.name + "-control-plane", "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf",
		"--namespace=" + namespace,
	}, args...)
	return run(ctx, input, "docker", args...)
}

// apply creates the objects in a file of the repository.
func (c cluster) apply(ctx context.Context, file string) error {
	content, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return err
	}
	_, err = c.kubectlInput(ctx, content, "apply", "-f", "-")
	return err
}

// count queries the release's Postgres.
func (c cluster) count(ctx context.Context, sql string) (int, error) {
	out, err := c.kubectl(ctx, "exec", object("postgresql-0"), "--", "psql", "--username=healthrecords",
		"--dbname=healthrecords", "--tuples-only", "--no-align", "--command="+sql)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// expectCount fails unless the SQL returns the number.
func (c cluster) expectCount(t *testing.T, what, sql string, want int) {
	t.Helper()
	if got, err := c.count(t.Context(), sql); err != nil || got != want {
		t.Errorf("%s: %d, %v, want %d", what, got, err, want)
	}
}

// object returns the name of an object of the release.
func object(name string) string { return release + "-healthrecords-" + name }

// pods returns the selector of a part's pods.
func pods(part string) string { return "--selector=app.kubernetes.io/component=" + part }

func run(ctx context.Context, input []byte, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("running %s %s: %w: %s%s", name, strings.Join(args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String(), nil
}

// await returns when check succeeds. After the limit, it fails with the last error.
func await(t *testing.T, limit time.Duration, check func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for last := check(ctx); last != nil; last = check(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("after %s: %v", limit, last)
		}
	}
}
