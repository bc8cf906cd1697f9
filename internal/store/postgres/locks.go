package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const (
	// LockTimeout is how long a change of the schema waits for its locks. Every request on
	// the table queues behind it for that time, so it is short, and tried again.
	LockTimeout = "200ms"
	// lockPatience is for how long it is tried again: a backup, or whatever else reads the
	// table, may take hours.
	lockPatience = 10 * time.Minute

	lockNotAvailable = "55P03" // SQLSTATE
)

// RetryLocked repeats do, which must do all or nothing, while it fails because of a
// lock that others hold. Between two attempts those who queued get their turn.
func RetryLocked(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(lockPatience)
	for {
		err := do()
		if !HasCode(err, lockNotAvailable) {
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

// HasCode reports whether Postgres failed with one of the SQLSTATEs.
func HasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && slices.Contains(codes, pg.Code)
}
