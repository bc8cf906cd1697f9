package auditlog

import (
	"context"
	"math"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// checkpointsAtOnce bounds the memory: a checkpoint has up to 200 kB of digests.
const checkpointsAtOnce = 20

// span is a part of the chain: the checkpoints from first to last, and the first id of
// their rows.
type span struct{ first, last, row int64 }

// whole begins with the lowest possible id: a row below 1 is none of the log's.
func whole() span {
	return span{first: math.MinInt64 + 1, last: math.MaxInt64, row: math.MinInt64}
}

// each calls visit for each checkpoint of the span in order, with the rows of its range.
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

// following returns the id after the given one, and the highest id for itself.
func following(id int64) int64 { return max(id, id+1) }

// end is the last id of a checkpoint's range: that of the statement, or, where nobody
// signed the statement (which the verification reports), that of the column beside it.
func end(c clinic.AuditCheckpoint) int64 {
	statement, err := audit.Checkpoint(c).Parse()
	if err != nil || statement.UpTo != c.LastID && !audit.Checkpoint(c).Signed() {
		return c.LastID
	}
	return statement.UpTo
}

// begin is the first id of a checkpoint's range after those that were read. Where two checkpoints
// were exchanged, one begins earlier, and its rows are read again.
func begin(c clinic.AuditCheckpoint, next int64) int64 {
	statement, err := audit.Checkpoint(c).Parse()
	if err != nil || following(statement.After) >= next || !audit.Checkpoint(c).Signed() {
		return next
	}
	return following(statement.After)
}
