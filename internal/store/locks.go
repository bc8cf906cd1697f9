package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const (
	// lockTimeout is how long a change of the schema waits for its locks. Every request on
	// the table queues behind it for that time, so it is short, and tried again.
	lockTimeout = "200ms"
	// lockPatience is for how long it is tried again: a backup, or whatever else reads the
	// table, may take hours.
	lockPatience = 10 * time.Minute

	lockNotAvailable = "55P03" // SQLSTATE
)

// untilLocked repeats do, which must do all or nothing, while it fails because of a
// lock that others hold. Between two attempts those who queued get their turn.
func untilLocked(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(lockPatience)
	for {
		err := do()
		if !hasCode(err, lockNotAvailable) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for locks, which somebody holds for long: wait for backups, reports and open transactions to end, then do this again: %w", err)
		}
		timer := time.NewTimer(time.Second + rand.N(time.Second)) // #nosec G404 -- spreads them, hides nothing
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("waiting for locks: %w", clinic.Unavailable(ctx.Err()))
		}
	}
}

// TxLocked is Tx of the platform itself for changes of the schema: each wait for a
// lock is short, and fn runs again when one was in vain.
func (db *DB) TxLocked(ctx context.Context, fn func(Handle) error) error {
	return untilLocked(ctx, func() error {
		return db.Tx(ctx, nil, func(h Handle) error {
			if _, err := h.db.Exec(ctx, "SET LOCAL lock_timeout = '"+lockTimeout+"'"); err != nil {
				return fmt.Errorf("limiting the wait for locks: %w", translate(err))
			}
			return fn(h)
		})
	})
}

// waitForLocksBriefly is TxLocked's limit for all statements of a connection.
func waitForLocksBriefly(config *pgx.ConnConfig) { config.RuntimeParams["lock_timeout"] = lockTimeout }
