package schema_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

const tooManyConnections = "53300"

// run fails the test at the first statement that fails.
func run(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// column returns the one column of a query's rows, sorted.
func column(t *testing.T, conn *pgx.Conn, query string, args ...any) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

// leaveSettings does what a thief of the role's password can do to later sessions of the role.
func leaveSettings(t *testing.T, thief *pgx.Conn) {
	t.Helper()
	database := pgx.Identifier{column(t, thief, "SELECT current_database()")[0]}.Sanitize()
	run(t, thief, "ALTER ROLE CURRENT_USER SET search_path = pg_temp", "ALTER ROLE CURRENT_USER SET synchronous_commit = off",
		"ALTER ROLE CURRENT_USER SET statement_timeout = 1",
		"ALTER ROLE CURRENT_USER IN DATABASE "+database+" SET row_security = off",
		"ALTER ROLE CURRENT_USER IN DATABASE "+database+" SET default_transaction_read_only = on",
		"ALTER ROLE CURRENT_USER IN DATABASE postgres SET work_mem = '1GB'")
}

const settingsOf = `SELECT setting FROM pg_db_role_setting, unnest(setconfig) setting WHERE setrole = $1::regrole`

func TestWhatAStolenRoleLeftIsTakenBack(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	logins := []schema.Login{
		{Part: schema.PartServer, Role: "stolen server"}, {Part: schema.PartWorker, Role: "stolen worker"}, {Part: schema.PartController, Role: "stolen controller"},
	}
	rotate := func(password string) {
		t.Helper()
		for i := range logins {
			logins[i].Password = password
		}
		if err := schema.EnsureRoles(t.Context(), dsn, logins); err != nil {
			t.Fatal(err)
		}
	}
	rotate("known to a thief")
	owner := connect(t, dsn)
	want := map[string][]string{}
	for _, l := range logins {
		role := pgx.Identifier{l.Role}.Sanitize()
		want[l.Role] = column(t, owner, settingsOf, role)
		thief := connect(t, as(t, dsn, l.Role, l.Password))
		leaveSettings(t, thief)
		run(t, thief, "SELECT lo_from_bytea(0, 'left behind') FROM generate_series(1, 2500)")
		// No session can set the caller of later sessions.
		if _, err := thief.Exec(t.Context(), "SELECT set_config('healthrecords.user_id', '1', false); ALTER ROLE CURRENT_USER SET healthrecords.user_id = '1'"); codeOf(err) != denied {
			t.Errorf("%s leaves a caller: %v, want SQLSTATE %s", l.Role, err, denied)
		}
	}
	rotate("known to nobody")
	for _, l := range logins {
		role := pgx.Identifier{l.Role}.Sanitize()
		if got := column(t, owner, settingsOf, role); !slices.Equal(got, want[l.Role]) {
			t.Errorf("%s has the settings %v, want %v", l.Role, got, want[l.Role])
		}
		if left := column(t, owner, "SELECT oid::text FROM pg_largeobject_metadata WHERE lomowner = $1::regrole", role); len(left) != 0 {
			t.Errorf("%s has %d large objects", l.Role, len(left))
		}
		conn := connect(t, as(t, dsn, l.Role, l.Password))
		for setting, want := range map[string]string{"search_path": `"$user", public`, "default_transaction_read_only": "off", "row_security": "on", "lock_timeout": "10s"} {
			if got := column(t, conn, "SELECT current_setting($1)", setting)[0]; got != want {
				t.Errorf("%s: %s is %s, want %s", l.Role, setting, got, want)
			}
		}
		run(t, conn, "SELECT FROM goose_db_version")
	}
	if members := column(t, owner, "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = current_user::regrole AND roleid::regrole::text LIKE '%stolen%' AND NOT admin_option"); len(members) != 0 {
		t.Errorf("the owner is still a member of %v", members)
	}
}

func TestNoPartMakesTemporaryTables(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	login := schema.Login{Part: schema.PartWorker, Role: "no temporary tables", Password: "x"}
	if err := schema.EnsureRoles(t.Context(), dsn, []schema.Login{login}); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, as(t, dsn, login.Role, login.Password))
	for _, statement := range []string{"CREATE TEMP TABLE mine ()", "CREATE TEMP VIEW mine AS SELECT 1", "CREATE TEMP SEQUENCE mine", "CREATE SCHEMA mine"} {
		if _, err := conn.Exec(t.Context(), statement); codeOf(err) != denied {
			t.Errorf("%s: %v, want SQLSTATE %s", statement, err, denied)
		}
	}
}

// TestNoPartMakesLargeObjects where the owner is a superuser, as in the chart's bundled Postgres: no other owner may
// revoke that right.
func TestNoPartMakesLargeObjects(t *testing.T) {
	t.Parallel()
	server := testkit.StartPostgres(t)
	dsn := superuser(t, server)
	login := schema.Login{Part: schema.PartServer, Role: "no large objects", Password: "x"}
	for range 2 {
		if err := schema.EnsureRoles(t.Context(), dsn, []schema.Login{login}); err != nil {
			t.Fatal(err)
		}
	}
	conn := connect(t, as(t, dsn, login.Role, login.Password))
	for _, statement := range []string{"SELECT lo_create(0)", "SELECT lo_creat(-1)", "SELECT lo_from_bytea(0, 'x')", "SELECT lo_import('/etc/hostname')"} {
		if _, err := conn.Exec(t.Context(), statement); codeOf(err) != denied {
			t.Errorf("%s: %v, want SQLSTATE %s", statement, err, denied)
		}
	}
}

// superuser makes a migrated database whose owner is a superuser, and returns its URL.
func superuser(t *testing.T, server *services.Postgres) string {
	t.Helper()
	if err := server.CreateDatabase(t.Context(), "records", ""); err != nil {
		t.Fatal(err)
	}
	if err := server.Exec(t.Context(), "CREATE ROLE mighty SUPERUSER LOGIN PASSWORD 'x'; ALTER DATABASE records OWNER TO mighty"); err != nil {
		t.Fatal(err)
	}
	dsn := as(t, server.DSN("records"), "mighty", "x")
	if err := schema.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	return dsn
}

// TestAFloodOfConnectionsLeavesSomeForTheOthers opens connections as a part until Postgres refuses more.
func TestAFloodOfConnectionsLeavesSomeForTheOthers(t *testing.T) {
	t.Parallel()
	_, dsn := startMigrated(t)
	logins := []schema.Login{{Part: schema.PartServer, Role: "flooding", Password: "x"}, {Part: schema.PartWorker, Role: "other", Password: "x"}}
	if err := schema.EnsureRoles(t.Context(), dsn, logins); err != nil {
		t.Fatal(err)
	}
	for {
		conn, err := pgx.Connect(t.Context(), as(t, dsn, "flooding", "x"))
		if codeOf(err) == tooManyConnections {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	}
	for _, l := range logins[1:] {
		connect(t, as(t, dsn, l.Role, l.Password))
	}
	rotated := []schema.Login{{Part: schema.PartServer, Role: "flooding", Password: "another"}}
	if err := schema.EnsureRoles(t.Context(), dsn, rotated); err != nil {
		t.Errorf("the owner cannot connect: %v", err)
	}
}

// TestSettingsThatCannotBeTakenBackAreRefused where somebody else makes the roles.
func TestSettingsThatCannotBeTakenBackAreRefused(t *testing.T) {
	t.Parallel()
	server, dsn := startMigrated(t)
	administer := func(statement string) {
		t.Helper()
		if err := server.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	administer("ALTER ROLE " + services.Role + " NOCREATEROLE; CREATE ROLE made LOGIN PASSWORD 'x'; ALTER ROLE made SET log_statement = 'none'")
	ensure := func() error {
		return schema.EnsureRoles(t.Context(), dsn, []schema.Login{{Part: schema.PartServer, Role: "made", Password: "another"}})
	}
	if err := ensure(); err != nil {
		t.Errorf("a role with a setting that only a superuser can give is refused: %v", err)
	}
	leaveSettings(t, connect(t, as(t, dsn, "made", "x")))
	err := ensure()
	if err == nil {
		t.Fatal("settings that a thief may have left are accepted")
	}
	for _, name := range []string{"search_path", "row_security", "work_mem"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "log_statement") {
		t.Errorf("the error names a setting that no thief can have left: %v", err)
	}
	administer(`ALTER ROLE made RESET ALL; ALTER ROLE made IN DATABASE records RESET ALL; ALTER ROLE made IN DATABASE postgres RESET ALL`)
	if err := ensure(); err != nil {
		t.Errorf("after they were reset: %v", err)
	}
}

// TestPartsAreHeldToTheirTimeouts, where they log in with roles of their own.
func TestPartsAreHeldToTheirTimeouts(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	for _, part := range parts() {
		login := schema.Login{Part: part, Role: fmt.Sprintf("timed %s", part), Password: "x"}
		if err := schema.EnsureRoles(t.Context(), dsn, []schema.Login{login}); err != nil {
			t.Fatal(err)
		}
		conn := connect(t, as(t, dsn, login.Role, login.Password))
		for _, setting := range []string{
			"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "tcp_keepalives_idle", "tcp_user_timeout",
		} {
			if got := column(t, conn, "SELECT current_setting($1)", setting)[0]; got == "0" {
				t.Errorf("%s has no %s", part, setting)
			}
		}
	}
}

// TestTheOwnerIsHeldToNothing when it is named as the role of a part.
func TestTheOwnerIsHeldToNothing(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	if err := schema.EnsureRoles(t.Context(), dsn, []schema.Login{{Part: schema.PartServer, Role: services.Role, Password: "x"}}); err == nil {
		t.Error("the owner is taken for a part")
	}
	if limited := column(t, connect(t, dsn), `SELECT rolname::text FROM pg_roles r WHERE rolname = current_user
		AND (rolconnlimit <> -1 OR EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = r.oid))`); len(limited) != 0 {
		t.Error("the owner has a part's limits")
	}
}

// TestEachDatabaseKeepsItsSearchPath where two installations share a Postgres, and the roles.
func TestEachDatabaseKeepsItsSearchPath(t *testing.T) {
	t.Parallel()
	dsn, other := testkit.NewDatabase(t, schema.Migrate), testkit.NewDatabase(t, nil)
	run(t, connect(t, other), "CREATE SCHEMA hospital")
	login := schema.Login{Part: schema.PartServer, Role: "of two databases", Password: "x"}
	owner, err := url.Parse(other)
	if err != nil {
		t.Fatal(err)
	}
	query := owner.Query()
	query.Set("search_path", "hospital")
	owner.RawQuery = query.Encode()
	if err := schema.Migrate(t.Context(), owner.String()); err != nil {
		t.Fatal(err)
	}
	for _, database := range []string{owner.String(), dsn} {
		if err := schema.EnsureRoles(t.Context(), database, []schema.Login{login}); err != nil {
			t.Fatal(err)
		}
	}
	run(t, connect(t, as(t, other, login.Role, login.Password)), "SELECT FROM goose_db_version")
}
