package store

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestABusyPoolIsUnavailableSoon occupies both connections of a pool. Anything that
// needs a third one fails within the limit, keeps nobody else waiting, and
// works again once a connection is free.
func TestABusyPoolIsUnavailableSoon(t *testing.T) {
	t.Parallel()
	const wait = time.Second
	db, err := Open(t.Context(), Options{URL: testkit.NewDatabase(t, schema.Migrate), MaxConns: 2, AcquireTimeout: wait})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	release := holdConnections(t, db, 2)
	caller := clinic.Caller{UserID: 1, Role: clinic.RolePatient}
	needs := map[string]func(context.Context) error{
		"statement of a caller": func(ctx context.Context) error { _, err := db.As(caller).Accounts().Profile(ctx); return err },
		"statement of an account": func(ctx context.Context) error {
			_, err := db.Account(ByUsername("nobody")).Accounts().Credentials(ctx)
			return err
		},
		"transaction":                  func(ctx context.Context) error { return db.Tx(ctx, nil, func(Handle) error { return nil }) },
		"check of a caller":            func(ctx context.Context) error { _, err := db.Identify(ctx, caller); return err },
		"statement without a deadline": func(ctx context.Context) error { return db.Ready(context.WithoutCancel(ctx)) },
	}
	start := time.Now()
	var group sync.WaitGroup
	for name, need := range needs {
		for range 20 {
			group.Go(func() {
				if err := need(t.Context()); clinic.CodeOf(err) != clinic.CodeUnavailable {
					t.Errorf("%s: %v, want unavailable", name, err)
				}
			})
		}
	}
	group.Wait()
	if took := time.Since(start); took > 20*time.Second { // one after the other would take 100 s
		t.Errorf("100 statements on a busy pool took %s to fail", took)
	}
	release()
	for name, need := range needs {
		if err := need(t.Context()); clinic.CodeOf(err) == clinic.CodeUnavailable {
			t.Errorf("%s, after connections are free again: %v", name, err)
		}
	}
	if stat := db.Stat(); stat.TotalConns() > 2 || stat.AcquiredConns() != 0 {
		t.Errorf("%d connections, %d of them in use", stat.TotalConns(), stat.AcquiredConns())
	}
}

// TestALongStatementIsNotCut shows that the limit is for the wait alone.
func TestALongStatementIsNotCut(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Options{URL: testkit.NewDatabase(t, nil), AcquireTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if _, err := db.pool.Exec(t.Context(), "SELECT pg_sleep(2.5)"); err != nil {
		t.Error(err)
	}
}

// holdConnections occupies n connections of the pool until release is called.
func holdConnections(t *testing.T, db *DB, n int) (release func()) {
	t.Helper()
	var held []*pgxpool.Conn
	release = func() {
		for _, conn := range held {
			conn.Release()
		}
		held = nil
	}
	t.Cleanup(release)
	for range n {
		conn, err := db.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	return release
}
