package services

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	workspacePattern = "healthrecords-test-"
	lockName         = "lock"
	sharedMemory     = "/dev/shm"
	roomyBytes       = 2 << 30
	// abandonedAfter spares a workspace that was just made and is not locked yet.
	abandonedAfter = time.Minute
)

// Workspace is a temporary directory that every user can reach, locked while its process lives.
type Workspace struct {
	dir  string
	lock *os.File
}

// NewWorkspace makes a workspace and removes those whose process ended without removing them.
func NewWorkspace() (*Workspace, error) {
	parent, err := workspaceParent()
	if err != nil {
		return nil, err
	}
	if err := removeAbandoned(parent); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(parent, workspacePattern)
	if err != nil {
		return nil, fmt.Errorf("making a workspace: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // G302: Postgres, as another user, must reach its own data in it.
		return nil, fmt.Errorf("opening the workspace: %w", err)
	}
	lock, err := tryLock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	return &Workspace{dir: dir, lock: lock}, nil
}

// Dir is the workspace's path.
func (w *Workspace) Dir() string { return w.dir }

// Remove deletes the workspace with its content.
func (w *Workspace) Remove() error {
	return errors.Join(os.RemoveAll(w.dir), w.lock.Close())
}

// workspaceParent prefers memory to disk: there a test's database is made and removed in a tenth of the time.
func workspaceParent() (string, error) {
	candidates := []string{os.TempDir(), "/var/tmp"}
	if os.Getenv("TMPDIR") == "" && roomy(sharedMemory) {
		candidates = append([]string{sharedMemory}, candidates...)
	}
	for _, dir := range candidates {
		reachable, err := Traversable(dir)
		if err != nil {
			return "", err
		}
		if reachable {
			return dir, nil
		}
	}
	return "", errors.New("finding a temporary directory that every user can reach")
}

// roomy reports whether a file system has space for the data of tests. Containers often have a tiny /dev/shm.
func roomy(dir string) bool {
	var space syscall.Statfs_t
	if err := syscall.Statfs(dir, &space); err != nil {
		return false // the directory does not exist
	}
	return space.Bavail*uint64(space.Bsize) >= roomyBytes //nolint:gosec // G115: a block's size is positive
}

func removeAbandoned(parent string) error {
	found, err := filepath.Glob(filepath.Join(parent, workspacePattern+"*"))
	if err != nil {
		return fmt.Errorf("looking for old workspaces: %w", err)
	}
	for _, dir := range found {
		if info, err := os.Stat(dir); err != nil || time.Since(info.ModTime()) < abandonedAfter {
			continue
		}
		lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
		if err != nil {
			continue // just being made or removed, or another user's
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			err = os.RemoveAll(dir)
		}
		if err := errors.Join(err, lock.Close()); err != nil {
			return fmt.Errorf("removing an old workspace: %w", err)
		}
	}
	return nil
}
