package testkit

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

// ControlPlane returns the configuration of a client that is administrator of the process's Kubernetes API server,
// which serves the custom resources of config/crd/bases and decides by RBAC. Tests share it: each makes its own namespace.
// No controllers run in it, so a deleted namespace stays and nothing collects garbage.
func ControlPlane(t testing.TB) *rest.Config {
	t.Helper()
	return rest.CopyConfig(controlPlane(t).Config())
}

// Kubeconfig writes a kubeconfig file of the API server that ControlPlane describes and returns its path.
func Kubeconfig(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := controlPlane(t).WriteKubeconfig(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func controlPlane(t testing.TB) *services.ControlPlane {
	t.Helper()
	instances.mutex.Lock()
	defer instances.mutex.Unlock()
	if instances.control == nil && instances.controlErr == nil {
		instances.control, instances.controlErr = instances.startControlPlane(t.Context(), Root(t))
	}
	if instances.controlErr != nil {
		t.Fatal(instances.controlErr)
	}
	return instances.control
}

func (s *shared) startControlPlane(ctx context.Context, root string) (*services.ControlPlane, error) {
	binaries, err := services.ControlPlaneBinaries(root)
	if err != nil {
		return nil, err
	}
	dir, err := s.dir("control-plane")
	if err != nil {
		return nil, err
	}
	control, err := services.StartControlPlane(ctx, services.ControlPlaneOptions{Binaries: binaries, Dir: dir})
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, control.Stop)
	return control, control.InstallCRDs(filepath.Join(root, "config/crd/bases"))
}

// Kubectl returns the path of kubectl: the system's, or the one that hack/control-plane installs on a system without.
func Kubectl(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("kubectl")
	if err == nil {
		return program
	}
	return filepath.Join(Value(services.ControlPlaneBinaries(Root(t)))(t), "kubectl")
}
