package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// callTimeout limits one call of the Declarer, so that the conditions show a database that does not answer.
const callTimeout = 30 * time.Second

// jitter spreads passes that would otherwise happen at the same time. It is a fraction of their interval.
const jitter = 0.1

type reconciler struct {
	Options
	client client.Client
	events events.EventRecorder
	// released receives the doctors whose assignments have ended.
	released chan event.TypedGenericEvent[string]
	deleted  deletedObjects
}

// +kubebuilder:rbac:groups=healthrecords.io,resources=doctorassignments,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=healthrecords.io,resources=doctorassignments/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=healthrecords,resources=leases,verbs=get;create;update
// +kubebuilder:rbac:groups="",namespace=healthrecords,resources=events,verbs=create;patch

// Reconcile makes one pass over one object.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (_ ctrl.Result, err error) {
	if err := r.releaseDeleted(ctx, req.NamespacedName); err != nil {
		return ctrl.Result{}, err
	}
	da := &v1alpha1.DoctorAssignment{}
	if err := r.client.Get(ctx, req.NamespacedName, da); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if err := r.addFinalizer(ctx, da); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err) // without a finalizer nothing is declared, because nothing would end it
	}
	before := da.DeepCopy()
	defer func() {
		err = errors.Join(err, r.patchStatus(ctx, da, before))
	}()
	if !da.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.release(ctx, da)
	}
	return r.declare(ctx, da)
}

// addFinalizer makes sure that release runs before the object disappears. It fails for a stale copy, because the patch
// replaces the whole list, which others write, too.
func (r *reconciler) addFinalizer(ctx context.Context, da *v1alpha1.DoctorAssignment) error {
	before := da.DeepCopy()
	if !da.DeletionTimestamp.IsZero() || !controllerutil.AddFinalizer(da, v1alpha1.Finalizer) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, da, patch); err != nil {
		return fmt.Errorf("adding the finalizer: %w", err)
	}
	return nil
}

// declare carries out the spec, writes the outcome into the status, and returns when the next pass is due.
func (r *reconciler) declare(ctx context.Context, da *v1alpha1.DoctorAssignment) (ctrl.Result, error) {
	result, err := r.carryOut(ctx, da)
	if ctx.Err() != nil {
		return ctrl.Result{}, ctx.Err() // the controller is shutting down, which says nothing about the object
	}
	now := r.Now()
	o := declarationOutcome(&da.Spec, result)
	if err != nil {
		o = errorOutcome(err)
	} else {
		count(da, result)
		r.announce(ctx, da, result)
	}
	r.setOutcome(da, o, now)
	if o.backOff {
		return ctrl.Result{}, fmt.Errorf("declaring the assignments: %w", public(err))
	}
	// Changes by people come before routine passes, which form a long queue if there are many objects.
	return ctrl.Result{RequeueAfter: r.nextPass(da, o, now, result.At), Priority: new(handler.LowPriority)}, nil
}

// carryOut declares the spec. It does so even if the spec may have expired, because only the database's clock decides that.
func (r *reconciler) carryOut(ctx context.Context, da *v1alpha1.DoctorAssignment) (clinic.DeclarationResult, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return r.Declarer.Declare(ctx, declaration(da))
}

func (r *reconciler) withdraw(ctx context.Context, da *v1alpha1.DoctorAssignment) (clinic.DeclarationResult, error) {
	ended, err := r.Declarer.Release(ctx, string(da.UID))
	result := clinic.DeclarationResult{Ended: ended}
	if ended > 0 {
		result.EndedDoctors = []string{da.Spec.Doctor.Username}
	}
	return result, err
}

func declaration(da *v1alpha1.DoctorAssignment) clinic.Declaration {
	patients := make([]string, 0, len(da.Spec.Patients))
	for _, p := range da.Spec.Patients {
		patients = append(patients, p.Username)
	}
	return clinic.Declaration{
		Owner:    string(da.UID),
		Name:     client.ObjectKeyFromObject(da).String(),
		Doctor:   da.Spec.Doctor.Username,
		Patients: patients,
		Reason:   da.Spec.Reason,
		StartsAt: timeOf(da.Spec.StartsAt),
		EndsAt:   timeOf(da.Spec.EndsAt),
	}
}

func timeOf(t *metav1.Time) *time.Time {
	if t == nil {
		return nil
	}
	return &t.Time
}

// announce writes an event about the changes, and enqueues the other objects that declare the same doctor.
func (r *reconciler) announce(ctx context.Context, da *v1alpha1.DoctorAssignment, result clinic.DeclarationResult) {
	if result.Created > 0 || result.Ended > 0 {
		r.events.Eventf(da, nil, corev1.EventTypeNormal, "AssignmentsChanged", "Declare",
			"Assignments started: %d, ended: %d.", result.Created, result.Ended)
	}
	for _, doctor := range result.EndedDoctors {
		select {
		case r.released <- event.TypedGenericEvent[string]{Object: doctor}:
		case <-ctx.Done(): // a restart reconciles every object
		}
	}
}

// setOutcome writes the outcome into the conditions, and as an event if it differs from the previous one.
func (r *reconciler) setOutcome(da *v1alpha1.DoctorAssignment, o outcome, now time.Time) {
	last := apimeta.FindStatusCondition(da.Status.Conditions, v1alpha1.ReadyCondition)
	if last == nil || last.Status != o.ready || last.Reason != o.reason {
		r.events.Eventf(da, nil, o.eventType(), o.reason, "Reconcile", "%s", o.message)
	}
	setConditions(da, o, now)
	if !o.backOff {
		da.Status.ObservedGeneration = da.Generation
	}
}

// patchStatus writes the status if it has changed. It ignores that the object may be gone.
func (r *reconciler) patchStatus(ctx context.Context, da, before *v1alpha1.DoctorAssignment) error {
	if equality.Semantic.DeepEqual(da.Status, before.Status) {
		return nil
	}
	if err := r.client.Status().Patch(ctx, da, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("patching the status: %w", err)
	}
	return nil
}

// nextPass returns the time until the next pass: the interval for the object's state, or less if startsAt or endsAt comes
// earlier. 0 means never. at is the time by the database's clock when the spec was carried out. It is zero if the spec has
// neither startsAt nor endsAt, or could not be carried out.
func (r *reconciler) nextPass(da *v1alpha1.DoctorAssignment, o outcome, now, at time.Time) time.Duration {
	if o.stalled {
		return 0
	}
	after := r.ResyncInterval
	if o.waits() {
		since := now.Sub(apimeta.FindStatusCondition(da.Status.Conditions, v1alpha1.ReadyCondition).LastTransitionTime.Time)
		after = min(max(since, r.RetryInterval), r.ResyncInterval)
	}
	after = wait.Jitter(after, jitter)
	if at.IsZero() {
		return after
	}
	for _, instant := range []*metav1.Time{da.Spec.StartsAt, da.Spec.EndsAt} {
		if instant != nil && instant.After(at) {
			after = min(after, instant.Sub(at))
		}
	}
	return after
}
