package store

import (
	"context"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// CountKind is what is counted: the name is that of check_counts in the schema.
type CountKind string

// The kinds of counts that are kept.
const (
	CountOfRecords       CountKind = "records"       // by patient and type
	CountOfNotifications CountKind = "notifications" // by recipient, read or not
	CountOfAssignments   CountKind = "assignments"   // that are open-ended, by doctor
)

// CountKinds lists the kinds.
func CountKinds() []CountKind {
	return []CountKind{CountOfRecords, CountOfNotifications, CountOfAssignments}
}

// ownersOfCounts is how many patients, users or doctors a statement checks: few enough that no snapshot is kept for long.
const ownersOfCounts = 1000

// Check compares the counts of the next owners beyond the id with the rows, and with repair corrects them. It returns the
// last of these owners, 0 after the last one of all, and how many counts were wrong. Others may write meanwhile.
func (h Counts) Check(ctx context.Context, kind CountKind, beyond int64, repair bool) (last int64, wrong int, err error) {
	row, err := h.q.CheckCounts(ctx, h.db, dbsqlc.CheckCountsParams{Kind: string(kind), Beyond: beyond, Most: ownersOfCounts, Repair: repair})
	if err != nil {
		return 0, 0, fmt.Errorf("checking the counts of %s: %w", kind, translate(err))
	}
	return row.UpTo, int(row.Wrong), nil
}
