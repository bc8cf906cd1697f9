// Package controllers carries DoctorAssignment objects into the clinic.
//
// One pass over an object: get it, add the finalizer, then either let go of its assignments (it is being deleted) or
// declare them, then write the conditions, in one status patch, and only when they changed.
//
//	           declared ┌───────────────► Ready ◄──────────────┐ startsAt
//	object ─────────────┼─ a name is unknown ─► Reconciling ───┤ tried again
//	                    ├─ startsAt is to come ─► Reconciling ─┘
//	                    └─ invalid, or endsAt passed ─► Stalled ─► (a change of the spec)
package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// doctorField is the name of the index over spec.doctor.username.
const doctorField = "spec.doctor.username"

// Declarer keeps the assignments that objects declare. Its errors are those of the clinic package. Every method does
// nothing when there is nothing left to do, so each may be repeated.
type Declarer interface {
	// Declare makes the assignments that the declaration's owner holds what the declaration says.
	Declare(ctx context.Context, d clinic.Declaration) (clinic.DeclarationResult, error)
	// Release ends every assignment that the owner holds and returns how many there were.
	Release(ctx context.Context, owner string) (int, error)
	// Retain leaves the assignments that the owner holds active, held by nobody.
	Retain(ctx context.Context, owner string) error
}

// Options configure the controller. Only Declarer is required.
type Options struct {
	Declarer Declarer
	// Now tells when startsAt and endsAt are reached; time.Now by default.
	Now func() time.Time
	// ResyncInterval is how often an object that is ready is compared with the database again; 1 minute by default.
	ResyncInterval time.Duration
	// RetryInterval is how soon an object that waits for something is first tried again; 15 seconds by default, or
	// ResyncInterval if that is less. The interval grows to ResyncInterval the longer it waits.
	RetryInterval time.Duration
	// MaxConcurrentReconciles is how many objects are worked on at once; 4 by default.
	MaxConcurrentReconciles int
	// Registerer takes the gauge of objects by Ready reason; without it there is none.
	Registerer prometheus.Registerer
}

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ResyncInterval == 0 {
		o.ResyncInterval = time.Minute
	}
	if o.RetryInterval == 0 {
		o.RetryInterval = min(15*time.Second, o.ResyncInterval)
	}
	if o.MaxConcurrentReconciles == 0 {
		o.MaxConcurrentReconciles = 4
	}
}

func (o *Options) validate() error {
	if o.Declarer == nil {
		return errors.New("controllers: Options.Declarer is required")
	}
	if o.ResyncInterval < 0 || o.RetryInterval < 0 || o.RetryInterval > o.ResyncInterval {
		return errors.New("controllers: RetryInterval must be positive and at most ResyncInterval")
	}
	return nil
}

// Setup adds the controller to the manager, whose scheme must know v1alpha1.
func Setup(mgr ctrl.Manager, o Options) error {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return err
	}
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.DoctorAssignment{}, doctorField, doctorOf); err != nil {
		return fmt.Errorf("indexing DoctorAssignments by doctor: %w", err)
	}
	if o.Registerer != nil {
		if err := o.Registerer.Register(newStateCollector(mgr.GetClient())); err != nil {
			return fmt.Errorf("registering the DoctorAssignment metrics: %w", err)
		}
	}
	r := &reconciler{
		Options:  o,
		client:   mgr.GetClient(),
		events:   mgr.GetEventRecorder("healthrecords-controller"),
		released: make(chan event.TypedGenericEvent[string]),
	}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("doctorassignment").
		For(&v1alpha1.DoctorAssignment{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.DoctorAssignment{}, handler.Funcs{DeleteFunc: r.remember}).
		WatchesRawSource(source.TypedChannel(r.released, handler.TypedFuncs[string, reconcile.Request]{GenericFunc: r.offer})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: o.MaxConcurrentReconciles,
			// An outage must not leave objects waiting long after it is over.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](500*time.Millisecond, o.ResyncInterval),
		}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("adding the DoctorAssignment controller: %w", err)
	}
	return nil
}

// doctorOf is the key of an object in the index: usernames are the same whatever their case.
func doctorOf(o client.Object) []string {
	da, ok := o.(*v1alpha1.DoctorAssignment)
	if !ok {
		return nil
	}
	return []string{strings.ToLower(da.Spec.Doctor.Username)}
}

// offer has the objects that declare a doctor looked at again once people's changes are done: a doctor may have
// thousands, and the next revocation must not wait for them.
func (r *reconciler) offer(ctx context.Context, e event.TypedGenericEvent[string], queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	requests := r.declaring(ctx, e.Object)
	if byPriority, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		byPriority.AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, requests...)
		return
	}
	for _, request := range requests {
		queue.Add(request)
	}
}

// declaring returns the objects that declare the doctor, which may take freed pairs over.
func (r *reconciler) declaring(ctx context.Context, doctor string) []reconcile.Request {
	var list v1alpha1.DoctorAssignmentList
	if err := r.client.List(ctx, &list, client.MatchingFields{doctorField: strings.ToLower(doctor)}, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "listing the objects that declare a doctor")
		return nil // the next resync does the same
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{
			Namespace: list.Items[i].Namespace, Name: list.Items[i].Name,
		}})
	}
	return requests
}
