package service

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// DropMonths drops the monthly partitions that ended before the instant, which
// is at least the years of the policy ago, and adds a checkpoint for each that says so.
// It returns their names. With dryRun it only names them. It works as the owner of
// the schema.
//
// Whoever reads or writes the log waits only while a month is detached, together with
// its checkpoint, in one short transaction: all is read before that, and the table goes
// afterwards. What an earlier call left of that, this one finishes first.
func (c *Chain) DropMonths(ctx context.Context, before time.Time, years int, dryRun bool) (names []string, err error) {
	if years = max(years, audit.RetentionYears); before.After(time.Now().AddDate(-years, 0, 0)) {
		return nil, clinic.Invalid("before", fmt.Sprintf("audit rows are kept for %d years: name an earlier day", years))
	}
	months, err := c.monthsBefore(ctx, before)
	if err != nil {
		return nil, err
	}
	if !dryRun {
		left, err := c.db.System().AuditChain().DetachedTables(ctx)
		if err != nil {
			return nil, err
		}
		for _, table := range left {
			if err := c.finishDrop(ctx, table); err != nil {
				return nil, err
			}
		}
	}
	for _, month := range months {
		if !dryRun {
			if err := c.dropMonth(ctx, month); err != nil {
				return names, err
			}
		}
		names = append(names, month.Name)
	}
	return names, nil
}

// monthsBefore are those to be dropped, all of whose rows are sealed.
func (c *Chain) monthsBefore(ctx context.Context, before time.Time) ([]store.AuditMonth, error) {
	h := c.db.System()
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
			return nil, clinic.Conflict("unsealed", "the month "+month.Name+" has rows that are not sealed yet: let a worker run first")
		}
	}
	return months, nil
}

func (c *Chain) dropMonth(ctx context.Context, month store.AuditMonth) error {
	runs, err := c.db.System().AuditChain().Runs(ctx, month.Name)
	if err != nil {
		return err
	}
	var table string
	err = c.db.TxLocked(ctx, func(h store.Handle) error {
		chain, _, err := c.lock(ctx, h)
		if err != nil {
			return err
		}
		if table, err = h.AuditChain().DetachMonth(ctx, month); err != nil {
			return err
		}
		// The month's own end, and not the day that was asked for, which is six years
		// ago now and may not be at the next stroke of midnight, on February 29.
		return add(ctx, h, func() (audit.Checkpoint, error) { return chain.Drop(runs, month.End) })
	})
	if err != nil {
		return err
	}
	return c.finishDrop(ctx, table)
}

// finishDrop removes the digests that nothing is left of, and then the table, which says
// until then that this is to be done.
func (c *Chain) finishDrop(ctx context.Context, table string) error {
	first, last, err := c.db.System().AuditChain().Ends(ctx, table)
	if err != nil {
		return err
	}
	if last > 0 {
		if err := c.forget(ctx, first, last); err != nil {
			return err
		}
	}
	return c.db.TxLocked(ctx, func(h store.Handle) error { return h.AuditChain().DropTable(ctx, table) })
}

// forget removes the digests of the checkpoints of a range of ids all of whose rows
// retention dropped, now or before.
func (c *Chain) forget(ctx context.Context, first, last int64) error {
	h := c.db.System()
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

// checkpointOf returns the number of the checkpoint that closes the id, or of the one
// that follows: their last ids grow with their numbers.
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
