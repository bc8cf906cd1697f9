package app

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/controllers"
	"github.com/healthrecords/healthrecords/internal/settings"
)

func newFinalizersCommand() *cobra.Command {
	var deployment client.ObjectKey
	cmd := &cobra.Command{
		Use:   "release-finalizers",
		Short: "Let DoctorAssignment objects be deleted without a controller",
		Long: `Remove the finalizer healthrecords.io/assignments from all DoctorAssignment objects, so that they, their namespaces and
the custom resource can be deleted after the controller is gone. Stop the controller first, or let --deployment stop it: it adds
the finalizer again.

No assignment ends. If the controller comes back, it adds the finalizers again. It ends or retains the assignments of objects
that were deleted in the meantime, as their deletionPolicy says, if it watches all namespaces. Otherwise an administrator ends
them over REST.

` + settings.Usage(&settings.Finalizers{}),
		Args: takesNoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return releaseFinalizers(cmd, deployment) },
	}
	cmd.Flags().StringVar(&deployment.Name, "deployment", "", "first scale this Deployment to zero and wait until its pods have ended")
	cmd.Flags().StringVar(&deployment.Namespace, "namespace", "", "namespace of the Deployment")
	cmd.MarkFlagsRequiredTogether("deployment", "namespace")
	return cmd
}

func releaseFinalizers(cmd *cobra.Command, deployment client.ObjectKey) error {
	var cfg settings.Finalizers
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	restConfig, err := kubernetesConfig(cfg.Kubernetes.Kubeconfig)
	if err != nil {
		return err
	}
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	if err := errors.Join(appsv1.AddToScheme(scheme), autoscalingv1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		return fmt.Errorf("registering the types of Kubernetes: %w", err)
	}
	kubernetes, err := client.New(restConfig, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("connecting to Kubernetes: %w", err)
	}
	if deployment.Name != "" {
		exists, err := controllers.StopDeployment(cmd.Context(), kubernetes, deployment)
		if err != nil {
			return fmt.Errorf("stopping the controller: %w", err)
		}
		if !exists {
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "There is no Deployment %s in the namespace %s, so nothing was stopped: a controller that runs "+
				"adds the finalizer again.\n", deployment.Name, deployment.Namespace)
		}
	}
	removed, err := controllers.RemoveFinalizers(cmd.Context(), kubernetes, cfg.Kubernetes.Namespace)
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "Removed the finalizer from %d objects. Their assignments stay.\n", removed)
	if err != nil {
		return fmt.Errorf("removing finalizers: %w", err)
	}
	return nil
}
