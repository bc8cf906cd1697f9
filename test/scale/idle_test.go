package scale_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// idleName is the name of the program below.
const idleName = "idle"

// idle is what the controller is compared with: it applies the finalizer and a status as the controller does, and does nothing
// else.
type idle struct{ client client.Client }

// Reconcile makes an object ready at once.
func (i *idle) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	da := &v1alpha1.DoctorAssignment{}
	if err := i.client.Get(ctx, req.NamespacedName, da); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !slices.Contains(da.Finalizers, v1alpha1.Finalizer) {
		object := partial(da)
		object.SetFinalizers([]string{v1alpha1.Finalizer})
		patch := client.ApplyConfigurationFromUnstructured(object)
		if err := i.client.Apply(ctx, patch, client.ForceOwnership, client.FieldOwner(idleName)); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
	}
	status, err := runtime.DefaultUnstructuredConverter.ToUnstructured(idleStatus(da))
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("encoding the status: %w", err)
	}
	object := partial(da)
	object.Object["status"] = status
	patch := client.ApplyConfigurationFromUnstructured(object)
	return ctrl.Result{}, client.IgnoreNotFound(i.client.Status().Apply(ctx, patch, client.ForceOwnership, client.FieldOwner(idleName)))
}

func partial(da *v1alpha1.DoctorAssignment) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("DoctorAssignment"))
	object.SetNamespace(da.Namespace)
	object.SetName(da.Name)
	object.SetUID(da.UID)
	return object
}

func idleStatus(da *v1alpha1.DoctorAssignment) *v1alpha1.DoctorAssignmentStatus {
	status := &v1alpha1.DoctorAssignmentStatus{ObservedGeneration: da.Generation, Total: 1, Assigned: 1, Claims: 1}
	for _, kind := range []string{v1alpha1.ReadyCondition, v1alpha1.ReconcilingCondition, v1alpha1.StalledCondition} {
		condition := metav1.Condition{
			Type: kind, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonAsExpected, ObservedGeneration: da.Generation,
			LastTransitionTime: metav1.Now(),
		}
		if kind == v1alpha1.ReadyCondition {
			condition.Status, condition.Reason, condition.Message = metav1.ConditionTrue, v1alpha1.ReasonAssigned, "1 of 1 pairs are assigned."
		}
		status.Conditions = append(status.Conditions, condition)
	}
	return status
}

// runIdle runs the idle controller until SIGTERM, with the environment of the real one.
func runIdle() error {
	restConfig, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	restConfig.QPS = -1
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("registering the types: %w", err)
	}
	manager, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, Logger: logr.Discard(),
	})
	if err != nil {
		return fmt.Errorf("connecting to Kubernetes: %w", err)
	}
	err = ctrl.NewControllerManagedBy(manager).Named(idleName).
		For(&v1alpha1.DoctorAssignment{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		Complete(&idle{client: manager.GetClient()})
	if err != nil {
		return fmt.Errorf("adding the controller: %w", err)
	}
	ready := &http.Server{Addr: os.Getenv("ADMIN_ADDRESS"), Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: time.Second}
	go func() { _ = ready.ListenAndServe() }()
	defer func() { _ = ready.Close() }()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return manager.Start(ctx) //nolint:wrapcheck // it is the whole program's
}
