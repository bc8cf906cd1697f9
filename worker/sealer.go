package worker

import (
	"context"
	"log/slog"
	"time"
)

const (
	// sealInterval is how often rows of the audit log are sealed; one is sealed by
	// the second time after it was written.
	sealInterval = 2 * time.Second
	// sealTimeout bounds one call, which seals a bounded number of rows.
	sealTimeout = time.Minute
)

// Sealer is what the worker asks of the chain that seals the audit log.
type Sealer interface {
	// Seal seals what is settled and says how many rows that were. Only one
	// goroutine may call it.
	Seal(ctx context.Context) (sealed int, err error)
	// Unsealed gives the age of the oldest row that is not sealed; 0 when all are.
	// Any goroutine may call it.
	Unsealed(ctx context.Context) (oldest time.Duration, err error)
	// OldestTransaction says, for people, whose transaction has been open for longest;
	// "" when none is. Any goroutine may call it.
	OldestTransaction(ctx context.Context) (string, error)
	// PrepareMonths makes the partitions that the audit log needs next.
	PrepareMonths(ctx context.Context) error
}

// sealer seals the audit log. Any number of workers may: one of them does.
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
