package scale_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// patience is how long each step may take before the test fails.
const patience = 20 * time.Minute

// cluster is a namespace of the API server, with a watch that knows the state of each object.
type cluster struct {
	client    client.Client
	namespace string

	mu    sync.Mutex
	known map[string]*v1alpha1.DoctorAssignment
	ready int
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	testkit.Must(t, v1alpha1.AddToScheme(scheme))
	testkit.Must(t, clientgoscheme.AddToScheme(scheme))
	config := testkit.ControlPlane(t)
	config.QPS = -1 // the client's own rate limit must not delay the test
	c := &cluster{client: testkit.Value(client.New(config, client.Options{Scheme: scheme}))(t), known: map[string]*v1alpha1.DoctorAssignment{}}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "scale-"}}
	testkit.Must(t, c.client.Create(t.Context(), namespace))
	c.namespace = namespace.Name

	informers := testkit.Value(cache.New(config, cache.Options{
		Scheme: scheme, DefaultNamespaces: map[string]cache.Config{c.namespace: {}},
	}))(t)
	informer := testkit.Value(informers.GetInformer(t.Context(), &v1alpha1.DoctorAssignment{}))(t)
	testkit.Value(informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { c.see(object, true) },
		UpdateFunc: func(_, object any) { c.see(object, true) },
		DeleteFunc: func(object any) { c.see(object, false) },
	}))(t)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- informers.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		testkit.Must(t, <-done)
	})
	if !informers.WaitForCacheSync(ctx) {
		t.Fatal("the watch did not begin")
	}
	return c
}

// see keeps the state of an object that has changed.
func (c *cluster) see(object any, exists bool) {
	if gone, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	da, ok := object.(*v1alpha1.DoctorAssignment)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if isReady(c.known[da.Name]) {
		c.ready--
	}
	delete(c.known, da.Name)
	if exists {
		c.known[da.Name] = da
	}
	if isReady(c.known[da.Name]) {
		c.ready++
	}
}

func isReady(da *v1alpha1.DoctorAssignment) bool {
	return da != nil && apimeta.IsStatusConditionTrue(da.Status.Conditions, v1alpha1.ReadyCondition)
}

// counts returns how many objects exist, and how many of them are Ready.
func (c *cluster) counts() (all, ready int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.known), c.ready
}

// versions returns the resource version of each object.
func (c *cluster) versions() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	versions := make(map[string]string, len(c.known))
	for name, da := range c.known {
		versions[name] = da.ResourceVersion
	}
	return versions
}

// changed counts the objects that have another version than before.
func (c *cluster) changed(before map[string]string) (n int) {
	for name, version := range c.versions() {
		if before[name] != version {
			n++
		}
	}
	return n
}

func (c *cluster) awaitReady(t *testing.T, count int) {
	t.Helper()
	await(t, "all objects to be Ready", func() bool {
		_, ready := c.counts()
		return ready >= count
	}, 10*time.Millisecond)
}

func (c *cluster) awaitReadyObject(t *testing.T, name string) {
	t.Helper()
	await(t, name+" to be Ready", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return isReady(c.known[name])
	}, time.Millisecond)
}

// warmUp lets the controller work on a few objects first, so that nobody's first requests are measured.
func (c *cluster) warmUp(t *testing.T) {
	t.Helper()
	for i := range *creators {
		name := fmt.Sprintf("first%d", i)
		da := c.create(t, name, []string{doctorName(i)}, []string{patientName(i)})
		c.awaitReadyObject(t, name)
		c.remove(t, da.Name)
	}
	await(t, "the first objects to disappear", func() bool {
		all, _ := c.counts()
		return all == 0
	}, 10*time.Millisecond)
}

// createAll creates objects of one pair each, by several clients at once.
func (c *cluster) createAll(t *testing.T, first, count int) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(*creators)
	for i := first; i < first+count; i++ {
		group.Go(func() error {
			return c.client.Create(ctx, c.object(objectName(i), []string{doctorName(i)}, []string{patientName(i)}))
		})
	}
	testkit.Must(t, group.Wait())
}

func (c *cluster) create(t *testing.T, name string, doctors, patients []string) *v1alpha1.DoctorAssignment {
	t.Helper()
	da := c.object(name, doctors, patients)
	testkit.Must(t, c.client.Create(t.Context(), da))
	return da
}

// createTeam assigns the first doctors to the patients of a team's own.
func (c *cluster) createTeam(t *testing.T, name string, number, doctors, patients int) {
	t.Helper()
	var who, whom []string
	for i := range doctors {
		who = append(who, doctorName(i))
	}
	for i := range patients {
		whom = append(whom, patientName(number*patients+i))
	}
	c.create(t, name, who, whom)
}

func (c *cluster) object(name string, doctors, patients []string) *v1alpha1.DoctorAssignment {
	da := &v1alpha1.DoctorAssignment{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: name}}
	if len(doctors) == 1 {
		da.Spec.Doctor = &v1alpha1.UserReference{Username: doctors[0]}
	} else {
		da.Spec.Doctors = references(doctors)
	}
	da.Spec.Patients = references(patients)
	return da
}

func references(names []string) []v1alpha1.UserReference {
	list := make([]v1alpha1.UserReference, 0, len(names))
	for _, name := range names {
		list = append(list, v1alpha1.UserReference{Username: name})
	}
	return list
}

// removeAll removes every object.
func (c *cluster) removeAll(t *testing.T) {
	t.Helper()
	group := errgroup.Group{}
	group.SetLimit(*creators)
	for name := range c.versions() {
		group.Go(func() error {
			c.remove(t, name)
			return nil
		})
	}
	testkit.Must(t, group.Wait())
}

// remove removes an object without its finalizer, because the idle controller does not remove that.
func (c *cluster) remove(t *testing.T, name string) {
	t.Helper()
	da := &v1alpha1.DoctorAssignment{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: name}}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	if err := client.IgnoreNotFound(c.client.Delete(t.Context(), da)); err != nil {
		t.Error(err)
	}
	if err := client.IgnoreNotFound(c.client.Patch(t.Context(), da, patch)); err != nil {
		t.Error(err)
	}
}

func objectName(i int) string  { return fmt.Sprintf("object%d", i) }
func teamName(i int) string    { return fmt.Sprintf("team%d", i) }
func doctorName(i int) string  { return fmt.Sprintf("doctor%d", i%*doctors) }
func patientName(i int) string { return fmt.Sprintf("patient%d", i) }

// await returns once condition holds.
func await(t *testing.T, what string, condition func() bool, every time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waiting for %s: not within %s", what, patience)
		}
	}
}
