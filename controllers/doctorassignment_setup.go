package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Declarer keeps the claims that objects declare. Its errors are those of package clinic. Every method is idempotent.
type Declarer interface {
	// Declare makes the owner's claims match the declaration.
	Declare(ctx context.Context, d clinic.Declaration) (clinic.DeclarationResult, error)
	// Release ends every claim of the owner and returns how many assignments ended with them.
	Release(ctx context.Context, owner clinic.Owner) (int, error)
	// Retain turns the claims of the owner into claims of the REST API.
	Retain(ctx context.Context, owner clinic.Owner) error
	// NewTerm returns a number that is higher than every one before: see clinic.Owner.
	NewTerm(ctx context.Context) (int64, error)
	// States returns what the database holds of those of the owners that it knows.
	States(ctx context.Context, cluster string, uids []string) ([]clinic.DeclaredState, error)
	// Owners returns up to limit owners of the cluster that have claims, those after a UID, ordered by UID.
	Owners(ctx context.Context, cluster, after string, limit int) ([]clinic.DeclaredState, error)
}

// Options configure the controller. Only Declarer is required.
type Options struct {
	Declarer Declarer
	// Now is the clock for the conditions and the intervals of passes; time.Now by default. The Declarer decides whether
	// startsAt and endsAt have passed.
	Now func() time.Time
	// Cluster is the id of the cluster; by default the UID of its namespace kube-system.
	Cluster string
	// RequesterStamped says that an admission policy keeps people from forging v1alpha1.RequestedByAnnotation.
	RequesterStamped bool
	// Leads asks the API server whether this controller is the leader; nil means that there is no election.
	Leads func(ctx context.Context) (bool, error)
	// AllNamespaces says that the manager's cache has the objects of all namespaces, so that a claim without an object can be
	// recognized.
	AllNamespaces bool
	// ResyncInterval is how often the objects are compared with the database; 20 seconds by default.
	ResyncInterval time.Duration
	// SweepInterval is how often claims of objects that have disappeared are looked for; 10 minutes by default.
	SweepInterval time.Duration
	// RetryInterval is the first interval of an object that waits for something; 15 seconds by default. While the object
	// waits, the interval grows to four times that.
	RetryInterval time.Duration
	// MaxConcurrentReconciles is how many objects are reconciled at once; 4 by default.
	MaxConcurrentReconciles int
	// Registerer is for the metrics of objects; nil means no metrics.
	Registerer prometheus.Registerer
}

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ResyncInterval == 0 {
		o.ResyncInterval = 20 * time.Second
	}
	if o.SweepInterval == 0 {
		o.SweepInterval = 10 * time.Minute
	}
	if o.RetryInterval == 0 {
		o.RetryInterval = 15 * time.Second
	}
	if o.MaxConcurrentReconciles == 0 {
		o.MaxConcurrentReconciles = 4
	}
}

func (o *Options) validate() error {
	if o.Declarer == nil {
		return errors.New("controllers: Options.Declarer is required")
	}
	if o.ResyncInterval < 0 || o.SweepInterval < 0 || o.RetryInterval < 0 {
		return errors.New("controllers: intervals must be positive")
	}
	return nil
}

// Setup adds the controller to the manager, whose scheme must know v1alpha1.
func Setup(mgr ctrl.Manager, o Options) error {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return err
	}
	repairs := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "healthrecords_doctorassignment_repairs_total",
		Help: "Passes over DoctorAssignment objects that repaired claims or assignments which others had changed in the database.",
	})
	if o.Registerer != nil {
		if err := errors.Join(o.Registerer.Register(newStateCollector(mgr.GetClient())), o.Registerer.Register(repairs)); err != nil {
			return fmt.Errorf("registering the DoctorAssignment metrics: %w", err)
		}
	}
	r := newReconciler(o, mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(fieldManager), repairs)
	patrol := &patrol{reconciler: r, found: make(chan event.TypedGenericEvent[*v1alpha1.DoctorAssignment])}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("doctorassignment").
		For(&v1alpha1.DoctorAssignment{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.DoctorAssignment{}, handler.Funcs{DeleteFunc: r.enqueueDeleted}).
		WatchesRawSource(source.TypedChannel(patrol.found, handler.TypedFuncs[*v1alpha1.DoctorAssignment, reconcile.Request]{GenericFunc: enqueueFound})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: o.MaxConcurrentReconciles,
			// The limit keeps objects from waiting long after an outage has ended.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](500*time.Millisecond, retryGrowth*o.RetryInterval),
		}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("adding the DoctorAssignment controller: %w", err)
	}
	return r.addRounds(mgr, patrol)
}

func newReconciler(o Options, cached client.Client, live client.Reader, recorder events.EventRecorder, repairs counter) *reconciler {
	return &reconciler{
		Options: o, client: cached, live: live, events: recorder, repairs: repairs,
		identity: identity{declarer: o.Declarer, live: live, leads: o.Leads, cluster: o.Cluster},
	}
}

// addRounds adds what looks at all objects at intervals.
func (r *reconciler) addRounds(mgr ctrl.Manager, patrol *patrol) error {
	if err := mgr.Add(patrol); err != nil {
		return fmt.Errorf("adding the comparison of objects with the database: %w", err)
	}
	if !r.AllNamespaces {
		return nil
	}
	if err := mgr.Add(&sweep{reconciler: r}); err != nil {
		return fmt.Errorf("adding the search for claims without an object: %w", err)
	}
	return nil
}
