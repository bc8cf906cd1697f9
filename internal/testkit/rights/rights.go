// Package rights gives tests databases in which each part has exactly the rights that it has in production.
// Only tests may import it.
package rights

import (
	"cmp"
	"context"
	"net/url"
	"testing"

	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

const password = "known-to-tests"

// Migrate brings the schema up to date and makes the parts' roles, for testkit.NewDatabase.
func Migrate(ctx context.Context, dsn string) error {
	if err := schema.Migrate(ctx, dsn); err != nil {
		return err
	}
	return schema.EnsureRoles(ctx, dsn, []schema.Login{
		login(schema.PartServer), login(schema.PartWorker), login(schema.PartController),
	})
}

func login(part schema.Part) schema.Login {
	return schema.Login{Part: part, Role: "healthrecords_" + string(part), Password: password}
}

// URL returns the part's connection URL for the owner's.
func URL(t testing.TB, owner string, part schema.Part) string {
	t.Helper()
	location, err := url.Parse(owner)
	if err != nil {
		t.Fatal(err)
	}
	location.User = url.UserPassword(login(part).Role, password)
	return location.String()
}

// Open opens the database at opts.URL until the test ends. By default it has 4
// connections, and statements wait for one as long as a test may.
func Open(t testing.TB, opts store.Options) *store.DB {
	t.Helper()
	opts.MaxConns = cmp.Or(opts.MaxConns, 4)
	opts.AcquireTimeout = cmp.Or(opts.AcquireTimeout, testkit.Patience)
	db := testkit.Value(store.Open(t.Context(), opts))(t)
	t.Cleanup(db.Close)
	return db
}

// OpenAs is Open as the part, on the owner's URL.
func OpenAs(t testing.TB, owner string, part schema.Part, opts store.Options) *store.DB {
	t.Helper()
	opts.URL = URL(t, owner, part)
	return Open(t, opts)
}
