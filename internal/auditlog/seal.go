package auditlog

import (
	"context"
	"crypto/ed25519"
	"errors"
	"time"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/store"
)

const (
	sealLimit     = 5000 // maximum number of rows that one checkpoint seals
	batchesAtOnce = 50   // maximum number of checkpoints that one call of Seal makes
)

// SealerOptions are the parts of a Sealer. Both are required.
type SealerOptions struct {
	DB  *store.DB
	Key func() ed25519.PrivateKey // returns the key that signs now; called for each checkpoint
}

func (o *SealerOptions) validate() error {
	if o.DB == nil || o.Key == nil {
		return errors.New("sealing the audit log needs a database and a key")
	}
	return nil
}

// Sealer seals the rows of the audit log. Several may work on the same database.
type Sealer struct {
	chain
	bound store.AuditBound // the end of the rows to seal next, once no earlier row can appear any more
}

// NewSealer checks the options and returns the sealer.
func NewSealer(opts SealerOptions) (*Sealer, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Sealer{chain: chain{db: opts.DB, key: opts.Key}}, nil
}

// PrepareMonths makes the audit log's partitions of this month and the next ones.
func (s *Sealer) PrepareMonths(ctx context.Context) error {
	return s.db.System().AuditChain().PrepareMonths(ctx)
}

// Unsealed gives the age of the oldest row that is not sealed; 0 when all are. Any
// goroutine may call it.
func (s *Sealer) Unsealed(ctx context.Context) (oldest time.Duration, err error) {
	return s.db.System().AuditChain().OldestUnsealed(ctx)
}

// OldestTransaction describes, for operators, the transaction that has been open for longest;
// "" when none is open. Any goroutine may call it.
func (s *Sealer) OldestTransaction(ctx context.Context) (string, error) {
	return s.db.System().AuditChain().OldestTransaction(ctx)
}

// Seal seals the rows that existed at its previous call, unless one of
// the transactions of that moment is still open, and returns how many it sealed.
// Rows become visible in another order than that of their ids: so a
// range of ids is closed only when each transaction that drew one of them has ended.
// The next call continues with a long backlog. Only one goroutine may call it.
func (s *Sealer) Seal(ctx context.Context) (sealed int, err error) {
	for batch := 0; s.bound.ID != 0 && batch < batchesAtOnce; batch++ {
		n, err := s.sealSome(ctx)
		if err != nil {
			s.bound = store.AuditBound{} // its rows may be lost
			return sealed, err
		}
		sealed += n
		if n == 0 {
			break
		}
	}
	if s.bound.ID != 0 {
		return sealed, nil
	}
	_, closed, err := lastOf(ctx, s.db.System())
	if err != nil {
		return sealed, err
	}
	s.bound, err = s.db.System().AuditChain().Bound(ctx, closed)
	return sealed, err
}

// sealSome seals up to sealLimit rows up to the bound, and forgets the bound when
// no rows are left below it. It checks the bound in the transaction that seals: another transaction
// may go to another server.
func (s *Sealer) sealSome(ctx context.Context) (sealed int, err error) {
	done := true
	err = s.db.Tx(ctx, nil, func(h store.Handle) error {
		last, closed, err := s.lock(ctx, h)
		if err != nil || closed >= s.bound.ID { // another worker sealed them
			return err
		}
		settled, known, err := h.AuditChain().Settled(ctx, s.bound)
		if err != nil || !known {
			return err
		}
		if !settled {
			done = false
			return nil
		}
		rows, err := h.AuditChain().Rows(ctx, closed+1, s.bound.ID, sealLimit)
		if err != nil || len(rows) == 0 {
			return err
		}
		sealed, done = len(rows), len(rows) < sealLimit
		// It closes only the rows that it has read.
		return add(ctx, h, func() (audit.Checkpoint, error) { return last.Seal(rows, rows[len(rows)-1].ID) })
	})
	if done {
		s.bound = store.AuditBound{}
	}
	return sealed, err
}
