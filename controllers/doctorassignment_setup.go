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

// Declarer keeps the assignments that objects declare. Its errors are those of package clinic. Every method is
// idempotent.
type Declarer interface {
	// Declare makes the owner's assignments match the declaration.
	Declare(ctx context.Context, d clinic.Declaration) (clinic.DeclarationResult, error)
	// Release ends every assignment of the owner and returns how many there were.
	Release(ctx context.Context, owner string) (int, error)
	// Retain leaves the assignments of the owner active, without an owner.
	Retain(ctx context.Context, owner string) error
}

// Options configure the controller. Only Declarer is required.
type Options struct {
	Declarer Declarer
	// Now is the clock for the conditions and the intervals of passes; time.Now by default. The Declarer decides whether
	// startsAt and endsAt have passed.
	Now func() time.Time
	// ResyncInterval is how often a ready object is compared with the database; 1 minute by default.
	ResyncInterval time.Duration
	// RetryInterval is the first interval of an object that waits for something; 15 seconds by default, or ResyncInterval
	// if that is less. While the object waits, the interval grows up to ResyncInterval.
	RetryInterval time.Duration
	// MaxConcurrentReconciles is how many objects are reconciled at once; 4 by default.
	MaxConcurrentReconciles int
	// Registerer is for the gauge of objects by Ready reason; nil means no gauge.
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
		Watches(&v1alpha1.DoctorAssignment{}, handler.Funcs{DeleteFunc: r.enqueueDeleted}).
		WatchesRawSource(source.TypedChannel(r.released, handler.TypedFuncs[string, reconcile.Request]{GenericFunc: r.enqueueDeclaring})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: o.MaxConcurrentReconciles,
			// The limit keeps objects from waiting long after an outage has ended.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](500*time.Millisecond, o.ResyncInterval),
		}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("adding the DoctorAssignment controller: %w", err)
	}
	return nil
}

// doctorOf returns the key of an object in the index. It is in lower case, because the case of usernames does not matter.
func doctorOf(o client.Object) []string {
	da, ok := o.(*v1alpha1.DoctorAssignment)
	if !ok {
		return nil
	}
	return []string{strings.ToLower(da.Spec.Doctor.Username)}
}

// enqueueDeclaring enqueues the objects that declare a doctor, with a lower priority than changes by people: a doctor may
// have thousands of objects, and the next revocation must not wait for them.
func (r *reconciler) enqueueDeclaring(ctx context.Context, e event.TypedGenericEvent[string], queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	requests := r.declaring(ctx, e.Object)
	if byPriority, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		byPriority.AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, requests...)
		return
	}
	for _, request := range requests {
		queue.Add(request)
	}
}

// declaring returns the objects that declare the doctor, which may create assignments for the released pairs.
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
