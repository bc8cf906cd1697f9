package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// AuditMonth is a partition of the audit log.
type AuditMonth struct {
	Name string
	End  time.Time // the first instant after it
}

// AuditMonths lists the monthly partitions, oldest first.
func (h Handle) AuditMonths(ctx context.Context) ([]AuditMonth, error) {
	rows, err := h.db.Query(ctx, `-- name: AuditMonths
		SELECT c.relname, (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC'
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'audit_log'::regclass AND c.relname ~ '^audit_log_[0-9]{4}_[0-9]{2}$' ORDER BY c.relname`)
	if err != nil {
		return nil, fmt.Errorf("listing the audit log's months: %w", translate(err))
	}
	months, err := pgx.CollectRows(rows, pgx.RowToStructByPos[AuditMonth])
	if err != nil {
		return nil, fmt.Errorf("listing the audit log's months: %w", translate(err))
	}
	return months, nil
}

// AuditIDs returns the ids of a month's rows in order.
func (h Handle) AuditIDs(ctx context.Context, month AuditMonth) ([]int64, error) {
	rows, err := h.db.Query(ctx, "-- name: AuditIDs\nSELECT id FROM "+pgx.Identifier{month.Name}.Sanitize()+" ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("reading the ids of a month: %w", translate(err))
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("reading the ids of a month: %w", translate(err))
	}
	return ids, nil
}

// DropAuditMonth removes a month with its rows; only the owner may.
func (h Handle) DropAuditMonth(ctx context.Context, month AuditMonth) error {
	if _, err := h.db.Exec(ctx, "DROP TABLE "+pgx.Identifier{month.Name}.Sanitize()); err != nil {
		return fmt.Errorf("dropping a month of the audit log: %w", translate(err))
	}
	return nil
}

// ForgetDigests removes the digests of checkpoints all of whose rows are gone.
func (h Handle) ForgetDigests(ctx context.Context, numbers []int64) error {
	if err := h.q.ForgetDigests(ctx, h.db, numbers); err != nil {
		return fmt.Errorf("removing digests: %w", translate(err))
	}
	return nil
}
