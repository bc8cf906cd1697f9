package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

func TestReconcileMakesAnObjectReady(t *testing.T) {
	t.Parallel()
	start, end := epoch().Add(-time.Hour), epoch().Add(time.Hour)
	b := setup(t, newObject("a", withPatients("patient1", "patient2"), withPeriod(&start, &end)))

	da, _ := b.expectPass(t, "a")

	if !slices.Contains(da.Finalizers, v1alpha1.Finalizer) {
		t.Error("the object has no finalizer")
	}
	expectCondition(t, da, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
	if s := da.Status; s.Assigned != 2 || s.Total != 2 || s.Claims != 2 || s.Shared != 0 || s.Doctor != "doctor1" || s.ObservedGeneration != 1 {
		t.Errorf("status is %+v", s)
	}
	got := b.clinic.declared["a-uid"]
	got.StartsAt, got.EndsAt = new(got.StartsAt.UTC()), new(got.EndsAt.UTC())
	want := clinic.Declaration{
		Owner: clinic.Owner{UID: "a-uid", Cluster: "a-cluster", Term: 1}, Generation: 1, Name: "default/a",
		Doctors: []string{"doctor1"}, Patients: []string{"patient1", "patient2"},
		Reason: "primary care", StartsAt: &start, EndsAt: &end, Replace: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("declaration (-want +got):\n%s", diff)
	}
	if got := b.drainEvents(); !slices.Equal(got, []string{"Normal Assigned"}) {
		t.Errorf("events are %v", got)
	}
}

func TestReconcileWritesNothingWhenNothingChanged(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]func(*v1alpha1.DoctorAssignment){
		"ready":       nil,
		"no doctor":   {withDoctor("nobody")},
		"no patients": {withPatients("patient1", "z", "y", "x")},
		"suspended":   {withSuspend(true)},
		"a team":      {withTeam("doctor1", "doctor2", "nobody")},
		"invalid":     {withPatients("doctor1")},
		"ended":       {withPeriod(nil, new(epoch().Add(-time.Minute)))},
		"scheduled":   {withPeriod(new(epoch().Add(time.Hour)), nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, newObject("a", options...))
			first, _ := b.expectPass(t, "a")
			b.drainEvents()
			for range 5 {
				b.now = b.now.Add(time.Minute)
				if again, _ := b.expectPass(t, "a"); again.ResourceVersion != first.ResourceVersion {
					t.Fatalf("the object was written again:\n%s", cmp.Diff(first, again))
				}
			}
			if got := b.drainEvents(); len(got) != 0 {
				t.Errorf("events are %v", got)
			}
		})
	}
}

func TestReconcileNamesTwentyProblems(t *testing.T) {
	t.Parallel()
	patients := []string{"patient1"}
	for i := range 4999 {
		patients = append(patients, fmt.Sprintf("%s%04d", strings.Repeat("stranger", 18), i))
	}
	b := setup(t, newObject("a", withPatients(patients...)))
	da, _ := b.expectPass(t, "a")
	if s := da.Status; s.Assigned != 1 || s.Total != 5000 || len(s.Problems) != 20 || !strings.HasSuffix(s.Problems[19].Patient, "0019") {
		t.Errorf("status is %+v", s)
	}
}

func TestReconcileRetriesLessOftenTheLongerItWaits(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a", withDoctor("nobody")))
	var last time.Duration
	for i, want := range []time.Duration{15 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, time.Minute} {
		_, after := b.expectPass(t, "a")
		if after < want || after > want+want/10 {
			t.Errorf("pass %d: the next one is after %v, want about %v", i, after, want)
		}
		last += want
		b.now = epoch().Add(last)
	}
}

func TestReconcileFollowsTheClock(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a", withPeriod(new(epoch().Add(10*time.Second)), new(epoch().Add(30*time.Second)))))

	_, after := b.expectPass(t, "a")
	b.now = b.now.Add(after)
	da, after := b.expectPass(t, "a")
	expectCondition(t, da, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
	if transition := apimeta.FindStatusCondition(da.Status.Conditions, v1alpha1.ReadyCondition).LastTransitionTime; !transition.Time.Equal(b.now) {
		t.Errorf("Ready changed at %v, not at %v", transition, b.now)
	}
	b.now = b.now.Add(after)
	da, after = b.expectPass(t, "a")
	expectCondition(t, da, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonEnded)
	if b.clinic.assigned("doctor1", "patient1") {
		t.Error("the assignment did not end")
	}
	if after != 0 {
		t.Errorf("an object that has ended is looked at again after %v", after)
	}

	b.edit(t, withPeriod(nil, new(b.now.Add(time.Hour))))
	da, _ = b.expectPass(t, "a")
	expectCondition(t, da, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
}

// TestReconcileGoesByTheDatabasesClock sets the controller's clock ahead of the database's: nothing ends early.
func TestReconcileGoesByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a", withPeriod(nil, new(epoch().Add(10*time.Second)))))
	b.now = epoch().Add(time.Minute)
	b.clinic.now = epoch
	da, after := b.expectPass(t, "a")
	expectCondition(t, da, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
	if after != 10*time.Second {
		t.Errorf("the next pass is after %v, not at the end by the database's clock", after)
	}
	b.clinic.now = func() time.Time { return epoch().Add(after) }
	da, _ = b.expectPass(t, "a")
	expectCondition(t, da, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonEnded)
	if b.clinic.assigned("doctor1", "patient1") {
		t.Error("the assignment did not end")
	}
}

// edit changes the spec of a as a person does. It also increases the generation, which the fake API server does not do.
func (b *bundle) edit(t *testing.T, option func(*v1alpha1.DoctorAssignment)) {
	t.Helper()
	da := b.get(t, "a")
	option(da)
	da.Generation++
	if err := b.client.Update(t.Context(), da); err != nil {
		t.Fatal(err)
	}
}

func TestReconcileKeepsWhatItKnewWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a"))
	b.expectPass(t, "a")
	b.edit(t, withPatients("patient1", "patient2"))
	b.clinic.fault = clinic.Unavailable(errors.New("connection refused"))
	if _, err := b.pass(t, "a"); clinic.CodeOf(err) != clinic.CodeUnavailable {
		t.Fatalf("Reconcile: %v", err)
	}
	da := b.get(t, "a")
	expectCondition(t, da, v1alpha1.ReadyCondition, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable)
	if s := da.Status; s.ObservedGeneration != 2 || s.Assigned != 1 || s.Total != 2 {
		t.Errorf("status does not say what is known: %+v", s)
	}

	b.clinic.fault = nil
	da, _ = b.expectPass(t, "a")
	if s := da.Status; s.ObservedGeneration != 2 || s.Assigned != 2 || s.Total != 2 {
		t.Errorf("status is %+v", s)
	}
}

func TestReconcileLeavesTheStatusAtShutdown(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a"))
	before, _ := b.expectPass(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	b.Declarer = late{b.clinic, cancel}
	_, err := b.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(before)})
	if err != nil {
		t.Errorf("Reconcile: %v", err)
	}
	if diff := cmp.Diff(before, b.get(t, "a")); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
}

// late is a clinic whose caller is held up after a declaration.
type late struct {
	*fakeClinic
	meanwhile func()
}

func (l late) Declare(ctx context.Context, d clinic.Declaration) (clinic.DeclarationResult, error) {
	result, err := l.fakeClinic.Declare(ctx, d)
	l.meanwhile()
	return result, err
}

func TestReconcileEndsWhatTheSpecNoLongerNames(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a", withPatients("patient1", "patient2")))
	b.expectPass(t, "a")
	b.drainEvents()

	b.edit(t, withPatients("patient2"))
	b.expectPass(t, "a")
	if b.clinic.assigned("doctor1", "patient1") {
		t.Error("patient1's assignment did not end")
	}
	b.edit(t, withDoctor("doctor2"))
	da, _ := b.expectPass(t, "a")
	if !b.clinic.claimed("a-uid", "doctor2", "patient2") || b.clinic.assigned("doctor1", "patient2") {
		t.Error("doctor2 did not replace doctor1")
	}
	if da.Status.ObservedGeneration != 3 {
		t.Errorf("observedGeneration is %d", da.Status.ObservedGeneration)
	}
	if got := b.drainEvents(); !slices.Equal(got, []string{"Normal AssignmentsChanged", "Normal AssignmentsChanged"}) {
		t.Errorf("events are %v", got)
	}
}

func TestReconcileDeclaresNothingForAnObjectThatItCannotHold(t *testing.T) {
	t.Parallel()
	resource := schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "doctorassignments"}
	for name, c := range map[string]struct {
		refusal error
		again   bool
	}{
		"gone":    {apierrors.NewNotFound(resource, "a"), false},
		"changed": {apierrors.NewConflict(resource, "a", errors.New("changed")), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, newObject("a")) // as the cache still has it
			b.client = interceptor.NewClient(b.api, interceptor.Funcs{
				Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
					return c.refusal
				},
			})
			if result, err := b.pass(t, "a"); err != nil || (result.RequeueAfter > 0) != c.again {
				t.Errorf("Reconcile: %+v, %v", result, err)
			}
			if got := b.clinic.callCount(); got != 0 {
				t.Errorf("the clinic was called %d times", got)
			}
		})
	}
}
