package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/controllers"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/telemetry"
)

func newControllerCommand() *cobra.Command {
	controller := &cobra.Command{
		Use:   "controller",
		Short: "Reconcile DoctorAssignment objects",
		Long:  "Carry out DoctorAssignment objects as assignments in the database, until SIGTERM.\n\n" + settings.Usage(&settings.Controller{}),
		Args:  takesNoArguments,
		RunE:  runController,
	}
	controller.AddCommand(newFinalizersCommand())
	return controller
}

func runController(cmd *cobra.Command, _ []string) error {
	ctx := cmd.Context()
	var cfg settings.Controller
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	p, err := newProcess(ctx, "controller", cmd.ErrOrStderr(), cfg.Common, cfg.Admin)
	if err != nil {
		return err
	}
	p.gatherer = withControllerMetrics(p.registry)
	db, err := openDB(ctx, schema.PartController, cfg.Database, p.traces.Provider)
	if err != nil {
		return err
	}
	defer db.Close()
	manager, lease, err := newManager(cfg)
	if err != nil {
		return err
	}
	options := controllers.Options{
		Declarer: service.NewDeclarations(db), Cluster: cfg.ClusterID, RequesterStamped: cfg.RequesterStamped,
		AllNamespaces: cfg.Kubernetes.Namespace == "", ResyncInterval: cfg.Resync, Registerer: p.registry,
	}
	if lease != nil {
		options.Leads = lease.leads
	}
	if err := controllers.Setup(manager, options); err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}
	check := databaseCheck(db) // with an outdated schema, an attempt could fail for good
	return p.run(ctx, []telemetry.Check{check}, check.Before(p.log, manager.Start))
}

// withControllerMetrics combines the registry with the one of controller-runtime,
// which also has the metrics of the Go runtime and the process.
func withControllerMetrics(registry *prometheus.Registry) prometheus.Gatherer {
	registry.Unregister(collectors.NewGoCollector())
	registry.Unregister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return prometheus.Gatherers{registry, metrics.Registry}
}

// newManager returns the manager, and its election if it has one.
func newManager(cfg settings.Controller) (ctrl.Manager, *election, error) {
	restConfig, err := kubernetesConfig(cfg.Kubernetes.Kubeconfig)
	if err != nil {
		return nil, nil, err
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, nil, err
	}
	lease, err := newElection(restConfig, cfg)
	if err != nil {
		return nil, nil, err
	}
	options := ctrl.Options{
		Scheme:                        scheme,
		Cache:                         cache.Options{DefaultTransform: cache.TransformStripManagedFields()}, // a third of an object's size
		Metrics:                       metricsserver.Options{BindAddress: "0"},                              // the admin port serves them
		LeaderElection:                cfg.LeaderElect,
		LeaderElectionReleaseOnCancel: true, // the process ends with the manager, so the next leader need not wait
		RenewDeadline:                 new(renewDeadline),
		Logger:                        logr.FromSlogHandler(withoutRelease{slog.Default().Handler()}),
	}
	if lease != nil {
		options.LeaderElectionResourceLockInterface = lease
	}
	if cfg.Kubernetes.Namespace != "" {
		options.Cache.DefaultNamespaces = map[string]cache.Config{cfg.Kubernetes.Namespace: {}}
	}
	manager, err := ctrl.NewManager(restConfig, options)
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to Kubernetes: %w", err)
	}
	if lease != nil {
		lease.LockConfig.EventRecorder = manager.GetEventRecorderFor(lease.Identity()) //nolint:staticcheck // the election takes no other
	}
	return manager, lease, nil
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering the API types: %w", err)
	}
	return scheme, nil
}

// withoutRelease leaves out one message: when it is asked to stop, the manager gives up its Lease, and logs that as an
// error. Another loss of the Lease ends the process with an error.
type withoutRelease struct{ slog.Handler }

// Handle implements slog.Handler.
func (h withoutRelease) Handle(ctx context.Context, r slog.Record) error {
	released := false
	r.Attrs(func(a slog.Attr) bool {
		released = released || a.Value.String() == "leader election lost"
		return !released
	})
	if released && r.Message == "error received after stop sequence was engaged" {
		return nil
	}
	return h.Handler.Handle(ctx, r) //nolint:wrapcheck // it is the handler's own
}

// WithAttrs implements slog.Handler.
func (h withoutRelease) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withoutRelease{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h withoutRelease) WithGroup(name string) slog.Handler {
	return withoutRelease{h.Handler.WithGroup(name)}
}

// kubernetesConfig reads the kubeconfig at path or, if path is empty, uses the pod's service account.
func kubernetesConfig(path string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("reading the Kubernetes configuration: %w", err)
	}
	// client-go limits itself to 5 requests per second, enough for two objects: revocations would wait. The API server
	// distributes its capacity itself (API Priority and Fairness).
	config.QPS = -1
	return config, nil
}
