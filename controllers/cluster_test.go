package controllers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// patience is how long a test waits for the cluster before it gives up.
const patience = 30 * time.Second

// cluster is a namespace of a real API server with its own controller, which works on a fake clinic and has only the
// rights of config/rbac.
type cluster struct {
	client    client.WithWatch // of an administrator
	namespace string
	clinic    *fakeClinic
	clock     *testClock
}

// testClock is a clock that tests set.
type testClock struct {
	mutex sync.Mutex
	now   time.Time
}

func (c *testClock) Now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now
}

func (c *testClock) Advance(d time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.now = c.now.Add(d)
}

// startCluster runs a controller with the intervals of o until the test ends, and then checks every object.
func startCluster(t *testing.T, o Options) *cluster {
	t.Helper()
	c := newCluster(t)
	o.Declarer, o.Now = c.clinic, c.clock.Now
	c.startController(t, o)
	return c
}

// startController runs a controller for the namespace until the test ends, and then checks every object.
func (c *cluster) startController(t *testing.T, o Options) {
	t.Helper()
	startManager(t, c.controllerConfig(t), ctrl.Options{Cache: cacheOf(c.namespace)}, o)
	t.Cleanup(func() { c.checkAll(t) })
}

// cacheOf limits a test's controller to its own namespace.
func cacheOf(namespace string) cache.Options {
	return cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}}
}

// newCluster creates a namespace that no controller watches.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	admin, err := client.NewWithWatch(testkit.ControlPlane(t), client.Options{Scheme: clusterScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "controllers-"}}
	if err := admin.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	c := &cluster{client: admin, namespace: namespace.Name, clinic: newFakeClinic(), clock: &testClock{now: time.Now()}}
	c.clinic.now = c.clock.Now
	c.checkVersions(t)
	return c
}

func clusterScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := newScheme(t)
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

// controllerConfig applies config/rbac and returns a configuration with the rights of the controller's service account.
func (c *cluster) controllerConfig(t *testing.T) *rest.Config {
	t.Helper()
	root := filepath.Join(testkit.Root(t), "config")
	for _, file := range []string{"namespace/namespace.yaml", "rbac/service_account.yaml", "rbac/role.yaml", "rbac/role_binding.yaml"} {
		for _, object := range readObjects(t, filepath.Join(root, file)) {
			if err := c.client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("test")); err != nil {
				t.Fatal(err)
			}
		}
	}
	restConfig := testkit.ControlPlane(t)
	restConfig.Impersonate.UserName = "system:serviceaccount:healthrecords:healthrecords-controller"
	return restConfig
}

func readObjects(t *testing.T, path string) []*unstructured.Unstructured {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); err != nil {
			return objects // the end of the file; the tests fail if a broken file lacks a role
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// startManager runs a manager with the controller and returns a function that stops it, which also runs when the test ends.
func startManager(t *testing.T, restConfig *rest.Config, mo ctrl.Options, o Options) (stop func()) {
	t.Helper()
	mo.Scheme = clusterScheme(t)
	mo.Metrics = metricsserver.Options{BindAddress: "0"}
	mo.Logger = logr.Discard()
	mo.Controller = config.Controller{SkipNameValidation: new(true), RecoverPanic: new(false)}
	mgr, err := ctrl.NewManager(restConfig, mo)
	if err != nil {
		t.Fatal(err)
	}
	if err := Setup(mgr, o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the manager: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// checkAll checks every object of the namespace that the controller has reconciled.
func (c *cluster) checkAll(t *testing.T) {
	t.Helper()
	var list v1alpha1.DoctorAssignmentList
	if err := c.client.List(context.WithoutCancel(t.Context()), &list, client.InNamespace(c.namespace)); err != nil {
		t.Error(err)
	}
	for i := range list.Items {
		checkConditions(t, &list.Items[i])
	}
}

func (c *cluster) create(t *testing.T, name string, options ...func(*v1alpha1.DoctorAssignment)) *v1alpha1.DoctorAssignment {
	t.Helper()
	da := newObject(name, options...)
	da.ObjectMeta = metav1.ObjectMeta{Namespace: c.namespace, Name: name}
	if err := c.client.Create(t.Context(), da); err != nil {
		t.Fatal(err)
	}
	return da
}

func (c *cluster) edit(t *testing.T, da *v1alpha1.DoctorAssignment, option func(*v1alpha1.DoctorAssignment)) {
	t.Helper()
	before := da.DeepCopy()
	option(da)
	if err := c.client.Patch(t.Context(), da, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// expect waits until the condition of the object's current generation has the status and the reason, and updates da.
func (c *cluster) expect(t *testing.T, da *v1alpha1.DoctorAssignment, kind string, status metav1.ConditionStatus, reason string) {
	t.Helper()
	gomega.NewWithT(t).Eventually(func(g gomega.Gomega) {
		g.Expect(c.client.Get(t.Context(), client.ObjectKeyFromObject(da), da)).To(gomega.Succeed())
		gotStatus, gotReason := condition(da, kind)
		g.Expect(string(gotStatus) + " " + gotReason).To(gomega.Equal(string(status) + " " + reason))
		for _, condition := range da.Status.Conditions {
			g.Expect(condition.ObservedGeneration).To(gomega.Equal(da.Generation))
		}
	}).WithTimeout(patience).Should(gomega.Succeed())
}

func (c *cluster) expectReady(t *testing.T, da *v1alpha1.DoctorAssignment) {
	t.Helper()
	c.expect(t, da, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
}

// expectClaim waits until the object claims the pair, or claims it no longer.
func (c *cluster) expectClaim(t *testing.T, da *v1alpha1.DoctorAssignment, doctor, patient string, want bool) {
	t.Helper()
	gomega.NewWithT(t).Eventually(func() bool { return c.clinic.claimed(string(da.UID), doctor, patient) }).
		WithTimeout(patience).Should(gomega.Equal(want))
}

func (c *cluster) delete(t *testing.T, da *v1alpha1.DoctorAssignment) {
	t.Helper()
	if err := c.client.Delete(t.Context(), da); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) expectGone(t *testing.T, da *v1alpha1.DoctorAssignment) {
	t.Helper()
	gomega.NewWithT(t).Eventually(func() error {
		return client.IgnoreNotFound(c.client.Get(t.Context(), client.ObjectKeyFromObject(da), da.DeepCopy()))
	}).WithTimeout(patience).Should(gomega.Succeed())
	gomega.NewWithT(t).Eventually(func() bool {
		return c.client.Get(t.Context(), client.ObjectKeyFromObject(da), da.DeepCopy()) != nil
	}).WithTimeout(patience).Should(gomega.BeTrue())
}
