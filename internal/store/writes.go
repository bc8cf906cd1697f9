package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrReadOnly means that Postgres answers and takes no writes: it is a standby,
// or was told to.
var ErrReadOnly = errors.New("the database takes no writes")

const readOnlyTransaction = "25006" // SQLSTATE of a write where there is none

// needWrites has connections made to a server that takes writes. Of several
// hosts in the URL the standbys are passed over; a connection whose server became
// one is closed at its first write, so that the next is made to another. A URL
// with target_session_attrs keeps those: whoever only reads may spare the primary.
func needWrites(config *pgx.ConnConfig) {
	if !strings.Contains(config.ConnString(), "target_session_attrs") {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	stays := config.OnPgError
	config.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		return err.Code != readOnlyTransaction && stays(conn, err)
	}
}

// Ready is CheckSchema for who writes: ErrReadOnly where Postgres takes none.
func (db *DB) Ready(ctx context.Context) error {
	var readOnly bool
	if err := db.pool.QueryRow(ctx, `SELECT current_setting('transaction_read_only')::boolean`).Scan(&readOnly); err != nil {
		return fmt.Errorf("asking whether the database takes writes: %w", translate(err))
	}
	if readOnly {
		db.pool.Reset() // another host may take them
		return ErrReadOnly
	}
	return db.CheckSchema(ctx)
}
