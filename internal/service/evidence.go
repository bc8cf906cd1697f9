package service

import (
	"context"
	"io"
	"math"
	"time"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// checkpointsAtOnce bounds what is in memory: a checkpoint holds up to 200 kB of digests.
const checkpointsAtOnce = 20

// statementsAtOnce is for those that are read without digests.
const statementsAtOnce = 1000

// span is a part of the chain: the checkpoints from first to last, and the first id of
// their rows.
type span struct{ first, last, row int64 }

// whole begins with the lowest id there is: one below 1 is no row of the log's.
func whole() span {
	return span{first: math.MinInt64 + 1, last: math.MaxInt64, row: math.MinInt64}
}

// Verify checks every checkpoint with its rows, all as they are when it begins, and
// says how many rows are not sealed yet. progress is called after each checkpoint.
func (c *Chain) Verify(ctx context.Context, v *audit.Verifier, progress func()) (unsealed int64, err error) {
	err = c.db.Snapshot(ctx, func(h store.Handle) error {
		if v.Drops, err = drops(ctx, h); err != nil {
			return err
		}
		v.Prepare()
		err := each(ctx, h, whole(), func(checkpoint audit.Checkpoint, rows []clinic.AuditRow) error {
			v.Checkpoint(checkpoint, rows)
			if s, err := checkpoint.Parse(); err == nil && s.UpTo != checkpoint.LastID && checkpoint.Signed() {
				v.Report(audit.Fault{Checkpoint: checkpoint.Number, What: "the last id that stands beside its statement is another one"})
			}
			progress()
			return nil
		})
		if err != nil {
			return err
		}
		v.End()
		unsealed, err = h.AuditChain().CountRows(ctx, v.UpTo())
		return err
	})
	return unsealed, err
}

// Export writes the checkpoints that were made at or after from and before to, with
// all of their rows, and says how many rows it wrote. What is between two of them
// comes with them, whatever the clock of the worker said that made it.
func (c *Chain) Export(ctx context.Context, w io.Writer, from, to time.Time, progress func()) (written int, err error) {
	err = c.db.Snapshot(ctx, func(h store.Handle) error {
		retention, err := drops(ctx, h)
		if err != nil {
			return err
		}
		exporter, err := audit.NewExporter(w, retention)
		if err != nil {
			return err
		}
		period, err := spanOf(ctx, h, from, to)
		if err != nil {
			return err
		}
		return each(ctx, h, period, func(checkpoint audit.Checkpoint, rows []clinic.AuditRow) error {
			written += len(rows)
			progress()
			return exporter.Checkpoint(checkpoint, rows)
		})
	})
	return written, err
}

// spanOf finds the first and the last checkpoint of a time. One that cannot be read
// is of the time of the one before.
func spanOf(ctx context.Context, h store.Handle, from, to time.Time) (span, error) {
	found := span{first: math.MaxInt64, last: math.MinInt64}
	row, number := whole().row, whole().first-1
	var at time.Time
	for {
		checkpoints, err := h.AuditChain().CheckpointStatements(ctx, number, statementsAtOnce)
		if err != nil || len(checkpoints) == 0 {
			return found, err
		}
		for _, checkpoint := range checkpoints {
			number = checkpoint.Number
			statement, err := audit.Checkpoint(checkpoint).Parse()
			if err == nil {
				at = statement.At
			}
			if !at.Before(from) && at.Before(to) {
				if found.last == math.MinInt64 {
					found.first, found.row = number, row
				}
				found.last = number
			}
			row = max(row, following(end(checkpoint)))
		}
	}
}

// each calls visit with each checkpoint of the span in order and the rows of its range.
func each(ctx context.Context, h store.Handle, s span, visit func(audit.Checkpoint, []clinic.AuditRow) error) error {
	number := s.first - 1
	for {
		checkpoints, err := h.AuditChain().Checkpoints(ctx, number, checkpointsAtOnce)
		if err != nil || len(checkpoints) == 0 {
			return err
		}
		for _, checkpoint := range checkpoints {
			if number = checkpoint.Number; number > s.last {
				return nil
			}
			var rows []clinic.AuditRow
			if upTo, row := end(checkpoint), begin(checkpoint, s.row); upTo >= row {
				if rows, err = h.AuditChain().Rows(ctx, row, upTo, math.MaxInt32); err != nil {
					return err
				}
				s.row = following(upTo)
			}
			if err := visit(audit.Checkpoint(checkpoint), rows); err != nil {
				return err
			}
		}
	}
}

// following is the id after the given one; the highest has none, and stays.
func following(id int64) int64 { return max(id, id+1) }

// end is the last id of a checkpoint's range: what the statement says, and where nobody
// signed that, which whoever verifies finds out, what stands beside it.
func end(c clinic.AuditCheckpoint) int64 {
	statement, err := audit.Checkpoint(c).Parse()
	if err != nil || statement.UpTo != c.LastID && !audit.Checkpoint(c).Signed() {
		return c.LastID
	}
	return statement.UpTo
}

// begin is the first id of a checkpoint's range after those that are read: where two
// were exchanged, one begins before, and its rows are read again.
func begin(c clinic.AuditCheckpoint, next int64) int64 {
	statement, err := audit.Checkpoint(c).Parse()
	if err != nil || following(statement.After) >= next || !audit.Checkpoint(c).Signed() {
		return next
	}
	return following(statement.After)
}

func drops(ctx context.Context, h store.Handle) ([]audit.Checkpoint, error) {
	found, err := h.AuditChain().DropCheckpoints(ctx)
	checkpoints := make([]audit.Checkpoint, 0, len(found))
	for _, c := range found {
		checkpoints = append(checkpoints, audit.Checkpoint(c))
	}
	return checkpoints, err
}
