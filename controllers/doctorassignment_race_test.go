package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// blind is an API server that does not know the custom resource.
type blind struct{ client.Reader }

func (blind) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return notServed()
}

func (blind) List(context.Context, client.ObjectList, ...client.ListOption) error { return notServed() }

func notServed() error {
	return apierrors.NewGenericServerResponse(404, "get", schema.GroupResource{}, "", "", 0, false)
}

// rival returns another controller on the same API server and clinic, which begins its term now.
func (b *bundle) rival(t *testing.T) *bundle {
	t.Helper()
	r := *b
	r.reconciler = newReconciler(b.Options, b.api, b.api, b.events, b.repairs)
	for _, each := range []*bundle{b, &r} {
		if _, err := each.identity.owner(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	return &r
}

// frozenAt makes the controller see the object as it is now, whatever happens to it.
func (b *bundle) frozenAt(da *v1alpha1.DoctorAssignment) {
	b.client = interceptor.NewClient(b.api, interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
			if copied, ok := into.(*v1alpha1.DoctorAssignment); ok {
				da.DeepCopyInto(copied)
			}
			return nil
		},
	})
}

// TestAFrozenLeaderChangesNothing: it wakes up with the spec of before, while its successor has carried out a later one.
func TestAFrozenLeaderChangesNothing(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*v1alpha1.DoctorAssignment){
		"a later spec":  withSuspend(true),
		"the same spec": nil,
		"deleted":       nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, newObject("a"))
			b.expectPass(t, "a")
			successor := b.rival(t)
			b.frozenAt(b.get(t, "a"))
			if edit != nil {
				successor.edit(t, edit)
			}
			da := &v1alpha1.DoctorAssignment{}
			if name == "deleted" {
				successor.expectDeleted(t, newObject("a"))
			} else {
				da, _ = successor.expectPass(t, "a")
			}
			assigned := b.clinic.assigned("doctor1", "patient1")

			if result, err := b.pass(t, "a"); err != nil || result.RequeueAfter == 0 && edit != nil {
				t.Errorf("Reconcile: %+v, %v", result, err)
			}
			if b.clinic.assigned("doctor1", "patient1") != assigned {
				t.Error("the earlier controller changed who has access")
			}
			if name == "deleted" {
				return
			}
			if diff := cmp.Diff(da, successor.get(t, "a")); diff != "" {
				t.Errorf("the earlier controller wrote the object (-want +got):\n%s", diff)
			}
		})
	}
}

// TestALateStatusDoesNotReplaceALaterOne: the controller is frozen between the database and the API server.
func TestALateStatusDoesNotReplaceALaterOne(t *testing.T) {
	t.Parallel()
	const name = "late-status"
	b := setupOnServer(t, name)
	successor := b.rival(t)
	b.Declarer = late{b.clinic, func() {
		successor.expectPass(t, name)
		b.clinic.force("doctor1", "patient1")
		successor.expectPass(t, name)
	}}
	if result, err := b.pass(t, name); err != nil || result.RequeueAfter == 0 {
		t.Errorf("Reconcile: %+v, %v", result, err)
	}
	expectCondition(t, successor.get(t, name), v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonEndedByAdministrator)
}

func TestSupersededIsSaidOnlyOfWhatNobodyCarriedOut(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a"))
	b.expectPass(t, "a")
	successor := b.rival(t)
	if _, err := successor.carryOut(t.Context(), b.get(t, "a")); err != nil {
		t.Fatal(err)
	}
	if da, _ := b.expectPass(t, "a"); da.Status.Conditions[0].Reason != v1alpha1.ReasonAssigned {
		t.Errorf("conditions are %+v", da.Status.Conditions)
	}
	b.edit(t, withPatients("patient2"))
	da, after := b.expectPass(t, "a")
	expectCondition(t, da, v1alpha1.ReconcilingCondition, metav1.ConditionTrue, v1alpha1.ReasonSuperseded)
	if after == 0 {
		t.Error("it is not tried again")
	}
	if got := successor.patrolled(t); len(got) != 1 {
		t.Errorf("the later controller does not find it, but %v", got)
	}
	da, _ = successor.expectPass(t, "a")
	expectCondition(t, da, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
}

// TestStatusIsWrittenWhileOthersChangeTheObject: only a status that another controller has written is a reason to wait.
func TestStatusIsWrittenWhileOthersChangeTheObject(t *testing.T) {
	t.Parallel()
	const name = "busy-status"
	b := setupOnServer(t, name)
	b.Declarer = late{b.clinic, func() {
		da := b.get(t, name)
		da.Labels = map[string]string{"changed": "since"}
		if err := b.api.Update(t.Context(), da); err != nil {
			t.Error(err)
		}
	}}
	da, after := b.expectPass(t, name)
	expectCondition(t, da, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
	if da.Labels["changed"] == "" || after != 0 {
		t.Errorf("labels are %v, and the next pass is after %v", da.Labels, after)
	}
}

func TestStatusOfAnObjectThatIsGone(t *testing.T) {
	t.Parallel()
	const name = "gone-status"
	b := setupOnServer(t, name)
	da, _ := b.expectPass(t, name)
	known := da.Status.DeepCopy()
	da.Status.Assigned = 7
	b.expectDeleted(t, da.DeepCopy())
	if err := b.writeStatus(t.Context(), da, known); err != nil {
		t.Errorf("writeStatus: %v", err)
	}
	if err := b.api.Get(t.Context(), client.ObjectKeyFromObject(da), da); !apierrors.IsNotFound(err) {
		t.Errorf("the object is back: %v", err)
	}
}

func TestReconcileTellsWhoAsked(t *testing.T) {
	t.Parallel()
	long := ""
	for range 300 {
		long += "ü"
	}
	for name, c := range map[string]struct {
		stamped         bool
		annotated, want string
	}{
		"vouched for":     {true, "system:serviceaccount:flux-system:kustomize-controller", "system:serviceaccount:flux-system:kustomize-controller"},
		"long":            {true, long, long[:2*maxRequester]},
		"not vouched for": {false, "mallory", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, newObject("a", func(da *v1alpha1.DoctorAssignment) {
				da.Annotations = map[string]string{v1alpha1.RequestedByAnnotation: c.annotated}
			}))
			b.RequesterStamped = c.stamped
			b.expectPass(t, "a")
			if got := b.clinic.declared["a-uid"].Requester; got != c.want {
				t.Errorf("the requester is %q", got)
			}
		})
	}
}

// TestReconcileWaitsForAClusterID: without it, a claim would belong to no cluster.
func TestReconcileWaitsForAClusterID(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a"))
	b.identity.cluster, b.identity.live = "", blind{}
	if _, err := b.pass(t, "a"); err == nil {
		t.Error("the failure is not tried again")
	}
	expectCondition(t, b.get(t, "a"), v1alpha1.ReadyCondition, metav1.ConditionUnknown, v1alpha1.ReasonInternalError)
	if b.clinic.declareCount() > 0 {
		t.Error("the object was declared")
	}
}

// TestAControllerThatLeadsNoLongerUsesNoTerm: it was frozen between its election and its first term.
func TestAControllerThatLeadsNoLongerUsesNoTerm(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a"))
	leads, fault := false, error(nil)
	b.identity.leads = func(context.Context) (bool, error) { return leads, fault }
	if result, err := b.pass(t, "a"); err == nil && result.RequeueAfter == 0 {
		t.Error("it is not tried again")
	}
	fault = errors.New("the API server is away")
	if _, err := b.pass(t, "a"); err == nil {
		t.Error("the failure is not tried again")
	}
	if b.clinic.declareCount() > 0 {
		t.Error("the object was declared")
	}
	leads, fault = true, nil
	b.expectPass(t, "a")
	if got := b.clinic.declared["a-uid"].Term; got != 3 {
		t.Errorf("the term is %d, want that of the election that was confirmed", got)
	}
}

func TestEveryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	rounds := 0
	every(ctx, time.Millisecond, func() {
		if rounds++; rounds == 3 {
			cancel(errors.New("enough"))
		}
	})
	if rounds < 3 {
		t.Errorf("there were %d rounds", rounds)
	}
}
