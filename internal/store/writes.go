package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/store/postgres"
)

// ErrReadOnly means that Postgres answers but takes no writes: it is a standby,
// or was set to read only.
var ErrReadOnly = errors.New("the database takes no writes")

const undefinedTable = "42P01" // SQLSTATE

// TxLocked is Tx of the platform itself for changes of the schema: each wait for a
// lock is short, and fn runs again after a wait that failed.
func (db *DB) TxLocked(ctx context.Context, fn func(Handle) error) error {
	return postgres.RetryLocked(ctx, func() error {
		return db.Tx(ctx, nil, func(h Handle) error {
			if _, err := h.db.Exec(ctx, "SET LOCAL lock_timeout = '"+postgres.LockTimeout+"'"); err != nil {
				return fmt.Errorf("limiting the wait for locks: %w", translate(err))
			}
			return fn(h)
		})
	})
}

// Ready fails unless Postgres answers and takes writes. It fails with ErrReadOnly where Postgres takes none.
func (db *DB) Ready(ctx context.Context) error {
	var readOnly bool
	if err := db.pool.QueryRow(ctx, `SELECT current_setting('transaction_read_only')::boolean`).Scan(&readOnly); err != nil {
		return fmt.Errorf("asking whether the database takes writes: %w", explain(err))
	}
	if readOnly {
		db.pool.Reset() // another host may take them
		return ErrReadOnly
	}
	return nil
}

// SchemaVersion returns the number of the newest migration that was applied; 0 before the first.
func (db *DB) SchemaVersion(ctx context.Context) (int64, error) {
	var version int64
	err := db.pool.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&version)
	if err != nil && !postgres.HasCode(err, undefinedTable) {
		return 0, fmt.Errorf("reading the schema version: %w", explain(err))
	}
	return version, nil
}
