package auditlog

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// RetentionOptions are the parts of a Retention. DB is required.
type RetentionOptions struct {
	DB    *store.DB                 // as the owner of the schema
	Key   func() ed25519.PrivateKey // signs the checkpoint of each dropped month; nil: no month can be dropped
	Years int                       // how long rows are kept; at least audit.RetentionYears, which is the default
}

func (o *RetentionOptions) setDefaults() { o.Years = max(o.Years, audit.RetentionYears) }

func (o *RetentionOptions) validate() error {
	if o.DB == nil {
		return errors.New("retention of the audit log needs a database")
	}
	return nil
}

// Retention drops the months of the audit log that are older than the policy's limit.
type Retention struct {
	chain
	years int
}

// NewRetention checks the options and returns the retention.
func NewRetention(opts RetentionOptions) (*Retention, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Retention{chain: chain{db: opts.DB, key: opts.Key}, years: opts.Years}, nil
}

// Limit is the instant before which the policy allows rows to be dropped now.
func (r *Retention) Limit() time.Time { return time.Now().UTC().AddDate(-r.years, 0, 0) }

// Due names the monthly partitions that Drop would drop.
func (r *Retention) Due(ctx context.Context, before time.Time) (names []string, err error) {
	months, err := r.monthsBefore(ctx, before)
	for _, month := range months {
		names = append(names, month.Name)
	}
	return names, err
}

// Drop drops the monthly partitions that ended before the instant, which must not be
// after Limit, and adds a checkpoint for each that records it. It returns their names.
//
// Readers and writers of the log wait only while a month is detached, together with
// its checkpoint, in one short transaction: everything is read before that, and the table is removed
// afterwards. First it finishes an earlier call that was interrupted.
func (r *Retention) Drop(ctx context.Context, before time.Time) (names []string, err error) {
	if r.key == nil {
		return nil, errors.New("dropping months of the audit log needs a key to sign with")
	}
	months, err := r.monthsBefore(ctx, before)
	if err != nil {
		return nil, err
	}
	left, err := r.db.System().AuditChain().DetachedTables(ctx)
	if err != nil {
		return nil, err
	}
	for _, table := range left {
		if err := r.finishDrop(ctx, table); err != nil {
			return nil, err
		}
	}
	for _, month := range months {
		if err := r.dropMonth(ctx, month); err != nil {
			return names, err
		}
		names = append(names, month.Name)
	}
	return names, nil
}

// monthsBefore returns the months to drop. All of their rows are sealed.
func (r *Retention) monthsBefore(ctx context.Context, before time.Time) ([]store.AuditMonth, error) {
	if before.After(r.Limit()) {
		return nil, clinic.Invalid("before", fmt.Sprintf("audit rows are kept for %d years: choose an earlier day", r.years))
	}
	h := r.db.System()
	months, err := h.AuditChain().Months(ctx)
	if err != nil {
		return nil, err
	}
	months = slices.DeleteFunc(months, func(m store.AuditMonth) bool { return m.End.After(before) })
	_, closed, err := lastOf(ctx, h)
	if err != nil {
		return nil, err
	}
	for _, month := range months {
		_, last, err := h.AuditChain().Ends(ctx, month.Name)
		if err != nil {
			return nil, err
		}
		if last > closed {
			return nil, clinic.Conflict("unsealed", "the month "+month.Name+" has unsealed rows: run a worker until they are sealed, then try again")
		}
	}
	return months, nil
}

func (r *Retention) dropMonth(ctx context.Context, month store.AuditMonth) error {
	runs, err := r.db.System().AuditChain().Runs(ctx, month.Name)
	if err != nil {
		return err
	}
	var table string
	err = r.db.TxLocked(ctx, func(h store.Handle) error {
		last, _, err := r.lock(ctx, h)
		if err != nil {
			return err
		}
		if table, err = h.AuditChain().DetachMonth(ctx, month); err != nil {
			return err
		}
		// It uses the month's own end instead of the requested day. That day is six years
		// ago now, but may not be after the next midnight, on February 29.
		return add(ctx, h, func() (audit.Checkpoint, error) { return last.Drop(runs, month.End) })
	})
	if err != nil {
		return err
	}
	return r.finishDrop(ctx, table)
}

// finishDrop removes the digests without remaining rows, and then the table, whose name shows
// until then that this is not finished.
func (r *Retention) finishDrop(ctx context.Context, table string) error {
	first, last, err := r.db.System().AuditChain().Ends(ctx, table)
	if err != nil {
		return err
	}
	if last > 0 {
		if err := r.forget(ctx, first, last); err != nil {
			return err
		}
	}
	return r.db.TxLocked(ctx, func(h store.Handle) error { return h.AuditChain().DropTable(ctx, table) })
}

// forget removes the digests of the checkpoints of a range of ids, where retention has
// dropped all rows of the checkpoint.
func (r *Retention) forget(ctx context.Context, first, last int64) error {
	h := r.db.System()
	statements, err := drops(ctx, h)
	if err != nil {
		return err
	}
	dropped := audit.DroppedBy(statements)
	number, err := checkpointOf(ctx, h, first)
	if err != nil {
		return err
	}
	for {
		checkpoints, err := h.AuditChain().Checkpoints(ctx, number-1, checkpointsAtOnce)
		if err != nil || len(checkpoints) == 0 {
			return err
		}
		var empty []int64
		for _, checkpoint := range checkpoints {
			if len(checkpoint.RowIDs) > 0 && dropped.HasAll(checkpoint.RowIDs) {
				empty = append(empty, checkpoint.Number)
			}
		}
		newest := checkpoints[len(checkpoints)-1]
		if err := h.AuditChain().ForgetDigests(ctx, empty); err != nil || newest.LastID >= last {
			return err
		}
		number = newest.Number + 1
	}
}

// checkpointOf returns the number of the checkpoint that closes the id, or of the next
// one: their last ids grow with their numbers.
func checkpointOf(ctx context.Context, h store.Handle, id int64) (int64, error) {
	newest, err := h.AuditChain().LastCheckpoint(ctx)
	if err != nil || newest.Number == 0 {
		return 1, err
	}
	low, high := int64(1), newest.Number
	for low < high {
		middle := low + (high-low)/2
		found, err := h.AuditChain().CheckpointStatements(ctx, middle-1, 1)
		if err != nil || len(found) == 0 {
			return low, err
		}
		if found[0].LastID >= id {
			high = middle
		} else {
			low = found[0].Number + 1
		}
	}
	return low, nil
}
