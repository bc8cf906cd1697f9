package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// AuditBound is a row of the audit log and a transaction id. Every transaction that drew
// an id up to the row's is older than this transaction.
type AuditBound struct {
	ID          int64
	at          string // of the row, as Postgres sends it: with the id, no other row has it
	transaction int64
}

// Bound returns the newest row above the id; its ID is 0 when there is none.
func (h AuditChain) Bound(ctx context.Context, closed int64) (AuditBound, error) {
	row, err := h.q.AuditBound(ctx, h.db, closed)
	if errors.Is(err, pgx.ErrNoRows) {
		return AuditBound{}, nil
	}
	if err != nil {
		return AuditBound{}, fmt.Errorf("looking for audit rows: %w", translate(err))
	}
	return AuditBound{ID: row.ID, at: row.At, transaction: row.Transaction}, nil
}

// Settled reports whether no row up to the bound can appear any more, and
// whether the bound comes from the database's present history: after a restore, or a failover
// that lost rows, it does not.
func (h AuditChain) Settled(ctx context.Context, bound AuditBound) (settled, known bool, err error) {
	row, err := h.q.AuditSettled(ctx, h.db, dbsqlc.AuditSettledParams{Transaction: bound.transaction, ID: bound.ID, At: bound.at})
	if err != nil {
		return false, false, fmt.Errorf("looking for open transactions: %w", translate(err))
	}
	return row.Settled, row.Known, nil
}

// OldestTransaction describes, for operators, the oldest open transaction that writes, in any
// database of this Postgres. It is "" when none is open. A prepared transaction
// has no process.
func (h AuditChain) OldestTransaction(ctx context.Context) (string, error) {
	var process int
	var role, database string
	err := h.db.QueryRow(ctx, `-- name: OldestTransaction
		SELECT coalesce(a.pid, 0), coalesce(a.usename, p.owner, ''), coalesce(a.datname, p.database, '')
		FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::xid AS id) AS oldest
		LEFT JOIN pg_stat_activity a ON a.backend_xid = oldest.id
		LEFT JOIN pg_prepared_xacts p ON p.transaction = oldest.id
		WHERE a.pid IS NOT NULL OR p.gid IS NOT NULL`).Scan(&process, &role, &database)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for the oldest transaction: %w", translate(err))
	}
	return fmt.Sprintf("process %d, role %s, database %s", process, role, database), nil
}

// OldestUnsealed returns the age of the oldest row that no checkpoint covers;
// 0 when all are covered.
func (h AuditChain) OldestUnsealed(ctx context.Context) (time.Duration, error) {
	seconds, err := h.q.OldestUnsealed(ctx, h.db)
	if err != nil {
		return 0, fmt.Errorf("looking for unsealed audit rows: %w", translate(err))
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// Lock keeps the chain from growing until the transaction ends.
func (h AuditChain) Lock(ctx context.Context) error {
	if err := h.q.LockAuditChain(ctx, h.db); err != nil {
		return fmt.Errorf("locking the audit chain: %w", translate(err))
	}
	return nil
}

// LastCheckpoint returns the newest checkpoint, without its digests; its Number is 0 before the first.
func (h AuditChain) LastCheckpoint(ctx context.Context) (clinic.AuditCheckpoint, error) {
	row, err := h.q.LastCheckpoint(ctx, h.db)
	if errors.Is(err, pgx.ErrNoRows) {
		return clinic.AuditCheckpoint{}, nil
	}
	if err != nil {
		return clinic.AuditCheckpoint{}, fmt.Errorf("reading the last checkpoint: %w", translate(err))
	}
	return clinic.AuditCheckpoint{Number: row.Number, LastID: row.LastID, Statement: row.Statement, Signature: row.Signature}, nil
}

// AddCheckpoint adds a checkpoint, with the last closed id of its statement.
func (h AuditChain) AddCheckpoint(ctx context.Context, closed int64, c clinic.AuditCheckpoint) error {
	err := h.q.InsertCheckpoint(ctx, h.db, dbsqlc.InsertCheckpointParams{
		Number: c.Number, LastID: closed, Statement: c.Statement, Signature: c.Signature,
		RowIDs: append([]int64{}, c.RowIDs...), Digests: append([]byte{}, c.Digests...),
	})
	if err != nil {
		return fmt.Errorf("adding a checkpoint: %w", translate(err))
	}
	return nil
}

// CountRows counts the rows above the id.
func (h AuditChain) CountRows(ctx context.Context, after int64) (int64, error) {
	n, err := h.q.CountAuditRows(ctx, h.db, after)
	if err != nil {
		return 0, fmt.Errorf("counting audit rows: %w", translate(err))
	}
	return n, nil
}

// PrepareMonths makes the partitions of this month and the next ones.
func (h AuditChain) PrepareMonths(ctx context.Context) error {
	if err := h.q.PrepareAuditMonths(ctx, h.db); err != nil {
		return fmt.Errorf("making the audit log's partitions: %w", translate(err))
	}
	return nil
}
