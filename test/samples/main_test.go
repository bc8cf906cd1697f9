// Package samples tests config/samples: an API server accepts every object, and Flux and Argo CD judge a DoctorAssignment of
// every reason as the samples say.
package samples

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

type object = map[string]any

func TestMain(m *testing.M) { testkit.Main(m) }

// sample reads one object of config/samples.
func sample(t *testing.T, file string) *unstructured.Unstructured {
	t.Helper()
	content := testkit.Value(os.ReadFile(filepath.Join(directory(t), file)))(t)
	o := &unstructured.Unstructured{}
	testkit.Must(t, yaml.UnmarshalStrict(content, &o.Object))
	return o
}

func directory(t *testing.T) string {
	t.Helper()
	return filepath.Join(testkit.Root(t), "config/samples")
}

// module returns the directory of a module at the version, in Go's cache.
func module(t *testing.T, version string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", version)
	cmd.Dir = t.TempDir() // outside of any module, so that no go.sum changes
	output, err := cmd.Output()
	var result struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(output, &result); err != nil || jsonErr != nil {
		t.Fatalf("fetching %s: %v, %v: %s", version, err, jsonErr, result.Error)
	}
	return result.Dir
}
