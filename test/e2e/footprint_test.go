//go:build e2e

package e2e

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	maxImage  = 30 << 20 // bytes of the compressed image, as in a registry
	maxMemory = 64 << 20 // bytes that an idle pod of the platform may use

	// The bundled Postgres also uses memory for the pages that migrations touched, and for a process per connection.
	maxDatabaseMemory = 96 << 20
)

// footprint measures the resources of an idle release before it is used.
func footprint(t *testing.T, c cluster) {
	size := new(counter)
	compress := gzip.NewWriter(size)
	save := exec.CommandContext(t.Context(), "docker", "save", c.present.image)
	save.Stdout = compress
	if err := save.Run(); err != nil {
		t.Fatal(err)
	}
	if err := compress.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("the image takes %.1f MB compressed", float64(*size)/1e6)
	if *size > maxImage {
		t.Errorf("that is more than %d bytes", maxImage)
	}
	var usage map[string]int64
	await(t, time.Minute, func(ctx context.Context) (err error) { // a node takes a sample about every ten seconds
		usage, err = c.memory(ctx)
		return err
	})
	var table strings.Builder
	for _, pod := range slices.Sorted(maps.Keys(usage)) {
		fmt.Fprintf(&table, "%-60s %6.1f MiB\n", pod, float64(usage[pod])/(1<<20))
		limit := int64(maxMemory)
		if strings.Contains(pod, "-postgresql-") {
			limit = maxDatabaseMemory
		}
		if usage[pod] > limit {
			t.Errorf("the idle pod %s uses more than %d bytes", pod, limit)
		}
	}
	t.Logf("memory of the idle pods\n%s", table.String())
}

// counter counts the written bytes.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// memory returns the working set of each running pod of the release, in bytes, from the kubelets.
func (c cluster) memory(ctx context.Context) (map[string]int64, error) {
	running, err := c.kubectl(ctx, "get", "pods", "--field-selector=status.phase=Running", "--output=jsonpath={.items[*].metadata.name}")
	if err != nil {
		return nil, err
	}
	usage := map[string]int64{}
	for _, node := range []string{c.name + "-worker", c.name + "-worker2"} {
		out, err := c.kubectl(ctx, "get", "--raw", "/api/v1/nodes/"+node+"/proxy/stats/summary")
		if err != nil {
			return nil, err
		}
		var summary struct {
			Pods []struct {
				PodRef struct{ Name, Namespace string }
				Memory struct{ WorkingSetBytes int64 }
			}
		}
		if err := json.Unmarshal([]byte(out), &summary); err != nil {
			return nil, fmt.Errorf("decoding the summary of %s: %w", node, err)
		}
		for _, pod := range summary.Pods {
			if pod.PodRef.Namespace == namespace && pod.Memory.WorkingSetBytes > 0 {
				usage[pod.PodRef.Name] = pod.Memory.WorkingSetBytes
			}
		}
	}
	for pod := range strings.FieldsSeq(running) {
		if usage[pod] == 0 {
			return nil, fmt.Errorf("no figure for %s yet", pod)
		}
	}
	return usage, nil
}
