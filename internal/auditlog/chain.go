package auditlog

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// chain is the chain in the database, to which signed checkpoints are added.
type chain struct {
	db  *store.DB
	key func() ed25519.PrivateKey // called for each checkpoint
}

// lock returns the end of the chain. Until the transaction ends, no other one can extend the chain.
func (c chain) lock(ctx context.Context, h store.Handle) (end audit.Chain, closed int64, err error) {
	if err := h.AuditChain().Lock(ctx); err != nil {
		return audit.Chain{}, 0, err
	}
	last, closed, err := lastOf(ctx, h)
	return audit.Chain{Last: last, Key: c.key(), Now: time.Now().UTC()}, closed, err
}

// lastOf returns the newest checkpoint, nil before the first, and the last id that its
// statement closes: the column beside the statement is not signed.
func lastOf(ctx context.Context, h store.Handle) (last *audit.Checkpoint, closed int64, err error) {
	found, err := h.AuditChain().LastCheckpoint(ctx)
	if err != nil || found.Number == 0 {
		return nil, 0, err
	}
	last = (*audit.Checkpoint)(&found)
	statement, err := last.Parse()
	if err != nil {
		return nil, 0, fmt.Errorf("reading the newest checkpoint: %w", clinic.Internal(err))
	}
	return last, statement.UpTo, nil
}

func add(ctx context.Context, h store.Handle, next func() (audit.Checkpoint, error)) error {
	checkpoint, err := next()
	if err != nil {
		return fmt.Errorf("making a checkpoint: %w", clinic.Internal(err))
	}
	statement, err := checkpoint.Parse()
	if err != nil {
		return fmt.Errorf("making a checkpoint: %w", clinic.Internal(err))
	}
	return h.AuditChain().AddCheckpoint(ctx, statement.UpTo, clinic.AuditCheckpoint(checkpoint))
}

func drops(ctx context.Context, h store.Handle) ([]audit.Checkpoint, error) {
	found, err := h.AuditChain().DropCheckpoints(ctx)
	checkpoints := make([]audit.Checkpoint, 0, len(found))
	for _, c := range found {
		checkpoints = append(checkpoints, audit.Checkpoint(c))
	}
	return checkpoints, err
}
