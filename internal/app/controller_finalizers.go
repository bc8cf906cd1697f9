package app

import (
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/controllers"
	"github.com/healthrecords/healthrecords/internal/settings"
)

func newFinalizersCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "release-finalizers",
		Short: "Let DoctorAssignment objects be deleted without a controller",
		Long: `Remove the finalizer healthrecords.io/assignments from all DoctorAssignment objects, so that they, their namespaces and
the custom resource can be deleted after the controller is gone. Stop the controller first: it adds the finalizer again.

No assignment ends. If the controller comes back, it adds the finalizers again. It ends or retains the assignments of objects
that were deleted in the meantime, as their deletionPolicy says, if it watches all namespaces. Otherwise an administrator ends
them over REST.

` + settings.Usage(&settings.Finalizers{}),
		Args: takesNoArguments,
		RunE: releaseFinalizers,
	}
}

func releaseFinalizers(cmd *cobra.Command, _ []string) error {
	var cfg settings.Finalizers
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	restConfig, err := kubernetesConfig(cfg.Kubeconfig)
	if err != nil {
		return err
	}
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	kubernetes, err := client.New(restConfig, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("connecting to Kubernetes: %w", err)
	}
	removed, err := controllers.RemoveFinalizers(cmd.Context(), kubernetes, cfg.Namespace)
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "Removed the finalizer from %d objects. Their assignments stay.\n", removed)
	if err != nil {
		return fmt.Errorf("removing finalizers: %w", err)
	}
	return nil
}
