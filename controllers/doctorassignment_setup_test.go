package controllers

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/tools/events"
	"k8s.io/kube-openapi/pkg/validation/spec"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// bundle is a reconciler over a fake API server and a fake clinic, with a stopped clock.
type bundle struct {
	*reconciler
	api     client.WithWatch // the reconciler's client
	clinic  *fakeClinic
	events  *events.FakeRecorder
	now     time.Time
	repairs prometheus.Counter
}

// epoch is the time at which every test begins.
func epoch() time.Time { return time.Date(2030, time.January, 1, 9, 0, 0, 0, time.UTC) }

func newScheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

func setup(t *testing.T, objects ...client.Object) *bundle {
	t.Helper()
	return setupOn(fake.NewClientBuilder().WithScheme(newScheme(t)).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.DoctorAssignment{}).WithTypeConverters(typeConverter(t)).Build())
}

// setupOnServer does the same over a real API server, which has an object of the name in the namespace default.
func setupOnServer(t *testing.T, name string) *bundle {
	t.Helper()
	api, err := client.NewWithWatch(testkit.ControlPlane(t), client.Options{Scheme: newScheme(t)})
	testkit.Must(t, err)
	da := newObject(name)
	da.ObjectMeta = metav1.ObjectMeta{Namespace: da.Namespace, Name: da.Name}
	testkit.Must(t, api.Create(t.Context(), da))
	return setupOn(api)
}

func setupOn(api client.WithWatch) *bundle {
	b := &bundle{api: api, clinic: newFakeClinic(), events: events.NewFakeRecorder(100), now: epoch()}
	b.clinic.now = func() time.Time { return b.now }
	o := Options{Declarer: b.clinic, Now: func() time.Time { return b.now }, Cluster: "a-cluster"}
	o.setDefaults()
	b.repairs = prometheus.NewCounter(prometheus.CounterOpts{Name: "repairs_total", Help: "Repairs."})
	b.reconciler = newReconciler(o, api, api, b.events, b.repairs)
	return b
}

// typeConverter tells the fake API server how to merge what is applied, as the custom resource does in a real one.
func typeConverter(t *testing.T) managedfields.TypeConverter {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(testkit.Root(t), "config/crd/bases/healthrecords.io_doctorassignments.yaml"))
	testkit.Must(t, err)
	definition := apiextensionsv1.CustomResourceDefinition{}
	testkit.Must(t, yaml.UnmarshalStrict(content, &definition))
	encoded, err := json.Marshal(definition.Spec.Versions[0].Schema.OpenAPIV3Schema)
	testkit.Must(t, err)
	schema := &spec.Schema{}
	testkit.Must(t, json.Unmarshal(encoded, schema))
	schema.AddExtension("x-kubernetes-group-version-kind", []any{map[string]any{
		"group": v1alpha1.GroupVersion.Group, "version": v1alpha1.GroupVersion.Version, "kind": "DoctorAssignment",
	}})
	finalizers := *spec.ArrayProperty(spec.StringProperty())
	finalizers.AddExtension("x-kubernetes-list-type", "set")
	metadata := *spec.MapProperty(nil)
	metadata.SetProperty("finalizers", finalizers)
	schema.SetProperty("metadata", metadata)
	converter, err := managedfields.NewTypeConverter(map[string]*spec.Schema{"DoctorAssignment": schema}, true)
	testkit.Must(t, err)
	return converter
}

// pass makes one pass over the object and returns its result.
func (b *bundle) pass(t *testing.T, name string) (ctrl.Result, error) {
	t.Helper()
	return b.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: name}})
}

// expectPass makes one pass that must succeed and returns the object after it.
func (b *bundle) expectPass(t *testing.T, name string) (*v1alpha1.DoctorAssignment, time.Duration) {
	t.Helper()
	result, err := b.pass(t, name)
	if err != nil {
		t.Fatalf("Reconcile: %v", err)
	}
	da := b.get(t, name)
	checkConditions(t, da)
	return da, result.RequeueAfter
}

func (b *bundle) get(t *testing.T, name string) *v1alpha1.DoctorAssignment {
	t.Helper()
	da := &v1alpha1.DoctorAssignment{}
	if err := b.client.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: name}, da); err != nil {
		t.Fatal(err)
	}
	return da
}

// drainEvents returns the type and reason of every event since the last call.
func (b *bundle) drainEvents() []string {
	got := []string{}
	for {
		select {
		case e := <-b.events.Events:
			got = append(got, strings.Join(strings.Fields(e)[:2], " "))
		default:
			return got
		}
	}
}

func expectCondition(t *testing.T, da *v1alpha1.DoctorAssignment, kind string, status metav1.ConditionStatus, reason string) {
	t.Helper()
	if gotStatus, gotReason := condition(da, kind); gotStatus != status || gotReason != reason {
		t.Errorf("%s is %s (%s), want %s (%s)", kind, gotStatus, gotReason, status, reason)
	}
}
