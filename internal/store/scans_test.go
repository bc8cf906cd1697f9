package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/postgres"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

const denied = "42501" // SQLSTATE

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// mayScan lists the statements whose plan reads a growing table as a whole,
// with the table and the reason. A new statement either uses an index or is listed here.
func mayScan() map[string]string {
	const (
		directory = "doctors are few: the directory finds, counts and sorts all that match"
		renaming  = "doctors are few: the directory's doctors whose name waits, and only for an administrator who asks for them"
		migrates  = "migrate reads each row once"
	)
	return map[string]string{
		"ListAssignments: assignments":              "for an administrator without a filter, whose list is counted; that part does not run otherwise",
		"ListDoctors: doctor_profiles_user_id_key":  directory,
		"ListDoctors: users_doctors_idx":            directory,
		"ListDoctors: pending_names":                renaming,
		"CountDoctors: doctor_profiles_user_id_key": directory,
		"CountDoctors: users_doctors_idx":           directory,
		"CountDoctors: pending_names":               renaming,
		"OddTexts: health_records_pkey":             migrates,
		"NewTerm: declarations":                     "once for each controller that begins to lead",
		"AuditRuns: audit_log_pkey":                 "retention reads the ids of a month that it drops",
	}
}

// runBy names the one part that runs the statements of a file: other parts might run them, but
// their policies give other plans. "" is the owner.
func runBy() map[string]schema.Part {
	return map[string]schema.Part{"declare.sql.go": schema.PartController, "events.sql.go": schema.PartWorker, "import.sql.go": "", "counts.sql.go": ""}
}

// TestStatementsUseIndexes plans every statement of the store, in each form in which it is
// sent, with the generic plans of store.Open, as each part that may run it, in large
// tables.
func TestStatementsUseIndexes(t *testing.T) {
	t.Parallel()
	dsn, callers := newCrowd(t)
	allowed, statements := mayScan(), append(generated(t), written(t, dsn)...)
	if len(statements) < 150 {
		t.Errorf("only %d statements are found", len(statements))
	}
	large, month := largeIn(t, dsn), regexp.MustCompile(`^audit_log_\d{4}_\d{2}`)
	expectAllLarge(t, dsn, large)
	planned, used := map[string]bool{}, map[string]bool{}
	plan := func(part schema.Part, as string, caller clinic.Caller) {
		conn := connect(t, as)
		for _, sql := range statements {
			if only, alone := runBy()[sql.file]; alone && part != only {
				continue
			}
			root := explain(t, conn, caller, sql.text)
			if root == nil {
				continue // not for this part
			}
			planned[sql.name+sql.form] = true
			if root.reads(exclusion) {
				t.Errorf("%s%s: the plan reads %s: compare the source by IS DISTINCT FROM, as 00016_claims.sql explains", sql.name, sql.form, exclusion)
			}
			for _, table := range root.scanned() {
				if !large[table] {
					continue // future months of the audit log
				}
				key := sql.name + ": " + month.ReplaceAllString(table, "audit_log")
				used[key] = true
				if allowed[key] == "" {
					t.Errorf("%s%s: the statement reads all of it: add an index, or a line with the reason to mayScan", key, sql.form)
				}
			}
		}
	}
	for _, caller := range callers {
		plan(schema.PartServer, rights.URL(t, dsn, schema.PartServer), caller)
	}
	for _, part := range []schema.Part{schema.PartWorker, schema.PartController} {
		plan(part, rights.URL(t, dsn, part), clinic.Caller{})
	}
	plan("", dsn, clinic.Caller{})
	for _, sql := range statements {
		if !planned[sql.name+sql.form] {
			t.Errorf("%s%s: no part may run it: grant it what it needs in schema/grants", sql.name, sql.form)
		}
	}
	for key := range allowed {
		if !used[key] {
			t.Errorf("%s: the statement uses an index; remove it from the list", key)
		}
	}
	checkFunctions(t, dsn, callers)
	checkPlans(t, dsn, callers, statements)
}

// TestDeclarationsUseIndexesInSmallTables: a controller keeps its plans while thousands of objects are created in a new
// installation, so that what is planned for a few rows must not read whole tables. It may still read more than it
// would with a plan for many rows, for example by an index of another column.
func TestDeclarationsUseIndexesInSmallTables(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	f := testkit.NewFactory(t, dsn)
	for range 50 { // before that, Postgres does not analyze a table by itself
		f.Assignment(testkit.AssignmentOptions{Patient: f.Patient(testkit.PatientOptions{}), Doctor: f.Doctor(testkit.DoctorOptions{})})
	}
	conn := connect(t, rights.URL(t, dsn, schema.PartController))
	planned := 0
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			f.Exec(`ANALYZE`)
		}
		for _, sql := range generated(t) {
			if sql.file != "declare.sql.go" || mayScan()[sql.name+": declarations"] != "" {
				continue
			}
			planned++
			plan := explain(t, conn, clinic.Caller{}, sql.text)
			if tables := plan.scanned(); len(tables) > 0 || plan.reads(exclusion) {
				t.Errorf("%s (analyzed: %t) reads all of %v, or %s", sql.name, analyzed, tables, exclusion)
			}
		}
	}
	if planned < 20 {
		t.Errorf("only %d statements are planned", planned)
	}
}

// newCrowd makes a database in which every growing table is large, and returns callers.
func newCrowd(t *testing.T) (dsn string, callers []clinic.Caller) {
	t.Helper()
	dsn = testkit.NewDatabase(t, rights.Migrate)
	f := testkit.NewFactory(t, dsn)
	admin := f.Admin()
	for _, fill := range []string{
		`INSERT INTO users (username, role, password_hash) SELECT 'u' || i, CASE WHEN i % 2 = 0 THEN 'DOCTOR' ELSE 'PATIENT' END, '-' FROM generate_series(1, 12000) i`,
		`INSERT INTO patient_profiles (user_id, source_id) SELECT id, 'p' || id FROM users WHERE role = 'PATIENT'`,
		`INSERT INTO doctor_profiles (user_id, specialization, license_number, verified_at, source_id) SELECT id, 'General', 'L' || id, now(), 'd' || id FROM users WHERE role = 'DOCTOR'`,
		`INSERT INTO pending_names (user_id, first_name, last_name) SELECT user_id, 'New', 'Name' FROM doctor_profiles`,
		`INSERT INTO declarations (uid, cluster, name, term, generation, digest, retain, released_at)
			SELECT i::text, 'c' || i % 2, 'ns/name', 1, 1, 'x', false, CASE WHEN i % 10 = 0 THEN now() - i * interval '1 minute' END FROM generate_series(1, 12000) i`,
		`BEGIN; SET LOCAL healthrecords.silent = 'on'; -- the events below are others
			INSERT INTO assignment_claims (patient_id, doctor_id, source, owner, starts_at) SELECT p.id, d.id, 'kubernetes', (p.id / 10)::text, now() - interval '1 hour'
			FROM patient_profiles p JOIN doctor_profiles d ON (p.id + d.id) % 2000 = 0; COMMIT`,
		`INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date, source_id, source_digest)
			SELECT id, user_id, 'CHECKUP', 'Visit', now() - i * interval '1 day', i::text, sha256('x') FROM patient_profiles, generate_series(1, 3) i`,
		`INSERT INTO doctor_comments (record_id, doctor_id, comment) SELECT r.id, a.doctor_id, 'text' FROM health_records r JOIN assignments a ON a.patient_id = r.patient_id WHERE a.doctor_id % 3 = 0`,
		`UPDATE health_records SET title = 'Again'`,
		`UPDATE doctor_comments SET comment = 'again'`,
		`WITH gone AS (INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date)
			SELECT id, user_id, 'CHECKUP', 'Gone', now() FROM patient_profiles RETURNING id) SELECT count(*) FROM gone`,
		`DELETE FROM health_records WHERE title = 'Gone'`,
		`SELECT index_records(ARRAY(SELECT id FROM health_records), 'simple')`,
		`UPDATE search_reindex SET last_id = (SELECT max(id) FROM health_records), finished_at = NULL`,
		`INSERT INTO outbox (type, patient_id, record_id, created_at, finished_at, outcome)
			SELECT 'record.created', patient_id, id, now() - id * interval '1 second', CASE WHEN id % 100 > 0 THEN now() END, CASE WHEN id % 100 > 0 THEN 'done' END FROM health_records`,
		`INSERT INTO notifications (recipient_id, event_id, type, patient_id, record_id) SELECT created_by, id, 'NEW_RECORD', patient_id, id FROM health_records`,
		`INSERT INTO sessions (user_id, expires_at) SELECT id, now() + id * interval '1 minute' FROM users`,
		`INSERT INTO refresh_tokens (session_id, token_hash, expires_at) SELECT id, sha256(id::text::bytea), expires_at FROM sessions`,
		`INSERT INTO idempotency_keys (user_id, operation, key, request_hash, created_at) SELECT id, 'create', 'k', '', now() - id * interval '1 second' FROM users`,
		`INSERT INTO totp_factors (user_id, secret) SELECT id, 'x' FROM users`,
		`INSERT INTO recovery_codes (user_id, code_hash) SELECT user_id, sha256('x') FROM totp_factors`,
		`INSERT INTO reset_codes (user_id, code_hash, expires_at) SELECT id, sha256(id::text::bytea), now() + id * interval '1 minute' FROM users`,
		`INSERT INTO legal_holds (patient_id, reason) SELECT id, 'lawsuit' FROM patient_profiles ORDER BY id LIMIT 5500`,
		`INSERT INTO erasures (patient_id, reason) SELECT id, 'asked for it' FROM patient_profiles`,
		`INSERT INTO audit_log (user_id, role, operation, object_kind, patient_ids, assignment_ids, reason, decision)
			SELECT p.user_id, 'PATIENT', 'getRecord', 'record', ARRAY[p.id], '{0}', 'own', 'allowed' FROM patient_profiles p, generate_series(1, 3)`,
		`ALTER TABLE audit_checkpoints DISABLE TRIGGER audit_checkpoints_follow`,
		`INSERT INTO audit_checkpoints (number, last_id, statement, signature) SELECT i AS number, i AS last_id, repeat('x', 100), 'x' FROM generate_series(1, 10000) i`,
		`ALTER TABLE audit_checkpoints ENABLE TRIGGER audit_checkpoints_follow`,
		`VACUUM ANALYZE`,
	} {
		f.Exec(fill)
	}
	for _, role := range []clinic.Role{clinic.RolePatient, clinic.RoleDoctor} {
		callers = append(callers, clinic.Caller{UserID: int64(f.Count(`SELECT min(id) FROM users WHERE role = $1`, role)), Role: role})
	}
	return dsn, append(callers, testkit.CallerOf(admin))
}

// largeIn returns the tables that are large, and their indexes.
func largeIn(t *testing.T, dsn string) map[string]bool {
	t.Helper()
	rows, err := connect(t, dsn).Query(t.Context(), `SELECT relname::text FROM pg_class WHERE reltuples > 5000`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	large := map[string]bool{}
	for _, name := range names {
		large[name] = true
	}
	return large
}

// expectAllLarge fails for a table that newCrowd leaves small: statements that read all of it would not be noticed.
func expectAllLarge(t *testing.T, dsn string, large map[string]bool) {
	t.Helper()
	rows, err := connect(t, dsn).Query(t.Context(), `SELECT relname::text FROM pg_class
		WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND NOT relispartition
			AND relname NOT IN ('goose_db_version', 'search_reindex')`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 15 {
		t.Fatalf("%d tables, %v", len(tables), err)
	}
	for _, table := range tables {
		if !large[table] {
			t.Errorf("%s has few rows: give it 6,000 or more in newCrowd", table)
		}
	}
}

// explain returns the plan of the statement, or nil where the part may not run it.
func explain(t *testing.T, conn *pgx.Conn, caller clinic.Caller, sql string) *node {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	script := "DEALLOCATE ALL; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL jit = off; "
	if caller.UserID != 0 {
		script += fmt.Sprintf("SELECT identify(%d, '%s', 0); ", caller.UserID, caller.Role)
	}
	if _, err = tx.Exec(t.Context(), script+"PREPARE sent AS "+sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		if postgres.HasCode(err, denied) {
			return nil
		}
		t.Fatalf("preparing %s: %v", sql, err)
	}
	var types []string
	if err := tx.QueryRow(t.Context(), `SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'sent'`, pgx.QueryExecModeSimpleProtocol).Scan(&types); err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, kind := range types { // not null, which would exclude months of the audit log
		values = append(values, map[string]string{"text": "''", "boolean": "true", "timestamp with time zone": "now()", "bytea": "''", "inet": "NULL", "jsonb": "NULL", "date": "NULL", "name": "''"}[kind])
		if strings.HasSuffix(kind, "[]") {
			values[len(values)-1] = "'{}'"
		} else if values[len(values)-1] == "" {
			values[len(values)-1] = "1" // a number
		}
	}
	execute := "EXPLAIN (FORMAT JSON) EXECUTE sent"
	if len(values) > 0 {
		execute += " (" + strings.Join(values, ", ") + ")"
	}
	var plan []byte
	if err := tx.QueryRow(t.Context(), execute, pgx.QueryExecModeSimpleProtocol).Scan(&plan); err != nil {
		if postgres.HasCode(err, denied) {
			return nil
		}
		t.Fatalf("explaining %s: %v", sql, err)
	}
	var explained []struct{ Plan node }
	if err := json.Unmarshal(plan, &explained); err != nil {
		t.Fatal(err)
	}
	return &explained[0].Plan
}

// node is a node of a plan, in the JSON of EXPLAIN.
type node struct {
	Kind      string `json:"Node Type"`
	Table     string `json:"Relation Name"`
	Index     string `json:"Index Name"`
	Condition string `json:"Index Cond"`
	Parent    string `json:"Parent Relationship"`
	Plans     []node `json:"Plans"`
}

// exclusion is an index that only Postgres itself may read, to check the constraint.
const exclusion = "assignments_one_active"

// reads reports whether the index is read below the node.
func (n node) reads(index string) bool {
	return n.Index == index || slices.ContainsFunc(n.Plans, func(below node) bool { return below.reads(index) })
}

// scanned returns the tables and indexes that are read from beginning to end below the
// node. A LIMIT ends the reading of an index in its order.
func (n node) scanned() []string {
	found := map[string]bool{}
	n.scan(found, false)
	return slices.Sorted(maps.Keys(found))
}

func (n node) scan(found map[string]bool, limited bool) {
	switch n.Kind {
	case "Seq Scan":
		found[n.Table] = true
	case "Index Scan", "Index Only Scan", "Bitmap Index Scan":
		if n.Condition == "" && !limited {
			found[n.Index] = true
		}
	}
	for _, below := range n.Plans {
		below.scan(found, n.Kind == "Limit" || limited && slices.Contains([]string{"Append", "Merge Append", "Subquery Scan", "Nested Loop", "LockRows", "Result"}, n.Kind))
	}
}
