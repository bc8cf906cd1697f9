package worker

import (
	"context"
	"log/slog"
	"time"
)

const (
	// sealInterval is how often rows of the audit log are sealed. A row is sealed by
	// the second call after it was written.
	sealInterval = 2 * time.Second
	// sealTimeout limits one call, which seals a limited number of rows.
	sealTimeout = time.Minute
)

// Sealer is the chain that seals the audit log, as the worker uses it.
type Sealer interface {
	// Seal seals the rows that existed at the previous call, if the transactions of
	// that time have ended, and returns their number. Only one goroutine may call it.
	Seal(ctx context.Context) (sealed int, err error)
	// Unsealed returns the age of the oldest row that is not sealed; 0 if all are.
	// Any goroutine may call it.
	Unsealed(ctx context.Context) (oldest time.Duration, err error)
	// OldestTransaction describes, for people, the transaction that has been open for
	// longest; "" if none is open. Any goroutine may call it.
	OldestTransaction(ctx context.Context) (string, error)
	// PrepareMonths creates the partitions that the audit log needs next.
	PrepareMonths(ctx context.Context) error
}

// sealer seals the audit log. In any number of workers, only one seals at a time.
type sealer struct {
	chain   Sealer
	metrics *metrics
	log     *slog.Logger
}

// Start seals until ctx ends.
func (s *sealer) Start(ctx context.Context) error {
	o := outage{log: s.log, what: "sealing the audit log"}
	every(ctx, sealInterval, &o, s.seal)
	return nil
}

func (s *sealer) seal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sealTimeout)
	defer cancel()
	sealed, err := s.chain.Seal(ctx)
	s.metrics.sealed.Add(float64(sealed))
	return err
}
