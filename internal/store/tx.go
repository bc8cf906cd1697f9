package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// Tx runs fn in a transaction of the caller (nil: of the platform itself) and
// commits when fn returns nil. fn must use only its handle. Use Audited instead for what
// reads or changes patients' data.
func (db *DB) Tx(ctx context.Context, caller *clinic.Caller, fn func(Handle) error) error {
	return db.transact(ctx, caller, nil, fn)
}

// transact is Tx, and commits the audit row with it; nil: none.
func (db *DB) transact(ctx context.Context, caller *clinic.Caller, a *audit, fn func(Handle) error) error {
	tx, who, err := db.begin(ctx, caller)
	if err != nil {
		return err
	}
	defer tx.end(ctx)
	h := newHandle(tx, who)
	h.audit = a
	if err := fn(h); err != nil || tx.committed {
		return err
	}
	if a != nil && !a.written {
		return a.write(ctx, tx.last(), clinic.DecisionAllowed)
	}
	tag, err := tx.Exec(ctx, commits)
	if err == nil {
		err = tx.commit(tag)
	}
	if err != nil {
		return fmt.Errorf("committing: %w", translate(err))
	}
	return nil
}

const commits = "COMMIT"

// transaction has a connection of its own. It begins in the round trip that identifies its caller, and can commit in the one of
// its last statement.
type transaction struct {
	*pgxpool.Conn
	committed bool
}

func (db *DB) begin(ctx context.Context, caller *clinic.Caller) (*transaction, Identity, error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return nil, Identity{}, fmt.Errorf("beginning a transaction: %w", translate(err))
	}
	tx := &transaction{Conn: conn}
	begins := &pgx.Batch{}
	begins.Queue("BEGIN")
	var who Identity
	if caller != nil {
		who.Caller = *caller
		begins.Queue(identifySQL, identifying(*caller).args...).QueryRow(func(row pgx.Row) error {
			return row.Scan(&who.PatientID, &who.DoctorID, &who.Verified)
		})
	}
	if err := conn.SendBatch(ctx, begins).Close(); err != nil {
		tx.end(ctx)
		return nil, Identity{}, fmt.Errorf("beginning a transaction: %w", translate(err))
	}
	return tx, who, nil
}

// commit notes that COMMIT was answered. In a transaction that failed, COMMIT rolls back.
func (tx *transaction) commit(answer pgconn.CommandTag) error {
	if answer.String() != commits {
		return errors.New("the transaction was rolled back")
	}
	tx.committed = true
	return nil
}

// last returns the database for the transaction's last statement, which it sends together with COMMIT.
func (tx *transaction) last() batchDB {
	return batchDB{sender: tx.Conn}.followedBy(following{statement{sql: commits}, func(rows pgx.Rows) error {
		rows.Close()
		return cmp.Or(rows.Err(), tx.commit(rows.CommandTag()))
	}})
}

// last returns the database for the last statement of a transaction. One that writes its audit row itself may use it: see
// auditsItself.
func (h handle) last() dbsqlc.DBTX {
	if tx, inside := h.db.(*transaction); inside {
		return tx.last()
	}
	return h.db
}

// end rolls back what was not committed, and gives the connection back.
func (tx *transaction) end(ctx context.Context) {
	defer tx.Release()
	if connection := tx.Conn.Conn(); !connection.IsClosed() && connection.PgConn().TxStatus() != 'I' {
		ctx, cancel := rollbackContext(ctx)
		defer cancel()
		_, _ = tx.Exec(ctx, "ROLLBACK") // a connection on which it fails is closed
	}
}

// rollbackContext goes on when ctx is over, but not for long on a dead network.
func rollbackContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}
