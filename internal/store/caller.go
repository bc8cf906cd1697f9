package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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

func identifying(caller clinic.Caller) *statement {
	return &statement{identifySQL, []any{caller.UserID, string(caller.Role), caller.SessionID}}
}

type queryRower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func identify(ctx context.Context, db queryRower, caller clinic.Caller) (Identity, error) {
	who := Identity{Caller: caller}
	err := db.QueryRow(ctx, identifySQL, identifying(caller).args...).Scan(&who.PatientID, &who.DoctorID, &who.Verified)
	if err != nil {
		return Identity{}, fmt.Errorf("identifying the caller: %w", translate(err))
	}
	return who, nil
}

// sender is a pool, or the connection of a transaction.
type sender interface {
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// batchDB sends each statement in a batch: behind the one that sets the transaction's identity, if there is one, and before
// those that belong to the same read. A batch is one round trip and, outside a transaction, one implicit transaction.
type batchDB struct {
	sender
	who  *statement // identifySQL, or that of an AccountKey; nil in a transaction, which has its identity
	then []following
}

// statement is one with its parameters.
type statement struct {
	sql  string
	args []any
}

// following is a statement behind the one that is sent. read reads its rows, which the batch closes.
type following struct {
	statement
	read func(pgx.Rows) error
}

// followedBy returns the handle for a read that consists of two statements. It sends them together, in a transaction, too.
func (h handle) followedBy(f following) handle {
	switch db := h.db.(type) {
	case auditedDB:
		db.batchDB = db.followedBy(f)
		h.db = db
	case batchDB:
		h.db = db.followedBy(f)
	case sender:
		h.db = batchDB{sender: db}.followedBy(f)
	}
	return h
}

// followedBy returns a database that also sends the statement.
func (b batchDB) followedBy(f following) batchDB {
	b.then = append(slices.Clip(b.then), f)
	return b
}

func (b batchDB) send(ctx context.Context, sql string, args []any) (pgx.BatchResults, error) {
	batch := &pgx.Batch{}
	if b.who != nil {
		batch.Queue(b.who.sql, b.who.args...)
	}
	batch.Queue(sql, args...)
	for _, f := range b.then {
		batch.Queue(f.sql, f.args...)
	}
	results := b.SendBatch(ctx, batch)
	if b.who == nil {
		return results, nil
	}
	if _, err := results.Exec(); err != nil {
		_ = results.Close() // the first error is the cause
		return nil, fmt.Errorf("identifying the caller: %w", translate(err))
	}
	return results, nil
}

// Exec implements dbsqlc.DBTX.
func (b batchDB) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	results, err := b.send(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	if err == nil {
		err = b.readFollowing(results)
	}
	return tag, errors.Join(err, results.Close())
}

// Query implements dbsqlc.DBTX. Closing the rows gives the connection back.
func (b batchDB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	results, err := b.send(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, errors.Join(err, results.Close())
	}
	return &batchRows{Rows: rows, batch: results, db: b}, nil
}

// QueryRow implements dbsqlc.DBTX.
func (b batchDB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := b.Query(ctx, sql, args...)
	return batchRow{rows: rows, err: err}
}

func (b batchDB) readFollowing(results pgx.BatchResults) error {
	for _, f := range b.then {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		err = f.read(rows)
		rows.Close()
		if err = cmp.Or(err, rows.Err()); err != nil {
			return err
		}
	}
	return nil
}

// batchRows ends the batch together with its rows.
type batchRows struct {
	pgx.Rows
	batch  pgx.BatchResults
	db     batchDB
	closed bool
	err    error
}

// Close closes the rows, reads those of the following statements, and closes the batch; Err returns the first failure.
func (r *batchRows) Close() {
	r.Rows.Close()
	if r.closed {
		return
	}
	r.closed = true
	if r.Rows.Err() == nil {
		r.err = r.db.readFollowing(r.batch)
	}
	r.err = cmp.Or(r.err, r.batch.Close())
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
func (r *batchRows) Err() error { return cmp.Or(r.Rows.Err(), r.err) }

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
