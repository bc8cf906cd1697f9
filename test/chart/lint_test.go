package chart

import (
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestLint(t *testing.T) {
	t.Parallel()
	for _, helm := range helms {
		for name, file := range ciValues(t) {
			t.Run(helm+"/"+name, func(t *testing.T) {
				t.Parallel()
				if output, err := tool(t, helm, "lint", "--strict", chartDir, "--values", file); err != nil {
					t.Errorf("%v\n%s", err, output)
				}
			})
		}
	}
}

// TestTemplateNeedsNoFlags renders the chart with no flag that says which Kubernetes the cluster has.
func TestTemplateNeedsNoFlags(t *testing.T) {
	t.Parallel()
	for _, helm := range helms {
		t.Run(helm, func(t *testing.T) {
			t.Parallel()
			output, err := tool(t, helm, "template", release, chartDir)
			if err != nil {
				t.Errorf("%v\n%s", err, output)
			}
			if strings.Contains(output, "release-finalizers") {
				t.Error("kubectl apply of this would run the Job that stops the controller")
			}
		})
	}
}

// TestIconIsInTheRepository compares the icon's address with the file that a browser gets from there.
func TestIconIsInTheRepository(t *testing.T) {
	t.Parallel()
	var chart struct{ Home, Icon string }
	content, err := os.ReadFile(chartDir + "/Chart.yaml")
	if err == nil {
		err = yaml.Unmarshal(content, &chart)
	}
	if err != nil {
		t.Fatal(err)
	}
	home := strings.Replace(chart.Home, "https://github.com/", "https://raw.githubusercontent.com/", 1)
	file, ok := strings.CutPrefix(chart.Icon, home+"/main/")
	if _, err := os.Stat(root + "/" + file); !ok || err != nil {
		t.Errorf("the icon %s is not in the repository: %v", chart.Icon, err)
	}
}

// TestUnit runs the tests of each template, in charts/healthrecords/tests.
func TestUnit(t *testing.T) {
	t.Parallel()
	output, err := tool(t, "helm-unittest", "--strict", "--color=false", chartDir)
	if err != nil || !strings.Contains(output, "Test Suites:") {
		t.Errorf("%v\n%s", err, output)
	}
}

// TestPackage renders the chart from the package that a release publishes.
func TestPackage(t *testing.T) {
	t.Parallel()
	for _, helm := range helms {
		t.Run(helm, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			if output, err := tool(t, helm, "package", chartDir, "--destination", directory, "--version", "9.9.9", "--app-version", "9.9.9"); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			output, err := tool(t, helm, "template", release, directory+"/healthrecords-9.9.9.tgz", "--kube-version", kubernetesVersions[0])
			if err != nil {
				t.Fatalf("the package does not render: %v\n%s", err, output)
			}
			for _, part := range []string{"image: healthrecords:9.9.9", "kind: CustomResourceDefinition", "helm.sh/hook: test"} {
				if !strings.Contains(output, part) {
					t.Errorf("the package lacks %q", part)
				}
			}
		})
	}
}
