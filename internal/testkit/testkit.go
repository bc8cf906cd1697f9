// Package testkit gives tests real Postgres, Redis and Kubernetes API servers, private to the test process. Each is
// started by the first test that asks for it and shared by all tests of the process, which run in parallel: each
// test gets its own database and its own logical Redis database. Only tests may import it.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { testkit.Main(m) }
package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

// Patience is how long a test's pool waits for a connection. On a machine that is busy with other tests, Postgres
// may need more than the three seconds of production to make one.
const Patience = time.Minute

// instances are the services that the tests of this process share. They are package state because tests of one process have
// no other common owner.
var instances = &shared{} //nolint:gochecknoglobals // see above

type shared struct {
	mutex      sync.Mutex
	workspace  *services.Workspace
	postgres   *postgresInstance
	redis      *redisInstance
	control    *services.ControlPlane
	controlErr error // a failed start is not repeated
	stops      []func(context.Context) error
}

// Main runs the tests of a package and then stops the services that they started. When the process is killed instead,
// the kernel stops them, and a later run removes the files.
func Main(m *testing.M) {
	m.Run() // keeps the exit code for the caller of TestMain
	if err := instances.stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the test services:", err)
	}
}

// Must fails the test where its preparation failed.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Value returns the value of a call, and fails the test on an error:
//
//	records := testkit.Value(store.Open(ctx, opts))(t)
func Value[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		Must(t, err)
		return value
	}
}

func (s *shared) stop(ctx context.Context) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var faults []error
	for i := len(s.stops) - 1; i >= 0; i-- {
		faults = append(faults, s.stops[i](ctx))
	}
	s.stops = nil
	if s.workspace != nil {
		faults = append(faults, s.workspace.Remove())
	}
	return errors.Join(faults...)
}

// dir returns a new directory for a service's files. The caller holds the mutex.
func (s *shared) dir(name string) (string, error) {
	if s.workspace == nil {
		workspace, err := services.NewWorkspace()
		if err != nil {
			return "", err
		}
		s.workspace = workspace
	}
	dir, err := os.MkdirTemp(s.workspace.Dir(), name+"-")
	if err != nil {
		return "", fmt.Errorf("making a directory: %w", err)
	}
	return dir, nil
}

func (s *shared) newDir(t testing.TB, name string) string {
	t.Helper()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	dir, err := s.dir(name)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Root returns the directory of the module, from which tests find files of the repository.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}
