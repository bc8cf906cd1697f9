package services_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

func TestTraversable(t *testing.T) {
	t.Parallel()
	open, err := os.MkdirTemp("/var/tmp", "traversable-") //nolint:usetesting // t.TempDir may be below a closed directory
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(open) })
	if err := os.Chmod(open, 0o711); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(open, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		open: true, filepath.Join(open, "missing"): true, closed: false, filepath.Join(closed, "missing"): false,
	} {
		if got, err := services.Traversable(path); err != nil || got != want {
			t.Errorf("Traversable(%s) = %t, %v, want %t", path, got, err, want)
		}
	}
}

func TestNewWorkspaceRemovesAbandonedOnes(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent)
	if reachable, err := services.Traversable(parent); err != nil || !reachable {
		t.Skipf("%s is below a closed directory, so that workspaces are made elsewhere", parent)
	}
	abandoned, young := filepath.Join(parent, "healthrecords-test-1"), filepath.Join(parent, "healthrecords-test-2")
	for _, dir := range []string{abandoned, young} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := services.NewWorkspace()
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	for _, dir := range []string{abandoned, kept.Dir()} {
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
	}
	last, err := services.NewWorkspace()
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{abandoned: false, young: true, kept.Dir(): true, last.Dir(): true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s exists: %t, want %t", dir, err == nil, want)
		}
	}
	if err := errors.Join(kept.Remove(), last.Remove()); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := services.Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := services.Lock(ctx, path); !errors.Is(err, services.ErrLocked) {
		t.Errorf("Lock() = %v, want ErrLocked", err)
	}
	copied, err := syscall.Dup(int(first.Fd())) // as a child has it
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error)
	go func() {
		second, err := services.Lock(t.Context(), path)
		waiting <- errors.Join(err, second.Close())
	}()
	select {
	case err := <-waiting:
		t.Fatalf("Lock() returned %v while the child lived", err)
	case <-time.After(150 * time.Millisecond):
	}
	if err := syscall.Close(copied); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; err != nil {
		t.Error(err)
	}
}

func TestControlPlaneBinariesNamesTheCommandThatFetchesThem(t *testing.T) {
	t.Setenv("KUBEBUILDER_ASSETS", t.TempDir())
	if _, err := services.ControlPlaneBinaries("."); !errors.Is(err, services.ErrMissingBinaries) {
		t.Errorf("ControlPlaneBinaries() = %v, want ErrMissingBinaries", err)
	}
}
