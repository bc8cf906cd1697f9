package kubectl

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestAssignNamesTheCaller has the policy of clusters before Kubernetes 1.36, which cannot stamp objects.
func TestAssignNamesTheCaller(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.demandRequester(t)
	steps := []struct{ user, reason, outcome, requester string }{
		{"ann", "one", "created", "ann"},
		{"ann", "one", "configured", "ann"}, // the API server stores the default of the status
		{"ann", "one", "unchanged", "ann"},
		{"bob", "one", "unchanged", "ann"},
		{"bob", "two", "configured", "bob"},
		{"bob", "three", "configured", "bob"},
	}
	for _, step := range steps {
		got := c.run(t, "assign", "doctor1", "patient1", "--name=stamped", "--reason", step.reason, "--as", step.user, "--as-group=system:masters")
		if got.code != 0 || got.stdout != resource+"/stamped "+step.outcome+"\n" {
			t.Fatalf("%+v: %+v", step, got)
		}
		var da v1alpha1.DoctorAssignment
		testkit.Must(t, c.Get(t.Context(), client.ObjectKey{Namespace: c.namespace, Name: "stamped"}, &da))
		if name := da.Annotations[v1alpha1.RequestedByAnnotation]; name != step.requester || da.Spec.Reason != step.reason {
			t.Fatalf("%+v: the object names %q, and its reason is %q", step, name, da.Spec.Reason)
		}
	}
}

// demandRequester applies the policy to the namespace, and waits until it works.
func (c *cluster) demandRequester(t *testing.T) {
	t.Helper()
	read := func(file string, into any) {
		testkit.Must(t, yaml.Unmarshal(testkit.Value(os.ReadFile(filepath.Join(testkit.Root(t), "config/policies/demand", file)))(t), into))
	}
	var policy admissionv1.ValidatingAdmissionPolicy
	var binding admissionv1.ValidatingAdmissionPolicyBinding
	read("policy.yaml", &policy)
	read("binding.yaml", &binding)
	policy.Name, binding.Name, binding.Spec.PolicyName = c.namespace, c.namespace, c.namespace
	binding.Spec.MatchResources = &admissionv1.MatchResources{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": c.namespace}},
	}
	admission := testkit.Value(kubernetes.NewForConfig(testkit.ControlPlane(t)))(t).AdmissionregistrationV1()
	testkit.Value(admission.ValidatingAdmissionPolicies().Create(t.Context(), &policy, metav1.CreateOptions{}))(t)
	testkit.Value(admission.ValidatingAdmissionPolicyBindings().Create(t.Context(), &binding, metav1.CreateOptions{}))(t)
	gomega.NewWithT(t).Eventually(func() bool {
		unnamed := &v1alpha1.DoctorAssignment{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "unnamed"}}
		unnamed.Spec.Doctor, unnamed.Spec.Patients = &v1alpha1.UserReference{Username: "doctor1"}, references([]string{"patient1"})
		return isAboutRequester(c.Create(t.Context(), unnamed, client.DryRunAll))
	}).WithTimeout(testkit.Patience).WithPolling(200 * time.Millisecond).Should(gomega.BeTrue())
}
