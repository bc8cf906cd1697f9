package controllers

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

// emptyCluster starts an API server without the custom resource, and returns a kubeconfig of it.
func emptyCluster(t *testing.T) string {
	t.Helper()
	binaries, err := services.ControlPlaneBinaries(testkit.Root(t))
	testkit.Must(t, err)
	control, err := services.StartControlPlane(t.Context(), services.ControlPlaneOptions{Binaries: binaries, Dir: t.TempDir()})
	testkit.Must(t, err)
	t.Cleanup(func() { testkit.Must(t, control.Stop(context.WithoutCancel(t.Context()))) })
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	testkit.Must(t, control.WriteKubeconfig(kubeconfig))
	return kubeconfig
}

// TestApplyOnAnEmptyCluster follows the README: the custom resource first, then objects of it.
func TestApplyOnAnEmptyCluster(t *testing.T) {
	t.Parallel()
	cluster, config := emptyCluster(t), filepath.Join(testkit.Root(t), "config")
	kubectlOf(t, cluster, "apply", "--kustomize", config)
	kubectlOf(t, cluster, "wait", "--for=condition=Established", "--timeout=30s", "crd/doctorassignments.healthrecords.io")
	awaitStamp(t, cluster)
	kubectlOf(t, cluster, "apply", "--kustomize", filepath.Join(config, "samples"))
	if got := kubectlOf(t, cluster, "get", "da", "--output=name"); !strings.Contains(got, "primary-care") {
		t.Errorf("the sample is not there, but %q", got)
	}
	for _, object := range []string{"clusterrole/doctorassignment-editor", "clusterrole/doctorassignment-viewer", "namespace/healthrecords"} {
		kubectlOf(t, cluster, "get", object)
	}
}

// awaitStamp waits until the policy of the requester takes objects. For some seconds after the custom resource was created,
// the API server does not know its schema, and answers with 503.
func awaitStamp(t *testing.T, kubeconfig string) {
	t.Helper()
	restConfig, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	testkit.Must(t, err)
	cluster, err := client.New(restConfig, client.Options{Scheme: clusterScheme(t)})
	testkit.Must(t, err)
	gomega.NewWithT(t).Eventually(func() (string, error) {
		probe := &v1alpha1.DoctorAssignment{
			ObjectMeta: metav1.ObjectMeta{Name: "probe", Namespace: "default", Annotations: map[string]string{v1alpha1.RequestedByAnnotation: "a lie"}},
			Spec:       v1alpha1.DoctorAssignmentSpec{Doctor: &v1alpha1.UserReference{Username: "d"}, Patients: []v1alpha1.UserReference{{Username: "p"}}},
		}
		err := cluster.Create(t.Context(), probe, client.DryRunAll)
		return probe.Annotations[v1alpha1.RequestedByAnnotation], err
	}).WithTimeout(patience).ShouldNot(gomega.Equal("a lie"))
}

const oldObject = `apiVersion: healthrecords.io/v1alpha1
kind: DoctorAssignment
metadata: {name: old, finalizers: [healthrecords.io/assignments]}
spec: {doctor: {username: doctor1}, patients: [{username: Patient1}, {username: patient1}]}
`

// TestOldObjectsOutliveNewRules: a rule that is added later must not keep anyone from ending an object that breaks it.
func TestOldObjectsOutliveNewRules(t *testing.T) {
	t.Parallel()
	cluster, config := emptyCluster(t), filepath.Join(testkit.Root(t), "config")
	kubectlOf(t, cluster, "apply", "--filename", withoutRules(t, filepath.Join(config, "crd/bases/healthrecords.io_doctorassignments.yaml")))
	kubectlOf(t, cluster, "wait", "--for=condition=Established", "--timeout=30s", "crd/doctorassignments.healthrecords.io")
	old := filepath.Join(t.TempDir(), "old.yaml")
	testkit.Must(t, os.WriteFile(old, []byte(oldObject), 0o600))
	kubectlOf(t, cluster, "apply", "--filename", old)
	kubectlOf(t, cluster, "apply", "--kustomize", filepath.Join(config, "crd"))

	kubectlOf(t, cluster, "patch", "da/old", "--subresource=status", "--type=merge", `--patch={"status":{"total":2}}`)
	kubectlOf(t, cluster, "delete", "da/old", "--wait=false")
	kubectlOf(t, cluster, "patch", "da/old", "--type=merge", `--patch={"metadata":{"finalizers":null}}`)
	if got := kubectlOf(t, cluster, "get", "da", "--output=name"); got != "" {
		t.Errorf("the object is still there: %q", got)
	}
}

// withoutRules writes a copy of a CustomResourceDefinition without the rules of its spec, and returns its path.
func withoutRules(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	testkit.Must(t, err)
	definition := apiextensionsv1.CustomResourceDefinition{}
	testkit.Must(t, yaml.UnmarshalStrict(content, &definition))
	properties := definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties
	spec := properties["spec"]
	if len(spec.XValidations) < 3 {
		t.Errorf("the spec has only %d rules", len(spec.XValidations))
	}
	spec.XValidations = nil
	properties["spec"] = spec
	content, err = yaml.Marshal(definition)
	testkit.Must(t, err)
	copied := filepath.Join(t.TempDir(), "crd.yaml")
	testkit.Must(t, os.WriteFile(copied, content, 0o600))
	return copied
}
