package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

const (
	// lockPatience is how long a runner waits for another runner to end.
	lockPatience = 2 * time.Second
	// foreignState holds Postgres' data if Postgres' unprivileged user cannot reach the module's directory.
	foreignState = "/var/lib/healthrecords-dev"
)

// lock creates the state directory and locks it for this process.
func (r *runner) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(r.state, 0o711); err != nil { //nolint:gosec // G301: Postgres, as another user, passes through
		return nil, fmt.Errorf("making the state directory: %w", err)
	}
	path := filepath.Join(r.state, "lock")
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	file, err := services.Lock(ctx, path)
	if errors.Is(err, services.ErrLocked) {
		owner, _ := os.ReadFile(path) //nolint:gosec // G304: our own file, read for the error message
		return nil, fmt.Errorf("make run is already running here, as process %s", strings.TrimSpace(string(owner)))
	}
	if err != nil {
		return nil, err
	}
	return func() { _ = file.Close() }, writeOwner(file)
}

func writeOwner(lock *os.File) error {
	if err := lock.Truncate(0); err != nil {
		return fmt.Errorf("writing the lock's owner: %w", err)
	}
	if _, err := lock.WriteString(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		return fmt.Errorf("writing the lock's owner: %w", err)
	}
	return nil
}

// postgresDir returns where Postgres keeps its data. If root runs this program, Postgres runs as another user, who may
// not be able to reach .dev, for example below /root. In that case .dev has a link to a directory that this user can reach.
func (r *runner) postgresDir() (string, error) {
	dir := filepath.Join(r.state, "postgres")
	reachable, err := services.Traversable(r.state)
	if err != nil || reachable || os.Geteuid() != 0 {
		return dir, err
	}
	target, err := os.Readlink(dir)
	if err == nil {
		return target, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s must be a link to a directory that Postgres can reach; run `make clean`: %w", dir, err)
	}
	if err := os.MkdirAll(foreignState, 0o711); err != nil { //nolint:gosec // G301: as above
		return "", fmt.Errorf("making a directory for Postgres: %w", err)
	}
	if target, err = os.MkdirTemp(foreignState, ""); err != nil {
		return "", fmt.Errorf("making a directory for Postgres: %w", err)
	}
	if err := os.Symlink(target, dir); err != nil {
		return "", fmt.Errorf("linking to Postgres' data: %w", err)
	}
	return target, nil
}

// logFile opens the log file of a service for this run.
func (r *runner) logFile(name string) (io.Writer, error) {
	dir := filepath.Join(r.state, "logs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the log directory: %w", err)
	}
	path := filepath.Join(dir, name+".log")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // G304: our own file
	if err != nil {
		return nil, fmt.Errorf("opening a log: %w", err)
	}
	return file, nil
}

// port returns the preferred port if it is free, or else another one.
func (r *runner) port(ctx context.Context, preferred int) (int, error) {
	if services.PortFree(ctx, preferred) == nil {
		return preferred, nil
	}
	port, err := services.FreePort(ctx)
	if err == nil {
		r.console.say("port %d is in use; using %d instead", preferred, port)
	}
	return port, err
}
