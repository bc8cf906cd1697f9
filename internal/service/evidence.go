package service

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// checkpointsAtOnce bounds what is in memory: a checkpoint holds up to 200 kB of digests.
const checkpointsAtOnce = 20

// Verify checks every checkpoint with its rows and says how many rows are not
// sealed yet. progress is called after each checkpoint.
func (c *Chain) Verify(ctx context.Context, v *audit.Verifier, progress func()) (unsealed int64, err error) {
	h := c.db.System()
	if v.Drops, err = drops(ctx, h); err != nil {
		return 0, err
	}
	v.Prepare()
	err = c.each(ctx, func(checkpoint audit.Checkpoint, _ audit.Statement, rows []clinic.AuditRow) error {
		v.Checkpoint(checkpoint, rows)
		progress()
		return nil
	})
	if err != nil {
		return 0, err
	}
	v.End()
	return h.CountAuditRows(ctx, v.UpTo())
}

// Export writes the checkpoints that were made at or after from and before to, with
// all of their rows, and says how many rows it wrote.
func (c *Chain) Export(ctx context.Context, w io.Writer, from, to time.Time, progress func()) (written int, err error) {
	retention, err := drops(ctx, c.db.System())
	if err != nil {
		return 0, err
	}
	exporter, err := audit.NewExporter(w, retention)
	if err != nil {
		return 0, err
	}
	err = c.each(ctx, func(checkpoint audit.Checkpoint, s audit.Statement, rows []clinic.AuditRow) error {
		if s.At.Before(from) || !s.At.Before(to) {
			return nil
		}
		written += len(rows)
		progress()
		return exporter.Checkpoint(checkpoint, rows)
	})
	return written, err
}

// each calls visit with each checkpoint in order and the rows of its range. A
// statement that cannot be read is the zero Statement.
func (c *Chain) each(ctx context.Context, visit func(audit.Checkpoint, audit.Statement, []clinic.AuditRow) error) error {
	h := c.db.System()
	var number int64
	after := int64(math.MinInt64) // an id below 1 is no row of the log's
	for {
		checkpoints, last, err := h.Checkpoints(ctx, number, checkpointsAtOnce)
		if err != nil || len(checkpoints) == 0 {
			return err
		}
		number = last
		for _, found := range checkpoints {
			checkpoint := audit.Checkpoint(found)
			statement, _ := checkpoint.Parse() // who verifies finds out
			var rows []clinic.AuditRow
			if statement.UpTo > after {
				if rows, err = h.AuditRows(ctx, after, statement.UpTo, math.MaxInt32); err != nil {
					return err
				}
				after = statement.UpTo
			}
			if err := visit(checkpoint, statement, rows); err != nil {
				return err
			}
		}
	}
}

func drops(ctx context.Context, h store.Handle) ([]audit.Checkpoint, error) {
	found, err := h.DropCheckpoints(ctx)
	checkpoints := make([]audit.Checkpoint, 0, len(found))
	for _, c := range found {
		checkpoints = append(checkpoints, audit.Checkpoint(c))
	}
	return checkpoints, err
}

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
		checkpoints, last, err := h.Checkpoints(ctx, number, checkpointsAtOnce)
		if err != nil || len(checkpoints) == 0 {
			return err
		}
		var empty []int64
		for _, checkpoint := range checkpoints {
			if all(checkpoint.RowIDs, gone) {
				empty = append(empty, checkpoint.Number)
			}
		}
		if err := h.ForgetDigests(ctx, empty); err != nil {
			return err
		}
		number = last
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
