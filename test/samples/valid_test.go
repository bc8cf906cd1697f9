package samples

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// The modules with the CustomResourceDefinitions of Flux and Argo CD, and the files in them.
var operators = map[string]string{
	"github.com/fluxcd/kustomize-controller@v1.9.6": "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
	"github.com/fluxcd/source-controller@v1.9.6":    "config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml",
	"github.com/argoproj/argo-cd/v3@v3.5.7":         "manifests/crds/application-crd.yaml",
}

// TestSamplesAreValid sends each sample to an API server that also serves the resources of Flux and Argo CD.
func TestSamplesAreValid(t *testing.T) {
	t.Parallel()
	config := testkit.ControlPlane(t)
	var paths []string
	for name, file := range operators {
		paths = append(paths, filepath.Join(module(t, name), file))
	}
	testkit.Value(envtest.InstallCRDs(config, envtest.CRDInstallOptions{Paths: paths, ErrorIfPathMissing: true}))(t)
	client := kubernetes.NewForConfigOrDie(config)
	for _, name := range []string{"flux-system", "argocd", "ward-3"} {
		testkit.Value(client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}))(t)
	}
	kubeconfig := testkit.Kubeconfig(t)
	files := testkit.Value(filepath.Glob(filepath.Join(directory(t), "*/*.yaml")))(t)
	files = append(files, filepath.Join(directory(t), "doctorassignment.yaml"))
	if len(files) < 15 {
		t.Errorf("only %d files were found", len(files))
	}
	for _, file := range files {
		name, _ := filepath.Rel(directory(t), file)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := []string{"--filename", file}
			if filepath.Base(file) == "kustomization.yaml" {
				source = []string{"--kustomize", filepath.Dir(file)}
			}
			for _, how := range [][]string{{"--dry-run=server"}, {"--dry-run=server", "--server-side"}} {
				output, err := kubectl(t, kubeconfig, slices.Concat([]string{"apply", "--validate=strict"}, how, source)...)
				if err != nil || !strings.Contains(output, "(server dry run)") && !strings.Contains(output, "serverside-applied") {
					t.Errorf("%v: %v\n%s", how, err, output)
				}
			}
		})
	}
}

func kubectl(t *testing.T, kubeconfig string, args ...string) (string, error) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), testkit.Kubectl(t), append([]string{"--kubeconfig", kubeconfig}, args...)...).CombinedOutput()
	return string(output), err
}
