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
	// LockTimeout is how long one attempt to change the schema waits for its locks. It is short
	// because every request on the table queues behind the attempt.
	LockTimeout = "200ms"
	// lockPatience is how long attempts are repeated: a backup, or another reader of the
	// table, may take hours.
	lockPatience = 10 * time.Minute

	lockNotAvailable = "55P03" // SQLSTATE
)

// RetryLocked repeats do, which must do all or nothing, while it fails because of a
// lock that another transaction has. Between two attempts the requests that queued get their turn.
func RetryLocked(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(lockPatience)
	for {
		err := do()
		if !HasCode(err, lockNotAvailable) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for locks that another session keeps: wait until backups, reports and open transactions end, then run this again: %w", err)
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
