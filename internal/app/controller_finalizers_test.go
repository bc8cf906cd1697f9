package app

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestReleaseFinalizersLetsObjectsGo deletes an object that waits for a controller which is not there any longer.
func TestReleaseFinalizersLetsObjectsGo(t *testing.T) { //nolint:paralleltest // sets KUBECONFIG
	scheme := testkit.Value(newScheme())(t)
	testkit.Must(t, clientgoscheme.AddToScheme(scheme))
	kubernetes := testkit.Value(client.New(testkit.ControlPlane(t), client.Options{Scheme: scheme}))(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "finalizers-"}}
	testkit.Must(t, kubernetes.Create(t.Context(), namespace))
	create := func(name string, finalizers ...string) *v1alpha1.DoctorAssignment {
		t.Helper()
		da := &v1alpha1.DoctorAssignment{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: name, Finalizers: finalizers},
			Spec: v1alpha1.DoctorAssignmentSpec{
				Doctor: &v1alpha1.UserReference{Username: "doctor1"}, Patients: []v1alpha1.UserReference{{Username: "patient1"}},
			},
		}
		testkit.Must(t, kubernetes.Create(t.Context(), da))
		return da
	}
	kept := create("kept", "example.com/first", v1alpha1.Finalizer)
	deleted := create("deleted", v1alpha1.Finalizer)
	create("unseen")
	testkit.Must(t, kubernetes.Delete(t.Context(), deleted))

	t.Setenv("KUBECONFIG", testkit.Kubeconfig(t))
	t.Setenv("WATCH_NAMESPACE", namespace.Name)
	for _, want := range []string{"from 2 objects", "from 0 objects"} {
		var out, log bytes.Buffer
		if code := Main([]string{"controller", "release-finalizers"}, strings.NewReader(""), &out, &log); code != 0 || !strings.Contains(out.String(), want) {
			t.Fatalf("exit code %d, want %q: %s%s", code, want, out.String(), log.String())
		}
	}
	var out, log bytes.Buffer
	mistyped := []string{"controller", "release-finalizers", "--deployment=controler", "--namespace", namespace.Name}
	if code := Main(mistyped, strings.NewReader(""), &out, &log); code != 0 || !strings.Contains(log.String(), "There is no Deployment controler") {
		t.Errorf("exit code %d: %s%s", code, out.String(), log.String())
	}
	if err := kubernetes.Get(t.Context(), client.ObjectKeyFromObject(deleted), deleted); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("the deleted object is still there: %v", err)
	}
	testkit.Must(t, kubernetes.Get(t.Context(), client.ObjectKeyFromObject(kept), kept))
	if !slices.Equal(kept.Finalizers, []string{"example.com/first"}) {
		t.Errorf("finalizers are %v", kept.Finalizers)
	}
}
