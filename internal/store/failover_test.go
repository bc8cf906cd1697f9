package store

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

// pair is a primary and its standby, with a migrated database and an empty one.
type pair struct{ primary, standby *services.Postgres }

const (
	replicated = "replicated"
	empty      = "empty"
)

func newPair(t *testing.T) pair {
	t.Helper()
	p := pair{primary: testkit.StartPostgres(t)}
	for _, name := range []string{replicated, empty} {
		if err := p.primary.CreateDatabase(t.Context(), name, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := schema.Migrate(t.Context(), p.primary.DSN(replicated)); err != nil {
		t.Fatal(err)
	}
	p.standby = testkit.StartStandby(t, p.primary)
	return p
}

// url names both servers, the standby first.
func (p pair) url(t *testing.T, database string) string {
	t.Helper()
	first, err := url.Parse(p.standby.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	second, err := url.Parse(p.primary.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	first.Host += "," + second.Host
	return first.String()
}

// write fails on a server that only takes reads.
func write(ctx context.Context, db *DB) error { return db.System().Outbox().MarkDead(ctx, 1) }

func eventuallyWrites(t *testing.T, db *DB) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		err := write(t.Context(), db)
		if err == nil {
			return
		}
		wantCode(t, err, clinic.CodeUnavailable) // so that nothing is given up
		if time.Now().After(deadline) {
			t.Fatal("no server is found that takes writes")
		}
	}
}

func TestOfSeveralServersTheOneThatTakesWritesIsUsed(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	db := openTest(t, p.url(t, replicated))
	if err := write(t.Context(), db); err != nil {
		t.Fatalf("with the standby first: %v", err)
	}
	p.primary.Kill()
	if err := p.standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventuallyWrites(t, db)
	if err := db.Ready(t.Context()); err != nil {
		t.Errorf("after the failover: %v", err)
	}
}

// A server may stop taking writes and keep its connections.
func TestAServerThatTakesNoMoreWritesIsLeft(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	db := openTest(t, p.url(t, replicated))
	if err := write(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"} {
		if err := p.primary.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventuallyWrites(t, db)
}

func TestReadyAsksForWrites(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	db := openTest(t, p.standby.DSN(replicated))
	if err := db.Ready(t.Context()); err == nil {
		t.Error("a standby is ready")
	}
	read := openTest(t, p.standby.DSN(replicated)+"&target_session_attrs=any") // as an auditor may do to spare the primary
	if err := schema.Check(t.Context(), read); err != nil {
		t.Errorf("a standby that the URL asks for: %v", err)
	}
	if err := read.Ready(t.Context()); err == nil {
		t.Error("a standby that the URL asks for is ready")
	}
	if err := p.standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, db := range map[string]*DB{"one": db, "that was asked for": read} {
		if err := db.Ready(t.Context()); err != nil {
			t.Errorf("a standby %s, once it is promoted: %v", name, err)
		}
	}
}

func TestMigrateFindsThePrimary(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	if err := schema.Migrate(t.Context(), p.url(t, empty)); err != nil {
		t.Fatal(err)
	}
	if err := schema.EnsureRoles(t.Context(), p.url(t, empty), []schema.Login{{Part: schema.PartServer, Role: "failover_server", Password: "known-to-tests"}}); err != nil {
		t.Error(err)
	}
}
