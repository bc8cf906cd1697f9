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

// Months lists the monthly partitions, oldest first.
func (h AuditChain) Months(ctx context.Context) ([]AuditMonth, error) {
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

// Runs returns the runs of consecutive ids in a month's table, in order: the first and
// the last id of each.
func (h AuditChain) Runs(ctx context.Context, table string) ([][2]int64, error) {
	rows, err := h.db.Query(ctx, "-- name: AuditRuns\nSELECT ARRAY[min(id), max(id)] FROM (SELECT id, id - row_number() OVER (ORDER BY id) AS run FROM "+
		pgx.Identifier{table}.Sanitize()+") ids GROUP BY run ORDER BY min(id)")
	if err != nil {
		return nil, fmt.Errorf("reading the ids of a month: %w", translate(err))
	}
	runs, err := pgx.CollectRows(rows, pgx.RowTo[[2]int64])
	if err != nil {
		return nil, fmt.Errorf("reading the ids of a month: %w", translate(err))
	}
	return runs, nil
}

// Ends returns the first and the last id of such a table; 0 where it is empty.
func (h AuditChain) Ends(ctx context.Context, table string) (first, last int64, err error) {
	err = h.db.QueryRow(ctx, "-- name: AuditEnds\nSELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM "+pgx.Identifier{table}.Sanitize()).Scan(&first, &last)
	if err != nil {
		return 0, 0, fmt.Errorf("reading the ids of a month: %w", translate(err))
	}
	return first, last, nil
}

// droppedSuffix marks the tables whose rows no longer belong to the log.
const droppedSuffix = "_dropped"

// DetachMonth detaches a month from the log and renames its table, until DropTable removes
// it. Only the owner of the log may. It waits for all transactions that use the log, and later
// ones wait behind it: see TxLocked. DETACH CONCURRENTLY locks less, but Postgres refuses it
// where the table has a default partition, and without that a row might have no partition.
func (h AuditChain) DetachMonth(ctx context.Context, month AuditMonth) (table string, err error) {
	table = month.Name + droppedSuffix
	name := pgx.Identifier{month.Name}.Sanitize()
	_, err = h.db.Exec(ctx, "ALTER TABLE audit_log DETACH PARTITION "+name)
	if err == nil {
		_, err = h.db.Exec(ctx, "ALTER TABLE "+name+" RENAME TO "+pgx.Identifier{table}.Sanitize())
	}
	if err != nil {
		return "", fmt.Errorf("detaching a month of the audit log: %w", translate(err))
	}
	return table, nil
}

// DetachedTables lists the tables that DetachMonth detached and DropTable has not removed.
func (h AuditChain) DetachedTables(ctx context.Context) ([]string, error) {
	rows, err := h.db.Query(ctx, `-- name: DetachedAuditTables
		SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
			AND c.relname ~ ('^audit_log_[0-9]{4}_[0-9]{2}' || $1 || '$') ORDER BY c.relname`, droppedSuffix)
	if err != nil {
		return nil, fmt.Errorf("looking for detached months: %w", translate(err))
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("looking for detached months: %w", translate(err))
	}
	return tables, nil
}

// DropTable removes a table that was detached.
func (h AuditChain) DropTable(ctx context.Context, table string) error {
	if _, err := h.db.Exec(ctx, "DROP TABLE "+pgx.Identifier{table}.Sanitize()); err != nil {
		return fmt.Errorf("dropping a month of the audit log: %w", translate(err))
	}
	return nil
}

// ForgetDigests removes the digests of checkpoints all of whose rows are gone.
func (h AuditChain) ForgetDigests(ctx context.Context, numbers []int64) error {
	if err := h.q.ForgetDigests(ctx, h.db, numbers); err != nil {
		return fmt.Errorf("removing digests: %w", translate(err))
	}
	return nil
}
