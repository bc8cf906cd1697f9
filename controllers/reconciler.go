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

// callTimeout bounds one call of the Declarer, so that a database that hangs shows in the conditions.
const callTimeout = 30 * time.Second

// jitter spreads passes that would otherwise fall together, as a fraction of their interval.
const jitter = 0.1

type reconciler struct {
	Options
	client client.Client
	events events.EventRecorder
	// released takes the doctors whose assignments ended.
	released chan event.TypedGenericEvent[string]
	departed departed
}

// +kubebuilder:rbac:groups=healthrecords.io,resources=doctorassignments,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=healthrecords.io,resources=doctorassignments/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=healthrecords,resources=leases,verbs=get;create;update
// +kubebuilder:rbac:groups="",namespace=healthrecords,resources=events,verbs=create;patch

// Reconcile makes one pass over one object.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (_ ctrl.Result, err error) {
	if err := r.letGoDeparted(ctx, req.NamespacedName); err != nil {
		return ctrl.Result{}, err
	}
	da := &v1alpha1.DoctorAssignment{}
	if err := r.client.Get(ctx, req.NamespacedName, da); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if err := r.addFinalizer(ctx, da); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err) // gone: nobody would end what is declared now
	}
	before := da.DeepCopy()
	defer func() {
		err = errors.Join(err, r.patchStatus(ctx, da, before))
	}()
	if !da.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.letGo(ctx, da)
	}
	return r.declare(ctx, da)
}

// addFinalizer makes sure that letGo runs before the object is gone. It refuses a stale copy: the patch replaces the
// whole list, which others write too.
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

// declare carries the spec out, puts what came of it into the status and says when to look again.
func (r *reconciler) declare(ctx context.Context, da *v1alpha1.DoctorAssignment) (ctrl.Result, error) {
	now := r.Now()
	result, err := r.carryOut(ctx, da, now)
	if ctx.Err() != nil {
		return ctrl.Result{}, ctx.Err() // shutting down: that says nothing about the object
	}
	v := judge(&da.Spec, result, now)
	if err != nil {
		v = judgeError(err)
	} else {
		count(da, result)
		r.announce(ctx, da, result)
	}
	r.conclude(da, v, now)
	if v.backOff {
		return ctrl.Result{}, fmt.Errorf("declaring the assignments: %w", public(err))
	}
	// What people change comes before the routine, which is a long queue where there are many objects.
	return ctrl.Result{RequeueAfter: r.nextPass(da, v, now), Priority: new(handler.LowPriority)}, nil
}

// carryOut declares the spec, or withdraws it once it has expired.
func (r *reconciler) carryOut(ctx context.Context, da *v1alpha1.DoctorAssignment, now time.Time) (clinic.DeclarationResult, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if !expired(&da.Spec, now) {
		return r.Declarer.Declare(ctx, declaration(da))
	}
	return r.withdraw(ctx, da)
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

// announce tells people, and the other objects that declare the same doctor, what changed in the clinic.
func (r *reconciler) announce(ctx context.Context, da *v1alpha1.DoctorAssignment, result clinic.DeclarationResult) {
	if result.Created > 0 || result.Ended > 0 {
		r.events.Eventf(da, nil, corev1.EventTypeNormal, "AssignmentsChanged", "Declare",
			"Assignments begun: %d, ended: %d.", result.Created, result.Ended)
	}
	for _, doctor := range result.EndedDoctors {
		select {
		case r.released <- event.TypedGenericEvent[string]{Object: doctor}:
		case <-ctx.Done(): // every object is looked at again after a restart
		}
	}
}

// conclude writes the verdict as conditions, and as an event when it differs from the last one.
func (r *reconciler) conclude(da *v1alpha1.DoctorAssignment, v verdict, now time.Time) {
	last := apimeta.FindStatusCondition(da.Status.Conditions, v1alpha1.ReadyCondition)
	if last == nil || last.Status != v.ready || last.Reason != v.reason {
		r.events.Eventf(da, nil, v.eventType(), v.reason, "Reconcile", "%s", v.message)
	}
	setConditions(da, v, now)
	if !v.backOff {
		da.Status.ObservedGeneration = da.Generation
	}
}

// patchStatus writes the status if it changed. An object that is gone needs none.
func (r *reconciler) patchStatus(ctx context.Context, da, before *v1alpha1.DoctorAssignment) error {
	if equality.Semantic.DeepEqual(da.Status, before.Status) {
		return nil
	}
	if err := r.client.Status().Patch(ctx, da, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("patching the status: %w", err)
	}
	return nil
}

// nextPass says when to look at the object again: at the next instant that the spec names, or after the interval that
// its state asks for, whichever comes first. 0 means never.
func (r *reconciler) nextPass(da *v1alpha1.DoctorAssignment, v verdict, now time.Time) time.Duration {
	if v.stalled {
		return 0
	}
	after := r.ResyncInterval
	if v.waits() {
		since := now.Sub(apimeta.FindStatusCondition(da.Status.Conditions, v1alpha1.ReadyCondition).LastTransitionTime.Time)
		after = min(max(since, r.RetryInterval), r.ResyncInterval)
	}
	after = wait.Jitter(after, jitter)
	for _, instant := range []*metav1.Time{da.Spec.StartsAt, da.Spec.EndsAt} {
		if instant != nil && instant.After(now) {
			after = min(after, instant.Sub(now))
		}
	}
	return after
}
