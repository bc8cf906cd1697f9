package controllers

import (
	"errors"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

func TestReconcileReleases(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a", withPatients("patient1", "patient2")))
	b.clinic.claim("doctor1", "patient2")
	da, _ := b.expectPass(t, "a")
	b.drainEvents()

	b.expectDeleted(t, da)
	if b.clinic.assigned("doctor1", "patient1") {
		t.Error("the assignment that only the object claimed did not end")
	}
	if !b.clinic.assigned("doctor1", "patient2") {
		t.Error("the assignment that REST claims, too, ended")
	}
	if got := b.drainEvents(); !slices.Equal(got, []string{"Normal AssignmentsChanged"}) {
		t.Errorf("events are %v", got)
	}
}

func TestReconcileRetains(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a", withRetain))
	da, _ := b.expectPass(t, "a")
	b.drainEvents()

	b.expectDeleted(t, da)
	if !b.clinic.claimed("", "doctor1", "patient1") || b.clinic.claimed("a-uid", "doctor1", "patient1") {
		t.Error("the claim did not become one of REST")
	}
	if got := b.drainEvents(); !slices.Equal(got, []string{"Normal AssignmentsRetained"}) {
		t.Errorf("events are %v", got)
	}
	da.DeletionTimestamp = new(metav1.NewTime(b.now))
	b.enqueueDeleted(t.Context(), event.DeleteEvent{Object: da}, &reconcileQueue{})
	if _, err := b.pass(t, "a"); err != nil {
		t.Fatalf("Reconcile: %v", err)
	}
	if got := b.drainEvents(); len(got) > 0 {
		t.Errorf("there are events about the deletion again: %v", got)
	}
}

// expectDeleted deletes the object and expects one pass to remove its finalizer.
func (b *bundle) expectDeleted(t *testing.T, da *v1alpha1.DoctorAssignment) {
	t.Helper()
	if err := b.client.Delete(t.Context(), da); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds nothing
		if result, err := b.pass(t, da.Name); err != nil || !result.IsZero() {
			t.Fatalf("Reconcile: %+v, %v", result, err)
		}
	}
	if err := b.client.Get(t.Context(), client.ObjectKeyFromObject(da), da); !apierrors.IsNotFound(err) {
		t.Fatalf("the object is still there: %v", err)
	}
}

func TestReconcileKeepsTheObjectUntilItsAssignmentsAreGone(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]func(*v1alpha1.DoctorAssignment){
		"release": func(*v1alpha1.DoctorAssignment) {},
		"retain":  withRetain,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, newObject("a", policy))
			da, _ := b.expectPass(t, "a")
			if err := b.client.Delete(t.Context(), da); err != nil {
				t.Fatal(err)
			}
			for _, fault := range []error{
				clinic.Unavailable(errors.New("connection refused")), clinic.Invalid("owner", "no such"), errors.New("unforeseen"),
				clinic.Conflict("superseded", "by a later controller"),
			} {
				b.clinic.fault = fault
				if _, err := b.pass(t, "a"); err == nil {
					t.Fatal("the failure is not tried again")
				}
				da = b.get(t, "a")
				checkConditions(t, da)
				ready := apimeta.FindStatusCondition(da.Status.Conditions, v1alpha1.ReadyCondition)
				if !apimeta.IsStatusConditionTrue(da.Status.Conditions, v1alpha1.ReconcilingCondition) || !strings.Contains(ready.Message, "deletion waits") {
					t.Errorf("the conditions do not say what is waited for: %+v", da.Status.Conditions)
				}
				if !slices.Contains(da.Finalizers, v1alpha1.Finalizer) {
					t.Error("the finalizer is gone")
				}
			}
			b.clinic.fault = nil
			b.expectDeleted(t, da)
		})
	}
}

func TestReconcileLeavesForeignFinalizers(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a", func(da *v1alpha1.DoctorAssignment) { da.Finalizers = []string{"example.com/other"} }))
	da, _ := b.expectPass(t, "a")
	if err := b.client.Delete(t.Context(), da); err != nil {
		t.Fatal(err)
	}
	calls := b.clinic.callCount()
	for range 3 {
		if _, err := b.pass(t, "a"); err != nil {
			t.Fatal(err)
		}
	}
	da = b.get(t, "a")
	checkConditions(t, da)
	expectCondition(t, da, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonDeleted)
	if !slices.Equal(da.Finalizers, []string{"example.com/other"}) {
		t.Errorf("finalizers are %v", da.Finalizers)
	}
	if got := b.clinic.callCount() - calls; got != 1 {
		t.Errorf("the assignments were released %d times", got)
	}
}

func TestReconcileReleasesWhatDeletedObjectsHold(t *testing.T) {
	t.Parallel()
	released, retained := newObject("a"), newObject("a", withPatients("patient2"), withRetain)
	retained.UID = "another-uid"
	b := setup(t)
	for _, da := range []*v1alpha1.DoctorAssignment{released, retained} {
		if _, err := b.carryOut(t.Context(), da); err != nil {
			t.Fatal(err)
		}
	}
	queue := &reconcileQueue{}
	for _, da := range []*v1alpha1.DoctorAssignment{released, retained} {
		b.enqueueDeleted(t.Context(), event.DeleteEvent{Object: da}, queue)
	}
	if len(queue.added) != 2 || queue.added[0].String() != "default/a" {
		t.Errorf("queued are %v", queue.added)
	}

	b.clinic.fault = clinic.Unavailable(errors.New("connection refused"))
	for range 2 {
		if _, err := b.pass(t, "a"); clinic.CodeOf(err) != clinic.CodeUnavailable {
			t.Fatalf("Reconcile: %v", err)
		}
	}
	b.clinic.fault = nil
	if _, err := b.pass(t, "a"); err != nil {
		t.Fatalf("Reconcile: %v", err)
	}
	if b.clinic.assigned("doctor1", "patient1") {
		t.Error("the released assignment did not end")
	}
	if !b.clinic.claimed("", "doctor1", "patient2") {
		t.Error("the retained claim did not become one of REST")
	}
	if got := b.drainEvents(); !slices.Contains(got, "Normal AssignmentsRetained") {
		t.Errorf("events are %v", got)
	}
	calls := b.clinic.callCount()
	if _, err := b.pass(t, "a"); err != nil || b.clinic.callCount() != calls {
		t.Errorf("a deleted object was released again: %v", err)
	}
}

// reconcileQueue is a queue that records the added requests.
type reconcileQueue struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	added []reconcile.Request
}

func (q *reconcileQueue) Add(request reconcile.Request) { q.added = append(q.added, request) }

func TestReconcileRemovesOnlyItsOwnFinalizer(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a", func(da *v1alpha1.DoctorAssignment) { da.Finalizers = []string{"example.com/first"} }))
	da, _ := b.expectPass(t, "a")
	if err := b.client.Delete(t.Context(), da); err != nil {
		t.Fatal(err)
	}
	stale := b.get(t, "a")
	current := stale.DeepCopy()
	current.Labels = map[string]string{"changed": "since"}
	if err := b.client.Update(t.Context(), current); err != nil {
		t.Fatal(err)
	}

	successor := stale.DeepCopy()
	successor.UID = "successor-uid"
	if err := b.release(t.Context(), successor); err == nil {
		t.Error("the finalizer of another object was removed")
	}
	if err := b.release(t.Context(), stale); err != nil {
		t.Errorf("a stale copy is no reason to fail: %v", err)
	}
	if got := b.get(t, "a").Finalizers; !slices.Equal(got, []string{"example.com/first"}) {
		t.Errorf("finalizers are %v", got)
	}
}
