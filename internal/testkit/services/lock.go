package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

const lockInterval = 50 * time.Millisecond

// ErrLocked means that another process holds the lock.
var ErrLocked = errors.New("locked by another process")

func tryLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening a lock: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLocked
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), file.Close())
	}
	return file, nil
}

// Lock takes the lock that a file stands for, and waits for it until ctx ends; the error is ErrLocked then. The lock
// ends when the returned file is closed here and in every child that got it, or when they end.
func Lock(ctx context.Context, path string) (*os.File, error) {
	ticker := time.NewTicker(lockInterval)
	defer ticker.Stop()
	for {
		file, err := tryLock(path)
		if !errors.Is(err, ErrLocked) {
			return file, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-ticker.C:
		}
	}
}
