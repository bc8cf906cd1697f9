package auditlog

import (
	"context"
	"io"
	"math"
	"time"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// statementsAtOnce is for checkpoints that are read without digests.
const statementsAtOnce = 1000

// Period is the time from From, inclusive, to To, exclusive.
type Period struct{ From, To time.Time }

// Export writes the checkpoints that were made in the period, with all of their rows,
// and returns how many rows it wrote. It includes every checkpoint between two of them,
// whatever the worker's clock showed when it made them. It calls progress after each.
func Export(ctx context.Context, db *store.DB, w io.Writer, period Period, progress func()) (written int, err error) {
	err = db.Snapshot(ctx, func(h store.Handle) error {
		retention, err := drops(ctx, h)
		if err != nil {
			return err
		}
		exporter, err := audit.NewExporter(w, retention)
		if err != nil {
			return err
		}
		span, err := spanOf(ctx, h, period)
		if err != nil {
			return err
		}
		return each(ctx, h, span, func(checkpoint audit.Checkpoint, rows []clinic.AuditRow) error {
			written += len(rows)
			progress()
			return exporter.Checkpoint(checkpoint, rows)
		})
	})
	return written, err
}

// spanOf finds the first and the last checkpoint of a period. An unreadable one
// counts with the time of the previous one.
func spanOf(ctx context.Context, h store.Handle, period Period) (span, error) {
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
			if !at.Before(period.From) && at.Before(period.To) {
				if found.last == math.MinInt64 {
					found.first, found.row = number, row
				}
				found.last = number
			}
			row = max(row, following(end(checkpoint)))
		}
	}
}

// Newest returns the newest checkpoint without its digests. It fails with CodeNotFound before
// the first.
func Newest(ctx context.Context, db *store.DB) (audit.Checkpoint, error) {
	last, err := db.System().AuditChain().LastCheckpoint(ctx)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	if last.Number == 0 {
		return audit.Checkpoint{}, clinic.NotFound("checkpoint: no rows are sealed yet")
	}
	return audit.Checkpoint{Statement: last.Statement, Signature: last.Signature}, nil
}
