package chart

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The oldest and the newest Kubernetes that the chart supports.
var kubernetesVersions = []string{"v1.30.14", "v1.37.2"}

// The modules with the CustomResourceDefinitions of the chart's objects, and the directories in them.
var operators = map[string]string{
	"github.com/cert-manager/cert-manager@v1.21.2":               "deploy/crds",
	"github.com/cloudnative-pg/cloudnative-pg@v1.28.0":           "config/crd/bases",
	"github.com/kedacore/keda/v2@v2.21.0":                        "config/crd/bases",
	"github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd",
	"sigs.k8s.io/gateway-api@v1.5.1":                             "config/crd/standard",
}

// TestObjectsAreValid validates the output of both Helms for every values file, with the schemas of Kubernetes and of the
// operators.
func TestObjectsAreValid(t *testing.T) {
	t.Parallel()
	schemas := t.TempDir()
	writeSchemas(t, schemas)
	for _, helm := range helms {
		for name, file := range ciValues(t) {
			t.Run(helm+"/"+name, func(t *testing.T) {
				t.Parallel()
				for i, version := range kubernetesVersions {
					args := []string{"template", release, chartDir, "--namespace", "records", "--values", file, "--kube-version", version}
					manifest, err := tool(t, helm, append(args, served[:2+2*i]...)...) // only the newer version serves the other kind
					if err != nil {
						t.Fatalf("%v\n%s", err, manifest)
					}
					if output, err := conform(t, schemas, version, manifest); err != nil {
						t.Errorf("Kubernetes %s: %v\n%s", version, err, output)
					}
				}
			})
		}
	}
	t.Run("an unknown field is found", func(t *testing.T) {
		t.Parallel()
		manifest := `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [{"port": 80, "prot": "TCP"}]}}`
		if output, err := conform(t, schemas, kubernetesVersions[0], manifest); err == nil {
			t.Errorf("the Service is taken for valid:\n%s", output)
		}
	})
}

func conform(t *testing.T, schemas, version, manifest string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.yaml")
	writeFile(t, file, []byte(manifest))
	const pattern = "{{.Group}}/{{.ResourceKind}}-{{.ResourceAPIVersion}}.json"
	return tool(t, "kubeconform", "-strict", "-summary", "-kubernetes-version", strings.TrimPrefix(version, "v"),
		"-schema-location", schemas+"/"+version+"/"+pattern, "-schema-location", schemas+"/operators/"+pattern, file)
}

// writeSchemas creates JSON schemas from the definitions of objects in the pinned modules.
func writeSchemas(t *testing.T, directory string) {
	t.Helper()
	for _, version := range kubernetesVersions {
		spec := filepath.Join(module(t, "k8s.io/kubernetes@"+version), "api/openapi-spec/swagger.json")
		writeSwagger(t, filepath.Join(directory, version), spec)
	}
	for name, path := range operators {
		files, err := filepath.Glob(filepath.Join(module(t, name), path, "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no CustomResourceDefinitions in %s: %v", name, path, err)
		}
		for _, file := range files {
			writeCRD(t, filepath.Join(directory, "operators"), file)
		}
	}
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
