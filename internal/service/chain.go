package service

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

const (
	sealLimit     = 5000 // rows that one checkpoint seals at most
	batchesAtOnce = 50   // checkpoints that one call of Seal makes at most
)

// Chain keeps the chain that seals the audit log. Several may work on the same
// database; one Chain is for one goroutine.
type Chain struct {
	db    *store.DB
	key   func() ed25519.PrivateKey // nil: it can be read only
	bound store.AuditBound          // what is sealed next, once no earlier row can appear any more
}

// NewChain returns the chain in the database. key returns the key that signs now, and
// is asked for each checkpoint; nil signs nothing.
func NewChain(db *store.DB, key func() ed25519.PrivateKey) *Chain { return &Chain{db: db, key: key} }

// PrepareMonths makes the audit log's partitions of this month and the next ones.
func (c *Chain) PrepareMonths(ctx context.Context) error {
	return c.db.System().AuditChain().PrepareMonths(ctx)
}

// Unsealed gives the age of the oldest row that is not sealed; 0 when all are. Any
// goroutine may call it.
func (c *Chain) Unsealed(ctx context.Context) (oldest time.Duration, err error) {
	return c.db.System().AuditChain().OldestUnsealed(ctx)
}

// OldestTransaction says, for people, whose transaction has been open for longest;
// "" when none is. Any goroutine may call it.
func (c *Chain) OldestTransaction(ctx context.Context) (string, error) {
	return c.db.System().AuditChain().OldestTransaction(ctx)
}

// Seal seals the rows that were there when it was called before, unless one of
// the transactions of that moment is still open, and says how many it sealed.
// Rows get their ids in another order than they become visible: so a
// range of ids is closed only when each transaction that drew one of them has ended.
// What is left of a long backlog is for the next call.
func (c *Chain) Seal(ctx context.Context) (sealed int, err error) {
	for batch := 0; c.bound.ID != 0 && batch < batchesAtOnce; batch++ {
		n, err := c.sealSome(ctx)
		if err != nil {
			c.bound = store.AuditBound{} // it may be of rows that are lost
			return sealed, err
		}
		sealed += n
		if n == 0 {
			break
		}
	}
	if c.bound.ID != 0 {
		return sealed, nil
	}
	_, closed, err := lastOf(ctx, c.db.System())
	if err != nil {
		return sealed, err
	}
	c.bound, err = c.db.System().AuditChain().Bound(ctx, closed)
	return sealed, err
}

// sealSome seals up to sealLimit rows up to the bound, and forgets the bound when
// nothing is left to do with it. It asks in the transaction that seals: another one
// may be of another server.
func (c *Chain) sealSome(ctx context.Context) (sealed int, err error) {
	done := true
	err = c.db.Tx(ctx, nil, func(h store.Handle) error {
		chain, closed, err := c.lock(ctx, h)
		if err != nil || closed >= c.bound.ID { // another worker did it
			return err
		}
		settled, known, err := h.AuditChain().Settled(ctx, c.bound)
		if err != nil || !known {
			return err
		}
		if !settled {
			done = false
			return nil
		}
		rows, err := h.AuditChain().Rows(ctx, closed+1, c.bound.ID, sealLimit)
		if err != nil || len(rows) == 0 {
			return err
		}
		sealed, done = len(rows), len(rows) < sealLimit
		// Only what was read is closed.
		return add(ctx, h, func() (audit.Checkpoint, error) { return chain.Seal(rows, rows[len(rows)-1].ID) })
	})
	if done {
		c.bound = store.AuditBound{}
	}
	return sealed, err
}

// lock returns the end of the chain, which grows by this transaction only.
func (c *Chain) lock(ctx context.Context, h store.Handle) (chain audit.Chain, closed int64, err error) {
	if err := h.AuditChain().Lock(ctx); err != nil {
		return audit.Chain{}, 0, err
	}
	last, closed, err := lastOf(ctx, h)
	chain = audit.Chain{Last: last, Now: time.Now().UTC()}
	if c.key != nil {
		chain.Key = c.key()
	}
	return chain, closed, err
}

// lastOf returns the newest checkpoint, nil before the first, and the last id that its
// statement closes: what stands beside it is not signed.
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

// Newest returns the newest checkpoint without its digests; CodeNotFound before
// the first.
func (c *Chain) Newest(ctx context.Context) (audit.Checkpoint, error) {
	last, err := c.db.System().AuditChain().LastCheckpoint(ctx)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	if last.Number == 0 {
		return audit.Checkpoint{}, clinic.NotFound("checkpoint: nothing is sealed yet")
	}
	return audit.Checkpoint{Statement: last.Statement, Signature: last.Signature}, nil
}
