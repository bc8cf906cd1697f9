package schema_test

import (
	"database/sql"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// migrationsOf returns a provider for the database at dsn, to run its migrations one by one.
func migrationsOf(t *testing.T, dsn string) *goose.Provider {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"))
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

// TestMigrationsGoDownAndUpAgain runs them as an owner that is no superuser, with the
// parts' roles in the policies.
func TestMigrationsGoDownAndUpAgain(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	provider := migrationsOf(t, dsn)
	owner := connect(t, dsn)
	var mighty bool
	if err := owner.QueryRow(t.Context(), `SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user`).Scan(&mighty); err != nil || mighty {
		t.Fatalf("the owner has more rights than on a managed Postgres: %v, %v", mighty, err)
	}
	if _, err := provider.DownTo(t.Context(), 0); err != nil {
		t.Fatalf("down: %v", err)
	}
	var n int
	if err := owner.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace
			AND relkind IN ('r', 'p', 'v') AND relname <> 'goose_db_version')
		+ (SELECT count(*) FROM pg_proc p WHERE pronamespace = current_schema()::regnamespace
			AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e'))`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d tables, views and functions are left, %v", n, err)
	}
	if err := rights.Migrate(t.Context(), dsn); err != nil {
		t.Fatalf("up again: %v", err)
	}
}

func TestConcurrentMigrationsTakeTurns(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, nil)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if err := schema.Migrate(t.Context(), dsn); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	db, err := store.Open(t.Context(), store.Options{URL: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if err := schema.Check(t.Context(), db); err != nil {
		t.Error(err)
	}
}

// TestTheLogIsOpenWhileTheSchemaGrows: the programs of the previous release keep
// adding to the log between the migration and EnsureRoles.
func TestTheLogIsOpenWhileTheSchemaGrows(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	provider := migrationsOf(t, dsn)
	if _, err := provider.DownTo(t.Context(), 8); err != nil {
		t.Fatal(err)
	}
	if _, err := provider.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	owner := connect(t, dsn)
	for _, part := range []schema.Part{schema.PartServer, schema.PartController} {
		var role string
		if err := owner.QueryRow(t.Context(), `SELECT array_to_string(roles, ', ') FROM pg_policies WHERE tablename = 'audit_log' AND policyname = $1`, string(part)).
			Scan(&role); err != nil || role != "healthrecords_"+string(part) {
			t.Errorf("the policy of the %s is for %q, %v", part, role, err)
		}
	}
}

// TestTemporaryTablesDoNotDivertTheOwner tries temporary tables, in case a part could make some:
// Postgres finds them before all others unless the search path says
// otherwise. A function with the owner's rights must not take one for the log's table.
func TestTemporaryTablesDoNotDivertTheOwner(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	owner := connect(t, dsn)
	var drop string // the attack needs a month that begins
	if err := owner.QueryRow(t.Context(), `SELECT 'DROP TABLE audit_log_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY"_"MM')`).Scan(&drop); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Exec(t.Context(), drop); err != nil {
		t.Fatal(err)
	}
	run(t, owner, "GRANT TEMPORARY ON DATABASE "+pgx.Identifier{column(t, owner, "SELECT current_database()")[0]}.Sanitize()+" TO PUBLIC")
	worker := connect(t, rights.URL(t, dsn, schema.PartWorker))
	if _, err := worker.Exec(t.Context(), `
		CREATE TEMP TABLE audit_log_default (LIKE audit_log);
		GRANT ALL ON audit_log_default TO PUBLIC;
		CREATE FUNCTION pg_temp.divert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			EXECUTE format('GRANT SELECT ON health_records TO %I', session_user);
			RETURN NULL;
		END $$;
		CREATE TRIGGER divert BEFORE DELETE ON audit_log_default FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.divert()`); err != nil {
		t.Fatal(err)
	}
	if _, err := worker.Exec(t.Context(), "SELECT audit_prepare_months()"); err != nil {
		t.Error(err)
	}
	if _, err := worker.Exec(t.Context(), "SELECT title FROM health_records"); codeOf(err) != denied {
		t.Errorf("the worker gained a right of the owner: %v, want SQLSTATE %s", err, denied)
	}
	var unpinned []string // a function with a standard SQL body binds its names when it is made
	if err := owner.QueryRow(t.Context(), `SELECT coalesce(array_agg(p.proname::text), '{}') FROM pg_proc p
		WHERE p.pronamespace = current_schema()::regnamespace AND p.prosecdef AND p.prosqlbody IS NULL
			AND NOT 'search_path=' || current_schema() || ', pg_temp' = ANY(coalesce(p.proconfig, '{}'))`).Scan(&unpinned); err != nil || len(unpinned) != 0 {
		t.Errorf("functions with the owner's rights that look into temporary schemas first: %v, %v", unpinned, err)
	}
}
