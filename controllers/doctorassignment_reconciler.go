package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// callTimeout limits one call of the Declarer, so that the conditions show a database that does not answer. timeLimit adds
// pairTimeout for each pair: a call that is cut off has changed nothing, and the next one would be cut off, too.
const (
	callTimeout = 30 * time.Second
	pairTimeout = time.Millisecond
	maxPairs    = clinic.MaxDeclaredDoctors * clinic.MaxDeclared
)

// timeLimit returns how long a call may take that claims what the object names, or ends what it has claimed.
func timeLimit(da *v1alpha1.DoctorAssignment) time.Duration {
	pairs := max(len(doctors(da))*len(da.Spec.Patients), int(da.Status.Claims))
	return callTimeout + time.Duration(min(pairs, maxPairs))*pairTimeout
}

// conflictDelay is the time until the next pass after somebody else has written the object during this one.
const conflictDelay = 100 * time.Millisecond

// jitter spreads passes that would otherwise happen at the same time. It is a fraction of their interval.
const jitter = 0.1

type reconciler struct {
	Options
	client   client.Client
	live     client.Reader // of the API server, without the cache
	events   events.EventRecorder
	identity identity
	deleted  deletedObjects
	repairs  counter
}

// counter is the part of a prometheus.Counter that a reconciler needs.
type counter interface{ Inc() }

// +kubebuilder:rbac:groups=healthrecords.io,resources=doctorassignments,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=healthrecords.io,resources=doctorassignments/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=healthrecords,resources=leases,verbs=get;create;update
// +kubebuilder:rbac:groups="",namespace=healthrecords,resources=events,verbs=create;patch

// Reconcile makes one pass over the object of the name, and then ends the claims of objects that had it before: in this
// order, an object that was created again takes over without a gap.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	result, err := r.pass(ctx, req.NamespacedName)
	if apierrors.IsConflict(err) {
		result, err = ctrl.Result{RequeueAfter: wait.Jitter(conflictDelay, 1)}, nil
	}
	err = errors.Join(err, r.releaseDeleted(ctx, req.NamespacedName))
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctrl.Result{}, nil // the controller stops, which is no error of the objects that wait
	}
	return result, err
}

func (r *reconciler) pass(ctx context.Context, name client.ObjectKey) (ctrl.Result, error) {
	da := &v1alpha1.DoctorAssignment{}
	if err := r.client.Get(ctx, name, da); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if err := r.addFinalizer(ctx, da); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err) // without a finalizer nothing is declared, because nothing would end it
	}
	known := da.Status.DeepCopy()
	result, err := ctrl.Result{}, error(nil)
	if da.DeletionTimestamp.IsZero() {
		result, err = r.declare(ctx, da)
	} else {
		err = r.release(ctx, da)
	}
	if ctx.Err() != nil {
		return ctrl.Result{}, ctx.Err() // the controller is shutting down, which says nothing about the object
	}
	if failure := r.writeStatus(ctx, da, known); failure != nil {
		return ctrl.Result{}, failure // the next pass finds the failure of this one again
	}
	return result, err
}

// declare carries out the spec, puts the outcome into the status, and returns when the next pass is due.
func (r *reconciler) declare(ctx context.Context, da *v1alpha1.DoctorAssignment) (ctrl.Result, error) {
	result, err := r.carryOut(ctx, da)
	if ctx.Err() != nil {
		return ctrl.Result{}, ctx.Err()
	}
	now, o := r.Now(), errorOutcome(err)
	if o.reason == v1alpha1.ReasonSuperseded && carriedOut(da) {
		return ctrl.Result{RequeueAfter: wait.Jitter(retryGrowth*r.RetryInterval, jitter)}, nil // the other controller says how far it is
	}
	if err == nil {
		o = declarationOutcome(da, result)
		r.announceRepair(da, result, o)
		count(da, result)
	}
	total(da)
	r.setOutcome(da, o, changesOf(result), now)
	if o.backOff {
		return ctrl.Result{}, fmt.Errorf("declaring the assignments: %w", public(err))
	}
	// Changes by people come before routine passes, which form a long queue if there are many objects.
	return ctrl.Result{RequeueAfter: r.nextPass(da, o, now, result.At), Priority: new(handler.LowPriority)}, nil
}

// carryOut declares the spec. It does so even if the spec may have ended, because only the database's clock decides that.
func (r *reconciler) carryOut(ctx context.Context, da *v1alpha1.DoctorAssignment) (clinic.DeclarationResult, error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit(da))
	defer cancel()
	owner, err := r.identity.owner(ctx, da.UID)
	if err != nil {
		return clinic.DeclarationResult{}, err
	}
	return r.Declarer.Declare(ctx, r.declaration(da, owner))
}

func (r *reconciler) declaration(da *v1alpha1.DoctorAssignment, owner clinic.Owner) clinic.Declaration {
	return clinic.Declaration{
		Owner:      owner,
		Generation: da.Generation,
		Name:       client.ObjectKeyFromObject(da).String(),
		Requester:  r.requester(da),
		Doctors:    usernames(doctors(da)),
		Patients:   usernames(da.Spec.Patients),
		Reason:     da.Spec.Reason,
		StartsAt:   timeOf(da.Spec.StartsAt),
		EndsAt:     timeOf(da.Spec.EndsAt),
		Suspended:  da.Spec.Suspend,
		Adopt:      da.Spec.Adopt,
		Replace:    da.Spec.Doctor != nil,
		Retain:     da.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain,
	}
}

// maxRequester is how many characters of a Kubernetes user's name the admission policy stamps at most.
const maxRequester = 253

// requester returns who asked for the spec, if the cluster vouches for it: otherwise anybody could have written it.
func (r *reconciler) requester(da *v1alpha1.DoctorAssignment) string {
	if !r.RequesterStamped {
		return ""
	}
	name := []rune(da.Annotations[v1alpha1.RequestedByAnnotation])
	return string(name[:min(len(name), maxRequester)])
}

// doctors returns the doctors of the spec in either of its forms.
func doctors(da *v1alpha1.DoctorAssignment) []v1alpha1.UserReference {
	if da.Spec.Doctor != nil {
		return []v1alpha1.UserReference{*da.Spec.Doctor}
	}
	return da.Spec.Doctors
}

func usernames(users []v1alpha1.UserReference) []string {
	names := make([]string, 0, len(users))
	for _, user := range users {
		names = append(names, user.Username)
	}
	return names
}

func timeOf(t *metav1.Time) *time.Time {
	if t == nil {
		return nil
	}
	return &t.Time
}

// announceRepair writes an event if a declaration restored what others had changed. da still has the status of the pass before.
func (r *reconciler) announceRepair(da *v1alpha1.DoctorAssignment, result clinic.DeclarationResult, o outcome) {
	if result.Changed && settled(da) && o.reason != v1alpha1.ReasonEnded {
		r.repairs.Inc()
		r.events.Eventf(da, nil, corev1.EventTypeWarning, "DriftRepaired", "Declare",
			"Claims or assignments of this object were changed in the database by others. They are as declared again.")
	}
}

// changesOf says how many assignments a declaration began and ended, or nothing if none.
func changesOf(result clinic.DeclarationResult) string {
	if result.Created == 0 && result.Ended == 0 {
		return ""
	}
	return fmt.Sprintf("Assignments started: %d, ended: %d.", result.Created, result.Ended)
}

// settled reports whether the pass before carried out the present spec as far as it can be, so that nothing is left to
// change. A status without a doctor is that of a former release, which declared something else.
func settled(da *v1alpha1.DoctorAssignment) bool {
	ready := apimeta.FindStatusCondition(da.Status.Conditions, v1alpha1.ReadyCondition)
	if ready == nil || ready.ObservedGeneration != da.Generation || da.Status.Doctor == "" {
		return false
	}
	switch ready.Reason {
	case v1alpha1.ReasonAssigned, v1alpha1.ReasonScheduled, v1alpha1.ReasonNotADoctor, v1alpha1.ReasonNotAPatient:
		return true
	default:
		return false
	}
}

// setOutcome puts the outcome into the conditions. It writes one event if the outcome differs from the previous one or
// assignments have changed: of thousands of new objects, each event costs as much as a status.
func (r *reconciler) setOutcome(da *v1alpha1.DoctorAssignment, o outcome, changes string, now time.Time) {
	last := apimeta.FindStatusCondition(da.Status.Conditions, v1alpha1.ReadyCondition)
	switch {
	case last == nil || last.Status != o.ready || last.Reason != o.reason:
		r.events.Eventf(da, nil, o.eventType(), o.reason, "Reconcile", "%s", strings.TrimSpace(o.message+" "+changes))
	case changes != "":
		r.events.Eventf(da, nil, corev1.EventTypeNormal, "AssignmentsChanged", "Declare", "%s", changes)
	}
	setConditions(da, o, now)
	da.Status.ObservedGeneration = da.Generation
}

// retryGrowth limits the interval of an object that waits, as a multiple of RetryInterval.
const retryGrowth = 4

// nextPass returns the time until the next pass; 0 means never. An object that waits for somebody is tried again at growing
// intervals. Every object is looked at when startsAt or endsAt comes. at is the time by the database's clock when the spec was
// carried out, or zero if it could not be.
func (r *reconciler) nextPass(da *v1alpha1.DoctorAssignment, o outcome, now, at time.Time) time.Duration {
	if o.reason == v1alpha1.ReasonEnded {
		return 0
	}
	after := time.Duration(0)
	sooner := func(d time.Duration) {
		if after == 0 || d < after {
			after = d
		}
	}
	if o.waits() {
		since := now.Sub(apimeta.FindStatusCondition(da.Status.Conditions, v1alpha1.ReadyCondition).LastTransitionTime.Time)
		sooner(wait.Jitter(min(max(since, r.RetryInterval), retryGrowth*r.RetryInterval), jitter))
	}
	instants := []*metav1.Time{da.Spec.StartsAt, da.Spec.EndsAt}
	if at.IsZero() { // the controller's clock has to do: it may be ahead of the database's
		at, instants = now, instants[1:]
		if da.Spec.EndsAt != nil && !da.Spec.EndsAt.After(now) {
			sooner(r.RetryInterval)
		}
	}
	for _, instant := range instants {
		if instant != nil && instant.After(at) {
			sooner(instant.Sub(at))
		}
	}
	return after
}
