package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// openTest returns a new, migrated database of the test's own behind a pool of
// two connections, so that a connection that is not returned shows soon.
func openTest(t testing.TB, url string) *DB {
	t.Helper()
	db, err := Open(t.Context(), Options{URL: url, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close) // waits for ever for a connection that is not returned
	return db
}

// wantIdle waits until the pool has closed its broken connections, which it does in
// the background, and until no connection is in use.
func wantIdle(t testing.TB, db *DB) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for db.Stat().AcquiredConns() != 0 {
		select {
		case <-deadline:
			t.Fatalf("%d connections were not returned", db.Stat().AcquiredConns())
		case <-time.After(time.Millisecond):
		}
	}
}

func newTestUser(t testing.TB, db *DB, username string, role clinic.Role) clinic.Caller {
	t.Helper()
	caller := clinic.Caller{Role: role}
	err := db.pool.QueryRow(t.Context(), `INSERT INTO users (username, role, password_hash) VALUES ($1, $2, '') RETURNING id`,
		username, string(role)).Scan(&caller.UserID)
	if err != nil {
		t.Fatal(err)
	}
	return caller
}

func query(ctx context.Context, h Handle, sql string) error {
	rows, err := h.db.Query(ctx, sql)
	if err != nil {
		return err
	}
	rows.Close()
	return rows.Err()
}

func wantCode(t testing.TB, err error, want clinic.Code) {
	t.Helper()
	if got := clinic.CodeOf(err); got != want {
		t.Errorf("err = %v, want the code %q", err, want)
	}
}

func TestAsReadsAsTheCaller(t *testing.T) {
	t.Parallel()
	db := openTest(t, testkit.NewDatabase(t, schema.Migrate))
	h := db.As(newTestUser(t, db, "jane", clinic.RolePatient))
	var n int
	if err := h.db.QueryRow(t.Context(), "SELECT $1::int", 7).Scan(&n); err != nil || n != 7 {
		t.Errorf("QueryRow = %d, %v", n, err)
	}
	if err := h.db.QueryRow(t.Context(), "SELECT 1 WHERE false").Scan(&n); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("no row: %v", err)
	}
	rows, err := h.db.Query(t.Context(), "SELECT generate_series(1, 5)")
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil || len(all) != 5 {
		t.Errorf("Query = %v, %v", all, err)
	}
	tag, err := h.db.Exec(t.Context(), "UPDATE users SET email = 'jane@example.org'")
	if err != nil || tag.RowsAffected() != 1 {
		t.Errorf("Exec = %v, %v", tag, err)
	}
}

func TestInactiveCallerDoesNothing(t *testing.T) {
	t.Parallel()
	db := openTest(t, testkit.NewDatabase(t, schema.Migrate))
	jane := newTestUser(t, db, "jane", clinic.RolePatient)
	gone := newTestUser(t, db, "gone", clinic.RolePatient)
	if _, err := db.pool.Exec(t.Context(), "UPDATE users SET active = false WHERE id = $1", gone.UserID); err != nil {
		t.Fatal(err)
	}
	const write = "UPDATE users SET email = 'written@example.org' RETURNING id"
	for name, caller := range map[string]clinic.Caller{
		"inactive":     gone,
		"missing":      {UserID: 999, Role: clinic.RolePatient},
		"another role": {UserID: jane.UserID, Role: clinic.RoleAdmin},
	} {
		h := db.As(caller)
		var id int64
		_, execErr := h.db.Exec(t.Context(), write)
		queryErr := query(t.Context(), h, write)
		txErr := db.Tx(t.Context(), &caller, func(h Handle) error {
			t.Errorf("%s: the transaction of %+v ran", name, h.Who)
			return nil
		})
		for _, err := range []error{execErr, queryErr, h.db.QueryRow(t.Context(), write).Scan(&id), txErr} {
			wantCode(t, translate(err), clinic.CodeUnauthenticated)
		}
	}
	var written int
	if err := db.pool.QueryRow(t.Context(), "SELECT count(*) FROM users WHERE email <> ''").Scan(&written); err != nil || written != 0 {
		t.Errorf("%d rows written, %v", written, err)
	}
}

func TestTxKnowsItsCaller(t *testing.T) {
	t.Parallel()
	db := openTest(t, testkit.NewDatabase(t, schema.Migrate))
	jane := newTestUser(t, db, "jane", clinic.RolePatient)
	house := newTestUser(t, db, "house", clinic.RoleDoctor)
	if _, err := db.pool.Exec(t.Context(), `INSERT INTO patient_profiles (user_id) VALUES ($1)`, jane.UserID); err != nil {
		t.Fatal(err)
	}
	if _, err := db.pool.Exec(t.Context(), `INSERT INTO doctor_profiles (user_id, specialization, license_number, verified_at)
		VALUES ($1, 'Nephrology', 'X', now())`, house.UserID); err != nil {
		t.Fatal(err)
	}
	for _, want := range []Identity{{Caller: jane, PatientID: 1}, {Caller: house, DoctorID: 1, Verified: true}} {
		err := db.Tx(t.Context(), &want.Caller, func(h Handle) error {
			if h.Who != want {
				t.Errorf("Who = %+v, want %+v", h.Who, want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// A pool of two is exhausted by the second connection that is not returned.
func TestConnectionsAreGivenBack(t *testing.T) {
	t.Parallel()
	db := openTest(t, testkit.NewDatabase(t, schema.Migrate))
	jane := newTestUser(t, db, "jane", clinic.RolePatient)
	h := db.As(jane)
	failing := errors.New("failing")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, use := range map[string]func() error{
		"rows not read to the end": func() error {
			rows, err := h.db.Query(t.Context(), "SELECT generate_series(1, 100000)")
			if err != nil {
				t.Fatal(err)
			}
			rows.Next()
			rows.Close()
			return errors.Join(rows.Err(), failing)
		},
		"rows closed twice": func() error {
			rows, err := h.db.Query(t.Context(), "SELECT 1")
			if err != nil {
				t.Fatal(err)
			}
			rows.Close()
			rows.Close()
			return errors.Join(rows.Err(), failing)
		},
		"scan into the wrong type": func() error {
			var n int
			return h.db.QueryRow(t.Context(), "SELECT 'text'").Scan(&n)
		},
		"error while reading": func() error {
			rows, err := h.db.Query(t.Context(), "SELECT 1 / (5 - n) FROM generate_series(1, 10) AS n")
			if err != nil {
				return err
			}
			_, err = pgx.CollectRows(rows, pgx.RowTo[int])
			return err
		},
		"syntax error": func() error { _, err := h.db.Exec(t.Context(), "SELEKT"); return err },
		"failed write": func() error {
			_, err := h.db.Exec(t.Context(), "INSERT INTO users (username, role, password_hash) VALUES ('x', 'ROOT', '')")
			return err
		},
		"context over": func() error { return query(over, h, "SELECT 1") },
		"canceled while it runs": func() error {
			ctx, cancel := context.WithCancel(t.Context())
			rows, err := h.db.Query(ctx, "SELECT n, pg_sleep(CASE n WHEN 5000 THEN 60 ELSE 0 END) FROM generate_series(1, 5001) AS n")
			cancel()
			if err != nil {
				return err
			}
			_, err = pgx.CollectRows(rows, func(pgx.CollectableRow) (int, error) { return 0, nil })
			return err
		},
		"transaction's error": func() error { return db.Tx(t.Context(), &jane, func(Handle) error { return failing }) },
		"transaction aborted": func() error {
			return db.Tx(t.Context(), &jane, func(h Handle) error {
				_, err := h.db.Exec(t.Context(), "SELEKT")
				_ = err // a use case that goes on after an error must not commit
				return nil
			})
		},
	} {
		for range 3 {
			if err := use(); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		wantIdle(t, db)
	}
	if err := db.Tx(t.Context(), &jane, func(Handle) error { return nil }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestReadIsOneRoundTrip counts how often the client sent and the server answered.
func TestReadIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	dsn, turns := countTurns(t, testkit.NewDatabase(t, schema.Migrate))
	db := openTest(t, dsn)
	h := db.As(newTestUser(t, db, "jane", clinic.RolePatient))
	read := func() {
		rows, err := h.db.Query(t.Context(), "SELECT id FROM users")
		if err != nil {
			t.Fatal(err)
		}
		if ids, err := pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil || len(ids) != 1 {
			t.Fatalf("%v, %v", ids, err)
		}
	}
	read() // prepares the statements
	before := turns.Load()
	for range 10 {
		read()
	}
	if got := turns.Load() - before; got != 10 {
		t.Errorf("10 reads took %d round trips", got)
	}
}

// countTurns puts a proxy before the server of dsn. It counts round trips: how
// often the client sent data after the server did.
func countTurns(t testing.TB, dsn string) (proxied string, turns *atomic.Int64) {
	t.Helper()
	target, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's listener
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	turns = &atomic.Int64{}
	address := target.Host
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go relay(client, address, turns)
		}
	}()
	target.Host = listener.Addr().String()
	return target.String(), turns
}

func relay(client net.Conn, address string, turns *atomic.Int64) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", address) //nolint:noctx // a test's connection
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var answered atomic.Bool
	answered.Store(true)
	go func() {
		_, _ = io.Copy(client, tap{server, func() { answered.Store(true) }})
		_ = client.Close()
	}()
	_, _ = io.Copy(server, tap{client, func() {
		if answered.Swap(false) {
			turns.Add(1)
		}
	}})
}

// tap calls seen for each piece that is read.
type tap struct {
	io.Reader
	seen func()
}

func (t tap) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if n > 0 {
		t.seen()
	}
	return n, err
}

func BenchmarkRead(b *testing.B) {
	db := openTest(b, testkit.NewDatabase(b, schema.Migrate))
	caller := newTestUser(b, db, "jane", clinic.RolePatient)
	for name, h := range map[string]Handle{"caller": db.As(caller), "system": db.System()} {
		b.Run(name, func(b *testing.B) {
			var id int64
			for b.Loop() {
				if err := h.db.QueryRow(b.Context(), "SELECT id FROM users WHERE id = $1", caller.UserID).Scan(&id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("transaction", func(b *testing.B) {
		for b.Loop() {
			if err := db.Tx(b.Context(), &caller, func(Handle) error { return nil }); err != nil {
				b.Fatal(fmt.Errorf("transaction: %w", err))
			}
		}
	})
}
