package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Identity is a caller as the database knows them at this moment.
type Identity struct {
	clinic.Caller
	PatientID int64 // profile of a patient, else 0
	DoctorID  int64 // profile of a doctor, else 0
	Verified  bool  // the doctor's license was verified
}

// identifySQL goes before every statement of a caller. It sets the transaction's
// identity, which row-level security reads. It fails with inactiveAccount for an account
// that is not active or has another role, and with endedSession for a session that
// has ended. The rest of the transaction then fails too.
const identifySQL = `-- name: Identify
SELECT patient_id, doctor_id, verified FROM identify($1, $2, $3)`

// Identify checks the caller alone, in one round trip. It fails with CodeUnauthenticated
// when their account is not active or their session has ended.
func (db *DB) Identify(ctx context.Context, caller clinic.Caller) (Identity, error) {
	return identify(ctx, db.pool, caller)
}

// identityOf are the parameters of identifySQL.
func identityOf(caller clinic.Caller) []any {
	return []any{caller.UserID, string(caller.Role), caller.SessionID}
}

type queryRower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func identify(ctx context.Context, db queryRower, caller clinic.Caller) (Identity, error) {
	who := Identity{Caller: caller}
	err := db.QueryRow(ctx, identifySQL, identityOf(caller)...).Scan(&who.PatientID, &who.DoctorID, &who.Verified)
	if err != nil {
		return Identity{}, fmt.Errorf("identifying the caller: %w", translate(err))
	}
	return who, nil
}

// callerDB sends statements in a batch, behind the statement that sets the transaction's
// identity: one round trip, one implicit transaction.
type callerDB struct {
	pool *pgxpool.Pool
	who  string // identifySQL, or that of an AccountKey
	args []any
}

// statement is one with its parameters.
type statement struct {
	sql  string
	args []any
}

func (c callerDB) send(ctx context.Context, statements ...statement) (pgx.BatchResults, error) {
	batch := &pgx.Batch{}
	batch.Queue(c.who, c.args...)
	for _, s := range statements {
		batch.Queue(s.sql, s.args...)
	}
	results := c.pool.SendBatch(ctx, batch)
	if _, err := results.Exec(); err != nil {
		_ = results.Close() // the first error is the cause
		return nil, fmt.Errorf("identifying the caller: %w", translate(err))
	}
	return results, nil
}

// Exec implements dbsqlc.DBTX.
func (c callerDB) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	results, err := c.send(ctx, statement{sql, args})
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	return tag, errors.Join(err, results.Close())
}

// Query implements dbsqlc.DBTX. Closing the rows gives the connection back.
func (c callerDB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	results, err := c.send(ctx, statement{sql, args})
	if err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, errors.Join(err, results.Close())
	}
	return &batchRows{Rows: rows, batch: results}, nil
}

// QueryRow implements dbsqlc.DBTX.
func (c callerDB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := c.Query(ctx, sql, args...)
	return batchRow{rows: rows, err: err}
}

// batchRows ends the batch together with its rows.
type batchRows struct {
	pgx.Rows
	batch pgx.BatchResults
	err   error
}

// Close closes the rows, then the batch; Err returns a failure of either.
func (r *batchRows) Close() {
	r.Rows.Close()
	if err := r.batch.Close(); err != nil && r.err == nil {
		r.err = err
	}
}

// Next closes at the end, as pgx's own rows do.
func (r *batchRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Err returns the first failure of the rows or of the batch.
func (r *batchRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}

// batchRow is the single row of a statement in a batch.
type batchRow struct {
	rows pgx.Rows
	err  error
}

// Scan implements pgx.Row: pgx.ErrNoRows where there is none.
func (r batchRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}
