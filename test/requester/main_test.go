// Package requester tests the admission policies in config/policies on a real API server: the annotation
// healthrecords.io/requested-by names the Kubernetes user who created a DoctorAssignment or last changed its spec, whatever
// clients send.
package requester

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

const (
	annotation = "healthrecords.io/requested-by"
	editors    = "editors" // the group of all users of the tests
)

type object = map[string]any

func TestMain(m *testing.M) { testkit.Main(m) }

// resource is a kind of objects for the whole cluster, in the API group of admission policies.
func resource(name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: name}
}

// world is a namespace in which all users may write DoctorAssignments and their status.
type world struct {
	t         *testing.T
	namespace string
	admin     dynamic.Interface
}

func newWorld(t *testing.T) world {
	t.Helper()
	client := kubernetes.NewForConfigOrDie(testkit.ControlPlane(t))
	namespace := testkit.Value(client.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "requester-"}}, metav1.CreateOptions{}))(t).Name
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: editors}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{"healthrecords.io"}, Resources: []string{"doctorassignments", "doctorassignments/status"}, Verbs: []string{"*"},
	}}}
	testkit.Value(client.RbacV1().Roles(namespace).Create(t.Context(), role, metav1.CreateOptions{}))(t)
	testkit.Value(client.RbacV1().RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: role.ObjectMeta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: editors},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: editors}},
	}, metav1.CreateOptions{}))(t)
	return world{t: t, namespace: namespace, admin: dynamic.NewForConfigOrDie(testkit.ControlPlane(t))}
}

// as returns the DoctorAssignments of the namespace for a user.
func (w world) as(user string) dynamic.ResourceInterface {
	config := testkit.ControlPlane(w.t)
	config.Impersonate.UserName, config.Impersonate.Groups = user, []string{editors}
	return dynamic.NewForConfigOrDie(config).Resource(assignments).Namespace(w.namespace)
}

var assignments = schema.GroupVersionResource{Group: "healthrecords.io", Version: "v1alpha1", Resource: "doctorassignments"}

// assignment is a DoctorAssignment with the annotation, unless that is empty.
func assignment(name, requester string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: object{
		"apiVersion": "healthrecords.io/v1alpha1", "kind": "DoctorAssignment", "metadata": object{"name": name},
		"spec": object{"doctor": object{"username": "doctor1"}, "patients": []any{object{"username": "patient1"}}},
	}}
	if requester != "" {
		o.SetAnnotations(map[string]string{annotation: requester})
	}
	return o
}

// enforce installs the policy and the binding of a directory of config/policies, under a name of its own and for the
// namespace alone, as the chart does with controller.watchNamespace. It returns once the policy refuses or replaces a lie: for
// some seconds after the CustomResourceDefinition was created, the API server answers with 503 instead.
func (w world) enforce(form form, release string) {
	w.t.Helper()
	name := w.namespace + "-" + release
	for file, kind := range map[string]string{"policy.yaml": form.kind + "admissionpolicies", "binding.yaml": form.kind + "admissionpolicybindings"} {
		content := testkit.Value(os.ReadFile(filepath.Join(testkit.Root(w.t), "config/policies", form.directory, file)))(w.t)
		o := &unstructured.Unstructured{}
		testkit.Must(w.t, yaml.UnmarshalStrict(content, &o.Object))
		o.SetName(name)
		if file == "binding.yaml" {
			testkit.Must(w.t, unstructured.SetNestedField(o.Object, name, "spec", "policyName"))
			testkit.Must(w.t, unstructured.SetNestedField(o.Object, w.namespace, "spec", "matchResources", "namespaceSelector", "matchLabels", "kubernetes.io/metadata.name"))
		}
		testkit.Value(w.admin.Resource(resource(kind)).Create(w.t.Context(), o, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict}))(w.t)
		w.t.Cleanup(func() {
			testkit.Must(w.t, w.admin.Resource(resource(kind)).Delete(context.WithoutCancel(w.t.Context()), name, metav1.DeleteOptions{}))
		})
	}
	probes := w.as("probe")
	err := wait.PollUntilContextTimeout(w.t.Context(), 20*time.Millisecond, testkit.Patience, true, func(ctx context.Context) (bool, error) {
		made, err := probes.Create(ctx, assignment("probe", "a lie"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return apierrors.IsInvalid(err) || err == nil && made.GetAnnotations()[annotation] != "a lie", nil
	})
	if err != nil {
		w.t.Fatalf("the policy has no effect: %v", err)
	}
}
