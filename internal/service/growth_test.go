package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// The numbers of the town. They are skewed: a number that is high for one person is low for another.
const (
	townPatients    = 2000
	townDoctors     = 50
	retiredDoctors  = 500 // without patients
	careOfOne       = 15  // assignments of each patient that have ended
	recordsOfMany   = 6000
	patientsOfBusy  = 100 // of the busy doctor
	recordsOfBusy   = 50  // of each of these patients
	auditRows       = 20_000
	auditRowsOfOne  = auditRows / townPatients
	auditRowsOfBusy = 5000 // by the busy doctor, about the chronic patient
	toldOfBusy      = 6000 // notifications of the busy doctor, of which every third is unread
	said            = 3000 // comments on one record
	logins          = 2000 // sessions of the chronic patient
	changes         = 3000 // of one record, and of one comment
	recordsGone     = 3000 // of the chronic patient
)

// town is a place with many people. The busy doctor has many patients, the chronic
// patient has many records.
type town struct {
	dsn                  string
	db                   *testkit.Factory
	server               *service.API
	sent                 *sentStatements
	admin, busy, chronic clinic.Caller
	busyID, chronicID    int64             // profiles
	somebody             int64             // profile of a typical patient
	discussed            int64             // their last record
	corrected            int64             // its last comment
	quiet                clinic.Caller     // doctor of the chronic patient and of patient somebody
	ran                  map[string]bool   // lists and filter fields that ran
	prepared             map[string]string // statements on the connection again, by their texts
	again                *pgx.Conn         // of the server's role
}

func newTown(t *testing.T) town {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	f := testkit.NewFactory(t, dsn)
	busy, chronic := f.Doctor(testkit.DoctorOptions{}), f.Patient(testkit.PatientOptions{})
	w := town{
		dsn: dsn, db: f, sent: &sentStatements{}, ran: map[string]bool{}, prepared: map[string]string{}, admin: testkit.CallerOf(f.Admin()),
		busy: testkit.CallerOf(busy.User), busyID: busy.ID, chronic: testkit.CallerOf(chronic.User), chronicID: chronic.ID,
	}
	f.Exec(`WITH u AS (INSERT INTO users (username, role, password_hash)
			SELECT 'towns' || i, 'PATIENT', '-' FROM generate_series(1, $1::int) i RETURNING id)
		INSERT INTO patient_profiles (user_id) SELECT id FROM u`, townPatients)
	const doctors = `WITH u AS (INSERT INTO users (username, role, password_hash)
			SELECT $1 || i, 'DOCTOR', '-' FROM generate_series(1, $2::int) i RETURNING id)
		INSERT INTO doctor_profiles (user_id, specialization, license_number, verified_at) SELECT id, 'General', id::text, now() FROM u`
	f.Exec(doctors, "doctor", townDoctors)
	w.somebody = int64(f.Count(`SELECT max(id) FROM patient_profiles`))
	f.Exec(`INSERT INTO assignments (patient_id, doctor_id, source, requested_by, starts_at, ends_at)
		SELECT p.id, d.id, 'rest', $1, now() - interval '2 days', now() - interval '1 day'
		FROM patient_profiles p JOIN doctor_profiles d ON d.id <> $2 AND (p.id + d.id) % $3::int < $4::int`,
		w.admin.UserID, w.busyID, townDoctors, careOfOne)
	f.Exec(`INSERT INTO assignments (patient_id, doctor_id, source, starts_at)
		SELECT id, $1, 'rest', now() - interval '1 hour' FROM patient_profiles WHERE id <> $2 ORDER BY id LIMIT $3`, w.busyID, w.chronicID, patientsOfBusy)
	f.Exec(doctors, "retired", retiredDoctors)
	const records = `INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date, created_at)
		SELECT p.id, p.user_id, (ARRAY['CHECKUP', 'DIAGNOSIS', 'PRESCRIPTION'])[1 + i % 3], 'Visit',
			now() - random() * interval '3000 days', now() - random() * interval '3000 days'
		FROM generate_series(1, $1::int) i, patient_profiles p WHERE `
	f.Exec(records+`p.id = $2`, recordsOfMany, w.chronicID)
	f.Exec(records+`p.id IN (SELECT patient_id FROM assignments WHERE doctor_id = $2)`, recordsOfBusy, w.busyID)
	f.Exec(records+`p.id <> $2`, 3, w.chronicID)
	quiet := f.Doctor(testkit.DoctorOptions{})
	w.quiet = testkit.CallerOf(quiet.User)
	f.Assignment(testkit.AssignmentOptions{Patient: chronic, Doctor: quiet})
	f.Assignment(testkit.AssignmentOptions{Patient: clinic.Patient{ID: w.somebody}, Doctor: quiet})
	w.discussed = int64(f.Count(`SELECT max(id) FROM health_records WHERE patient_id = $1`, w.somebody))
	w.write(f)
	w.change(f)
	w.watch(f)
	f.Exec(`VACUUM ANALYZE`)
	server := testkit.Value(store.Open(t.Context(), store.Options{URL: rights.URL(t, dsn, schema.PartServer), MaxConns: 1, Tracer: w.sent}))(t)
	t.Cleanup(server.Close)
	w.server = newAPI(t, server)
	w.again = testkit.Value(pgx.Connect(t.Context(), rights.URL(t, dsn, schema.PartServer)))(t)
	t.Cleanup(func() { _ = w.again.Close(context.WithoutCancel(t.Context())) })
	return w
}

// write adds comments, and a notification for each record.
func (w *town) write(f *testkit.Factory) {
	const comments = `INSERT INTO doctor_comments (record_id, doctor_id, comment) SELECT r.id, a.doctor_id, 'text'
		FROM generate_series(1, $1::int), health_records r JOIN assignments a ON a.patient_id = r.patient_id AND a.ends_at IS NULL WHERE `
	f.Exec(comments+`a.doctor_id = $2`, 1, w.busyID)
	f.Exec(comments+`r.id = $2`, said, w.discussed)
	const told = `INSERT INTO notifications (recipient_id, event_id, type, patient_id, record_id, read_at)
		SELECT %s, r.id, 'NEW_RECORD', r.patient_id, r.id, CASE WHEN r.id %% 3 > 0 THEN now() END FROM health_records r`
	f.Exec(fmt.Sprintf(told, "r.created_by"))
	f.Exec(fmt.Sprintf(told, "$1::bigint")+` WHERE r.created_by <> $1 ORDER BY r.patient_id IN (SELECT patient_id FROM assignments WHERE doctor_id = $2) DESC LIMIT $3`,
		w.busy.UserID, w.busyID, toldOfBusy)
}

// change makes versions, and deletes records.
func (w *town) change(f *testkit.Factory) {
	w.corrected = int64(f.Count(`SELECT max(id) FROM doctor_comments WHERE record_id = $1`, w.discussed))
	f.Exec(fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP
		UPDATE health_records SET title = 'Visit ' || i WHERE id = %d;
		UPDATE doctor_comments SET comment = 'text ' || i WHERE id = %d;
	END LOOP; END $$`, changes, w.discussed, w.corrected))
	f.Exec(`INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date, created_at)
		SELECT $2, $3, 'CHECKUP', 'Gone', now() - random() * interval '3000 days', now() - random() * interval '3000 days' FROM generate_series(1, $1::int)`,
		recordsGone, w.chronicID, w.chronic.UserID)
	f.Exec(`DELETE FROM health_records WHERE title = 'Gone'`)
	f.Exec(`UPDATE health_records SET record_type = 'ENTERED_IN_ERROR:' || record_type, error_reason = 'mixed up'
		WHERE id IN (SELECT max(id) FROM health_records WHERE id <> $1 GROUP BY patient_id)`, w.discussed)
}

// watch adds rows to the audit log, and sessions.
func (w *town) watch(f *testkit.Factory) {
	const audit = `INSERT INTO audit_log (user_id, role, operation, object_kind, patient_ids, assignment_ids, reason, decision)
		SELECT %s, 'PATIENT', 'listRecords', 'record', ARRAY[%s], ARRAY[0], 'own', 'allowed' FROM `
	f.Exec(fmt.Sprintf(audit, "p.user_id", "p.id")+`generate_series(1, $1::int), patient_profiles p WHERE p.id <> $2`, auditRowsOfOne, w.chronicID)
	f.Exec(fmt.Sprintf(audit, "$2::bigint", "$3::bigint")+`generate_series(1, $1::int)`, auditRowsOfBusy, w.busy.UserID, w.chronicID)
	f.Exec(`INSERT INTO erasures (patient_id, reason) SELECT id, 'asked for it' FROM patient_profiles`)
	f.Exec(`INSERT INTO sessions (user_id, expires_at) SELECT id, now() + interval '1 day' FROM users`)
	f.Exec(`INSERT INTO sessions (user_id, expires_at) SELECT $1, now() + interval '1 day' FROM generate_series(1, $2::int)`, w.chronic.UserID, logins)
}

// sentStatements records the statements sent to Postgres, except those that identify the caller
// and those that begin and end transactions.
type sentStatements struct{ all []pgx.TraceBatchQueryData }

func (s *sentStatements) keep(sql string, args []any) {
	if !slices.Contains([]string{"BEGIN", "COMMIT", "ROLLBACK"}, strings.ToUpper(sql)) && !strings.HasPrefix(sql, "-- name: Identify\n") {
		s.all = append(s.all, pgx.TraceBatchQueryData{SQL: sql, Args: args})
	}
}

func (s *sentStatements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s.keep(data.SQL, data.Args)
	return ctx
}
func (*sentStatements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (*sentStatements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (s *sentStatements) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	s.keep(data.SQL, data.Args)
}
func (*sentStatements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// planModes are those of Postgres: for any parameters, as store.Open sets it, and
// for the given ones, as a Postgres behind a pooler may be configured.
func planModes() []string { return []string{"force_generic_plan", "force_custom_plan"} }

// rowsRead runs the statements that were sent once more, as the server and the caller, and returns how
// many rows, or index entries, of each table they read.
func (w town) rowsRead(t *testing.T, mode string, caller clinic.Caller) map[string]int {
	t.Helper()
	tx := testkit.Value(w.again.Begin(t.Context()))(t)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	testkit.Value(tx.Exec(t.Context(), `SELECT identify($1, $2, 0)`, pgx.QueryExecModeSimpleProtocol, caller.UserID, string(caller.Role)))(t)
	testkit.Value(tx.Exec(t.Context(), `SET LOCAL jit = off; SET LOCAL plan_cache_mode = `+mode, pgx.QueryExecModeSimpleProtocol))(t)
	read := map[string]int{}
	for _, statement := range w.sent.all {
		name, known := w.prepared[statement.SQL]
		if !known {
			name = fmt.Sprintf("sent%d", len(w.prepared))
			w.prepared[statement.SQL] = name
			testkit.Value(tx.Exec(t.Context(), fmt.Sprintf("PREPARE %s AS %s", name, statement.SQL)))(t)
		}
		var places []string
		for n := range statement.Args {
			places = append(places, fmt.Sprintf("$%d", n+1))
		}
		var plan []byte
		err := tx.QueryRow(t.Context(), fmt.Sprintf("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE %s (%s)", name, strings.Join(places, ", ")),
			append([]any{pgx.QueryExecModeSimpleProtocol}, statement.Args...)...).Scan(&plan)
		if err != nil {
			t.Fatalf("explaining %s: %v", statement.SQL, err)
		}
		var explained []struct{ Plan planNode }
		if err := json.Unmarshal(plan, &explained); err != nil {
			t.Fatal(err)
		}
		explained[0].Plan.count(read)
	}
	return read
}

// planNode is a node of a plan in EXPLAIN's JSON, with averages over its loops.
type planNode struct {
	Kind    string     `json:"Node Type"`
	Table   string     `json:"Relation Name"`
	Index   string     `json:"Index Name"`
	Rows    float64    `json:"Actual Rows"`
	Loops   float64    `json:"Actual Loops"`
	Removed float64    `json:"Rows Removed by Filter"`
	Recheck float64    `json:"Rows Removed by Index Recheck"`
	Plans   []planNode `json:"Plans"`
}

// count adds the rows that the node and those below it read, by table; for a bitmap of an
// index by the index.
func (n planNode) count(read map[string]int) {
	name := n.Table
	if name == "" {
		name = n.Index
	}
	if strings.HasPrefix(name, "audit_log_") {
		name = "audit_log" // its months
	}
	if name != "" && strings.HasSuffix(n.Kind, "Scan") {
		read[name] += int((n.Rows + n.Removed + n.Recheck) * n.Loops)
	}
	for _, below := range n.Plans {
		below.count(read)
	}
}

// few rows of any table may be read without an explicit limit: small tables
// are read whole, and the rows of a page by their keys.
const few = 400

// check makes the call and compares the rows that it reads in each mode with the limits.
func (w town) check(t *testing.T, name string, caller clinic.Caller, limits map[string]int, call func() error) {
	t.Helper()
	w.sent.all = nil
	if err := call(); err != nil {
		t.Fatal(err)
	}
	for _, mode := range planModes() {
		read := w.rowsRead(t, mode, caller)
		if len(read) == 0 {
			t.Errorf("%s, %s: no rows are read", name, mode)
		}
		for _, table := range slices.Sorted(maps.Keys(read)) {
			if limit := max(limits[table], few); read[table] > limit {
				t.Errorf("%s, %s: %d rows of %s are read, want at most %d; only a list that counts them may have a higher limit", name, mode, read[table], table, limit)
			}
		}
	}
}
