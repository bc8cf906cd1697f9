package schema_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

func parts() []schema.Part {
	return []schema.Part{schema.PartServer, schema.PartWorker, schema.PartController}
}

// startMigrated starts a Postgres of the test's own, whose roles no other test sees, and migrates a database in it.
func startMigrated(t *testing.T) (server *services.Postgres, dsn string) {
	t.Helper()
	server = testkit.StartPostgres(t)
	testkit.Must(t, server.CreateDatabase(t.Context(), "records", ""))
	dsn = server.DSN("records")
	testkit.Must(t, schema.Migrate(t.Context(), dsn))
	return server, dsn
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func codeOf(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

func constraintOf(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.ConstraintName
	}
	return ""
}

const denied = "42501"

func TestNoPartMayDoWhatItsStatementsDoNot(t *testing.T) {
	t.Parallel()
	owner := testkit.NewDatabase(t, rights.Migrate)
	all := []string{
		"ALTER TABLE users ADD COLUMN more text", "DROP TABLE outbox", "TRUNCATE notifications", "CREATE TABLE mine ()",
		"CREATE INDEX ON users (email)", "DROP FUNCTION identify(bigint, text, bigint)", "ALTER VIEW patient_access SET (security_barrier)",
		"UPDATE goose_db_version SET is_applied = false", "DELETE FROM goose_db_version", "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9, true)",
		"CREATE ROLE another", "SET ROLE " + services.Role,
		"UPDATE users SET role = 'ADMIN'", "UPDATE users SET username = 'x'", "DELETE FROM users",
		"DELETE FROM assignments", "DELETE FROM notifications", "DELETE FROM doctor_comments", "UPDATE doctor_comments SET is_private = false",
		"UPDATE health_records SET patient_id = 1", "UPDATE assignments SET patient_id = 1", "UPDATE assignments SET source = 'rest'",
		"DELETE FROM assignment_claims", "UPDATE assignment_claims SET doctor_id = 1", "UPDATE assignment_claims SET source = 'rest'",
		"UPDATE assignment_claims SET owner = 'x'", "UPDATE assignment_claims SET requested_by = 1", "TRUNCATE declarations",
		"SELECT settle_assignments('{1}', '{1}')", "ALTER TABLE assignment_claims DISABLE TRIGGER claims_updated",
		"INSERT INTO name_versions (user_id, since) VALUES (1, now())", "UPDATE name_versions SET first_name = 'x'", "DELETE FROM name_versions",
		"TRUNCATE name_versions", "UPDATE pending_names SET first_name = 'x'", "DELETE FROM pending_names", "SELECT keep_name()",
		"ALTER TABLE users DISABLE TRIGGER user_renamed", "UPDATE notifications SET happened_at = now()",
		"UPDATE audit_log SET user_id = 1", "DELETE FROM audit_log", "TRUNCATE audit_log", "DELETE FROM audit_log_default", "DROP TABLE audit_log_default",
		"INSERT INTO audit_log_default (role) VALUES ('ADMIN')", "INSERT INTO audit_log (id) VALUES (1)", "INSERT INTO audit_log (at) VALUES (now())",
		"ALTER TABLE audit_log DETACH PARTITION audit_log_default", "SELECT setval('audit_log_id_seq', 1)",
		"INSERT INTO record_counts (records) VALUES (1)", "UPDATE record_counts SET records = 1", "DELETE FROM record_counts", "TRUNCATE record_counts",
		"SELECT add_to_record_counts(1, 'CHECKUP', 1)", "ALTER TABLE health_records DISABLE TRIGGER records_added",
		"INSERT INTO notification_counts (read) VALUES (true)", "UPDATE notification_counts SET notifications = 1", "DELETE FROM notification_counts",
		"SELECT add_to_notification_counts(1, true, 1)", "ALTER TABLE notifications DISABLE TRIGGER notifications_added",
		"SELECT FROM assignment_counts", "UPDATE assignment_counts SET open_ended = 1", "DELETE FROM assignment_counts",
		"SELECT add_to_assignment_counts(1, 1)", "SELECT check_counts('records', 0, 1, true)", "SELECT record_count_differences(0, 1)",
		"UPDATE erasures SET erased_at = now()", "INSERT INTO erasures (confirmed_by) VALUES (1)", "TRUNCATE erasures", "SELECT erase_records(1)", "SELECT erase_account(1)",
		"UPDATE patient_profiles SET erased_at = NULL", "ALTER TABLE users DISABLE TRIGGER account_stays_erased", "TRUNCATE legal_holds",
		"UPDATE audit_checkpoints SET digests = NULL", "DELETE FROM audit_checkpoints", "TRUNCATE audit_checkpoints",
		"SELECT pg_read_file('/etc/passwd')", "COPY users TO PROGRAM 'cat'",
	}
	forbidden := map[schema.Part][]string{
		schema.PartServer: {
			"SELECT FROM outbox", "SELECT id FROM outbox", "DELETE FROM outbox", "UPDATE outbox SET finished_at = now()",
			"INSERT INTO notifications (recipient_id, event_id, type) VALUES (1, 1, 'NEW_RECORD')", "DELETE FROM refresh_tokens", "DELETE FROM idempotency_keys",
			"DELETE FROM recovery_codes", "UPDATE recovery_codes SET code_hash = 'x'",
			"UPDATE reset_codes SET user_id = 1",
			"SELECT FROM audit_checkpoints", "INSERT INTO audit_checkpoints (number) VALUES (1)", "SELECT audit_prepare_months()",
			"SELECT remove_deleted_records(now(), 1)", "INSERT INTO legal_holds (placed_by) VALUES (1)", "INSERT INTO erasures (requested_by) VALUES (1)",
			"INSERT INTO assignment_claims (owner) VALUES ('x')", "INSERT INTO assignment_claims (requester) VALUES ('x')",
			"UPDATE assignment_claims SET ends_at = NULL", "UPDATE assignment_claims SET reason = 'x'", "SELECT name FROM declarations",
			"INSERT INTO declarations (uid) VALUES ('x')", "UPDATE declarations SET generation = 0", "DELETE FROM declarations", "SELECT nextval('controller_terms')",
			"UPDATE assignments SET starts_at = now()", "UPDATE assignments SET owner = 'x'", "UPDATE health_records SET created_by = 1",
			"UPDATE doctor_profiles SET license_twin = true", "UPDATE doctor_comments SET doctor_id = 1", "UPDATE doctor_comments SET created_at = now()",
			"SELECT device FROM sessions", "SELECT last_address FROM sessions", "SELECT * FROM sessions", "UPDATE sessions SET device = 'x'", "UPDATE sessions SET user_id = 1",
		},
		schema.PartWorker: {
			"SELECT title FROM health_records", "SELECT diagnosis FROM health_records", "SELECT patient_id FROM health_records", "SELECT * FROM health_records",
			"SELECT comment FROM doctor_comments", "SELECT * FROM comment_details", "SELECT * FROM accounts", "SELECT username FROM users",
			"SELECT password_hash FROM users", "SELECT address FROM patient_profiles", "SELECT answer FROM idempotency_keys", "SELECT token_hash FROM refresh_tokens", "SELECT successor_salt FROM refresh_tokens",
			"SELECT FROM totp_factors", "SELECT FROM recovery_codes", "SELECT FROM name_versions", "SELECT FROM pending_names", "SELECT decide_name(1, true)",
			"SELECT code_hash FROM reset_codes", "INSERT INTO reset_codes (user_id) VALUES (1)", "UPDATE reset_codes SET expires_at = now()", "SELECT lock_account(1)",
			"SELECT device FROM sessions", "SELECT FROM callers_sessions", "SELECT start_session(1, 1, '', 1, 1, '', NULL)", "SELECT users_found('', '', NULL, true, 0, false, 1, 0)",
			"SELECT recipient_id FROM notifications", "UPDATE notifications SET read_at = now()", "UPDATE outbox SET patient_id = 1",
			"INSERT INTO outbox (type) VALUES ('record.created')", "UPDATE users SET active = true", "UPDATE assignments SET ends_at = now()", "INSERT INTO assignments (patient_id) VALUES (1)",
			"SELECT FROM assignment_claims", "UPDATE assignment_claims SET ended_at = now()", "SELECT requester FROM assignments",
			"SELECT FROM declarations", "SELECT nextval('controller_terms')",
			"SELECT FROM record_counts", "SELECT FROM notification_counts", "SELECT callers_patients_counted(1)",
			"SELECT FROM legal_holds", "SELECT FROM erasures", "SELECT erase_patient(1)", "SELECT lock_patient(1)", "DELETE FROM record_versions",
			"DELETE FROM health_records", "SELECT FROM patient_access", "INSERT INTO audit_log (role) VALUES ('ADMIN')", "SELECT nextval('audit_log_id_seq')",
		},
		schema.PartController: {
			"SELECT FROM audit_log", "SELECT FROM audit_checkpoints", "SELECT audit_prepare_months()",
			"SELECT FROM legal_holds", "SELECT FROM erasures", "SELECT erase_patient(1)", "SELECT remove_deleted_records(now(), 1)",
			"SELECT id FROM health_records", "SELECT id FROM doctor_comments", "SELECT * FROM comment_details", "SELECT * FROM accounts", "SELECT FROM notifications",
			"SELECT password_hash FROM users", "SELECT email FROM users", "SELECT date_of_birth FROM patient_profiles", "SELECT license_number FROM doctor_profiles",
			"UPDATE users SET active = true", "UPDATE doctor_profiles SET verified_at = now()", "UPDATE doctor_profiles SET license_number = 'x'",
			"DELETE FROM outbox", "UPDATE outbox SET finished_at = now()", "UPDATE outbox SET patient_id = 1", "SELECT patient_id FROM outbox",
			"INSERT INTO users (username, role, password_hash) VALUES ('x', 'ADMIN', 'x')", "SELECT FROM sessions", "SELECT FROM refresh_tokens", "SELECT FROM idempotency_keys",
			"SELECT FROM totp_factors", "SELECT FROM recovery_codes", "SELECT FROM name_versions", "SELECT FROM pending_names", "SELECT decide_name(1, true)",
			"SELECT FROM reset_codes", "DELETE FROM reset_codes", "SELECT lock_account(1)",
			"SELECT FROM record_counts", "SELECT FROM notification_counts", "SELECT callers_patients_counted(1)",
			"INSERT INTO assignment_claims (requested_by) VALUES (1)", "UPDATE declarations SET uid = 'x'", "SELECT setval('controller_terms', 1)",
			"SELECT FROM who_looked(1, now())", "INSERT INTO assignments (patient_id, doctor_id, source, requested_by, starts_at) VALUES (1, 1, 'rest', 1, now())",
		},
	}
	for _, part := range parts() {
		conn := connect(t, rights.URL(t, owner, part))
		for _, statement := range append(forbidden[part], all...) {
			_, err := conn.Exec(t.Context(), statement)
			if code := codeOf(err); code != denied {
				t.Errorf("%s: %s: %v, want SQLSTATE %s", part, statement, err, denied)
			}
		}
	}
}

func TestEnsureRolesIsSafeAtTheSameTime(t *testing.T) {
	t.Parallel()
	databases := []string{testkit.NewDatabase(t, schema.Migrate), testkit.NewDatabase(t, schema.Migrate), testkit.NewDatabase(t, schema.Migrate)}
	var logins []schema.Login
	for _, part := range parts() {
		logins = append(logins, schema.Login{Part: part, Role: "together " + string(part), Password: "päss'\"wörd%"})
	}
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			if err := schema.EnsureRoles(t.Context(), databases[i%len(databases)], logins); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, dsn := range databases {
		for _, l := range logins {
			conn := connect(t, as(t, dsn, l.Role, l.Password))
			var version int64
			if err := conn.QueryRow(t.Context(), "SELECT max(version_id) FROM goose_db_version").Scan(&version); err != nil {
				t.Errorf("%s: %v", l.Role, err)
			}
		}
	}
}

func as(t *testing.T, dsn, role, password string) string {
	t.Helper()
	location, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	location.User = url.UserPassword(role, password)
	return location.String()
}

func TestEnsureRolesChangesPasswordsAndTakesBackRights(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	login := schema.Login{Part: schema.PartWorker, Role: "changing", Password: "first"}
	ensure := func() {
		t.Helper()
		if err := schema.EnsureRoles(t.Context(), dsn, []schema.Login{login}); err != nil {
			t.Fatal(err)
		}
	}
	ensure()
	first := as(t, dsn, login.Role, login.Password)
	connect(t, first)
	owner := connect(t, dsn)
	if _, err := owner.Exec(t.Context(), "GRANT SELECT (title), UPDATE (title) ON health_records TO changing; GRANT ALL ON users TO changing"); err != nil {
		t.Fatal(err)
	}
	login.Password = "second"
	ensure()
	if _, err := pgx.Connect(t.Context(), first); codeOf(err) != "28P01" {
		t.Errorf("the old password: %v, want a wrong password", err)
	}
	conn := connect(t, as(t, dsn, login.Role, login.Password))
	for _, statement := range []string{"SELECT title FROM health_records", "UPDATE health_records SET title = ''", "SELECT email FROM users"} {
		if _, err := conn.Exec(t.Context(), statement); codeOf(err) != denied {
			t.Errorf("%s: %v, want SQLSTATE %s", statement, err, denied)
		}
	}
	login.Part = schema.PartServer // a schema of a newer release has its own rights
	if _, err := owner.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)"); err != nil {
		t.Fatal(err)
	}
	if err := schema.Migrate(t.Context(), dsn); err != nil {
		t.Errorf("an older release does not leave a newer schema alone: %v", err)
	}
	ensure()
	if _, err := conn.Exec(t.Context(), "SELECT email FROM users"); codeOf(err) != denied {
		t.Errorf("an older release changed the rights: %v", err)
	}
}

func TestEnsureRolesWithoutCreaterole(t *testing.T) {
	t.Parallel()
	server, dsn := startMigrated(t)
	if err := server.Exec(t.Context(), "ALTER ROLE "+services.Role+" NOCREATEROLE; CREATE ROLE made LOGIN PASSWORD 'of the dba'"); err != nil {
		t.Fatal(err)
	}
	ensure := func(role string) error {
		return schema.EnsureRoles(t.Context(), dsn, []schema.Login{{Part: schema.PartController, Role: role, Password: "another"}})
	}
	if err := ensure("unmade"); err == nil || codeOf(err) != "" {
		t.Errorf("a missing role: %v, want an error that says what to do", err)
	}
	if err := ensure("made"); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, as(t, dsn, "made", "of the dba"))
	if _, err := conn.Exec(t.Context(), "SELECT username FROM users"); err != nil {
		t.Errorf("the existing role has no rights: %v", err)
	}
	for _, right := range []string{"BYPASSRLS", "SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "NOLOGIN"} {
		undo := "NO" + right
		if right == "NOLOGIN" {
			undo = "LOGIN"
		}
		if err := server.Exec(t.Context(), "ALTER ROLE made "+right); err != nil {
			t.Fatal(err)
		}
		if err := ensure("made"); err == nil {
			t.Errorf("a role with %s is accepted", right)
		}
		if err := server.Exec(t.Context(), "ALTER ROLE made "+undo); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Exec(t.Context(), fmt.Sprintf("GRANT %s TO made", services.Role)); err != nil {
		t.Fatal(err)
	}
	if err := ensure("made"); err == nil {
		t.Error("a member of the owner is accepted")
	}
	if err := ensure(services.Role); err == nil {
		t.Error("the owner is accepted")
	}
}

func TestEnsureRolesKeepsPasswordsOutOfStatements(t *testing.T) {
	t.Parallel()
	_, dsn := startMigrated(t)
	// Statements fail for a role of this name, and a failed one is what Postgres logs and the driver may quote.
	err := schema.EnsureRoles(t.Context(), dsn, []schema.Login{{Part: schema.PartServer, Role: "pg_reserved", Password: "secret"}})
	if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "SCRAM") {
		t.Errorf("the error is %v", err)
	}
}

// TestPartsWorkForAnOwnerWhoMayMakeNoRoles is the case of CloudNativePG and of
// managed databases: somebody else makes the roles before the schema exists.
func TestPartsWorkForAnOwnerWhoMayMakeNoRoles(t *testing.T) {
	t.Parallel()
	server := testkit.StartPostgres(t)
	if err := server.CreateDatabase(t.Context(), "records", ""); err != nil {
		t.Fatal(err)
	}
	if err := server.Exec(t.Context(), "ALTER ROLE "+services.Role+" NOCREATEROLE NOCREATEDB"); err != nil {
		t.Fatal(err)
	}
	for _, part := range parts() {
		if err := server.Exec(t.Context(), fmt.Sprintf("CREATE ROLE healthrecords_%s LOGIN PASSWORD 'known-to-tests'", part)); err != nil {
			t.Fatal(err)
		}
	}
	dsn := server.DSN("records")
	for range 2 {
		if err := rights.Migrate(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
	}
	f := testkit.NewFactory(t, dsn)
	record := f.Record(testkit.RecordOptions{Patient: f.Patient(testkit.PatientOptions{})})
	for part, statement := range map[schema.Part]string{
		schema.PartServer: fmt.Sprintf(`SELECT count(r.title) FROM identify((SELECT account_named('%s')), 'PATIENT', 0) i
			CROSS JOIN LATERAL (SELECT title FROM health_records WHERE patient_id = i.patient_id) r`, record.CreatedBy.Username),
		schema.PartWorker:     "SELECT count(r.id) FROM health_records r CROSS JOIN audit_prepare_months()",
		schema.PartController: "SELECT count(u.id) FROM users u JOIN patient_profiles p ON p.user_id = u.id",
	} {
		var n int
		if err := connect(t, rights.URL(t, dsn, part)).QueryRow(t.Context(), statement).Scan(&n); err != nil || n != 1 {
			t.Errorf("the %s sees %d rows of one, %v", part, n, err)
		}
	}
}
