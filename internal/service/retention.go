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
// is at least the years of the policy ago, and adds a checkpoint that says so. It
// returns their names. With dryRun it only names them. It works as the owner of
// the schema.
func (c *Chain) DropMonths(ctx context.Context, before time.Time, years int, dryRun bool) (names []string, err error) {
	if years = max(years, audit.RetentionYears); before.After(time.Now().AddDate(-years, 0, 0)) {
		return nil, clinic.Invalid("before", fmt.Sprintf("audit rows are kept for %d years: name an earlier day", years))
	}
	err = c.db.Tx(ctx, nil, func(h store.Handle) error {
		chain, closed, err := c.lock(ctx, h)
		if err != nil {
			return err
		}
		months, err := h.AuditMonths(ctx)
		if err != nil {
			return err
		}
		var dropped []int64
		for _, month := range months {
			if month.End.After(before) {
				continue
			}
			ids, err := h.AuditIDs(ctx, month)
			if err != nil {
				return err
			}
			if len(ids) > 0 && ids[len(ids)-1] > closed {
				return clinic.Conflict("unsealed", "the month "+month.Name+" has rows that are not sealed yet: let a worker run first")
			}
			names, dropped = append(names, month.Name), append(dropped, ids...)
			if !dryRun {
				if err := h.DropAuditMonth(ctx, month); err != nil {
					return err
				}
			}
		}
		if dryRun || len(names) == 0 {
			return nil
		}
		return noteDrop(ctx, h, chain, dropped, before)
	})
	return names, err
}

// noteDrop adds the checkpoint, and removes the digests that nothing is left of.
func noteDrop(ctx context.Context, h store.Handle, chain audit.Chain, dropped []int64, before time.Time) error {
	gone := make(map[int64]bool, len(dropped))
	for _, id := range dropped {
		gone[id] = true
	}
	err := add(ctx, h, func() (audit.Checkpoint, error) { return chain.Drop(audit.Runs(sorted(dropped)), before) })
	if err != nil {
		return err
	}
	var number int64
	for {
		checkpoints, err := h.Checkpoints(ctx, number, checkpointsAtOnce)
		if err != nil || len(checkpoints) == 0 {
			return err
		}
		var empty []int64
		for _, checkpoint := range checkpoints {
			if all(checkpoint.RowIDs, gone) {
				empty = append(empty, checkpoint.Number)
			}
			number = checkpoint.Number
		}
		if err := h.ForgetDigests(ctx, empty); err != nil {
			return err
		}
	}
}

// all reports whether there are ids and each is in the set.
func all(ids []int64, set map[int64]bool) bool {
	return len(ids) > 0 && !slices.ContainsFunc(ids, func(id int64) bool { return !set[id] })
}

func sorted(ids []int64) []int64 {
	slices.Sort(ids)
	return ids
}
