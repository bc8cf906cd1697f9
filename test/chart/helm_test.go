// Package chart tests charts/healthrecords without a cluster: it renders the chart with Helm 3 and 4, and checks that the
// programs, Kubernetes and the operators understand the result.
package chart

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/healthrecords/healthrecords/internal/app"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
)

const (
	root     = "../.."
	chartDir = root + "/charts/healthrecords"
	release  = "clinic"
)

var helms = []string{"helm@v3", "helm@v4"}

// TestMain runs the program if a test asks for it. Otherwise it reads the whole chart, so that Go knows that cached test
// results depend on it, although Helm reads it.
func TestMain(m *testing.M) {
	if program.Asked() {
		os.Exit(app.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) //nolint:forbidigo // this process is the program
	}
	err := filepath.WalkDir(chartDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		_, err = os.ReadFile(path) //nolint:gosec // a file of the chart
		return err
	})
	if err != nil {
		panic(err)
	}
	testkit.Main(m)
}

// tool runs a pinned tool and returns its output. If it fails, that includes stderr.
func tool(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), root+"/hack/tool", append([]string{name}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String() + stderr.String(), err
	}
	return stdout.String(), nil
}

// ciValues returns the values files in ci/, by name.
func ciValues(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(chartDir + "/ci/*-values.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("the values files are %v, %v", files, err)
	}
	values := map[string]string{}
	for _, file := range files {
		values[strings.TrimSuffix(filepath.Base(file), "-values.yaml")] = file
	}
	return values
}

// template renders the chart with Helm 4.
func template(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return tool(t, "helm@v4", append([]string{"template", release, chartDir, "--namespace", "records"}, args...)...)
}

// served are flags that name kinds as a cluster of the newest supported version does.
var served = []string{"--api-versions", "apps/v1/Deployment", "--api-versions", "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"}

// render returns the objects that Helm installs in a cluster, by kind and name.
func render(t *testing.T, args ...string) map[string]*unstructured.Unstructured {
	t.Helper()
	output, err := template(t, append(args, served...)...)
	if err != nil {
		t.Fatalf("helm template %v: %v\n%s", args, err, output)
	}
	return parse(t, output)
}

func parse(t *testing.T, manifest string) map[string]*unstructured.Unstructured {
	t.Helper()
	objects := map[string]*unstructured.Unstructured{}
	for document := range strings.SplitSeq("\n"+manifest, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &object.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if len(object.Object) == 0 {
			continue
		}
		key := object.GetKind() + "/" + object.GetName()
		if objects[key] != nil {
			t.Errorf("%s exists twice", key)
		}
		objects[key] = object
	}
	return objects
}

// pods returns the pod templates among the objects, by kind and name.
func pods(t *testing.T, objects map[string]*unstructured.Unstructured) map[string]corev1.PodTemplateSpec {
	t.Helper()
	result := map[string]corev1.PodTemplateSpec{}
	for key, object := range objects {
		content := object.Object
		if object.GetKind() != "Pod" {
			var found bool
			content, found, _ = unstructured.NestedMap(object.Object, "spec", "template")
			if !found || object.GetKind() == "ScaledObject" {
				continue
			}
		}
		var pod corev1.PodTemplateSpec
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &pod); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		result[key] = pod
	}
	return result
}

// kinds returns the sorted keys of the objects of a kind.
func kinds(objects map[string]*unstructured.Unstructured, kind string) []string {
	var keys []string
	for key, object := range objects {
		if object.GetKind() == kind {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func writeFile(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustYAML(t *testing.T, value any) []byte {
	t.Helper()
	content, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
