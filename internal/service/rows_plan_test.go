package service_test

import (
	"context"
	"regexp"
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

// readers are callers over many rows, with the service as the server and as the
// owner, for whom row-level security shows everything.
type readers struct {
	dsn                    string
	db                     *testkit.Factory
	server, owner          *service.API
	sent                   *lastStatement // by the server
	doctor, patient, admin clinic.Caller
	record                 int64 // of the patient
}

// newReaders makes a doctor with patients who have records each, as many patients
// of other doctors, and a hundred other doctors.
func newReaders(t testing.TB, patients, records int) readers {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	f := fixture{db: testkit.NewFactory(t, dsn)}
	l := readers{dsn: dsn, db: f.db, admin: testkit.CallerOf(f.db.Admin()), sent: &lastStatement{}}
	l.doctor, l.patient = ledger(t, f, patients, records)
	f.db.Exec(`WITH u AS (INSERT INTO users (username, first_name, last_name, role, password_hash)
			SELECT 'stranger' || i, 'Other', 'Name', 'PATIENT', '-' FROM generate_series(1, $1::int) i RETURNING id)
		INSERT INTO patient_profiles (user_id) SELECT id FROM u`, patients)
	for range 100 {
		f.db.Doctor(testkit.DoctorOptions{})
	}
	f.db.Exec(`INSERT INTO assignments (patient_id, doctor_id, source, starts_at)
		SELECT p.id, d.id, 'rest', now() - interval '1 hour' FROM patient_profiles p JOIN doctor_profiles d ON (p.id + d.id) % 20 = 0
		ON CONFLICT DO NOTHING`)
	f.db.Exec(`INSERT INTO notifications (recipient_id, event_id, type, patient_id, record_id)
		SELECT $1, id, 'NEW_RECORD', patient_id, id FROM health_records`, l.doctor.UserID)
	f.db.Exec(`VACUUM ANALYZE`)
	l.record = int64(f.db.Count(`SELECT min(r.id) FROM health_records r JOIN patient_profiles p ON p.id = r.patient_id
		WHERE p.user_id = $1`, l.patient.UserID))
	server := testkit.Value(store.Open(t.Context(), store.Options{URL: rights.URL(t, dsn, schema.PartServer), MaxConns: 1, Tracer: l.sent}))(t)
	t.Cleanup(server.Close)
	l.server = newAPI(t, server)
	l.owner = newAPI(t, rights.Open(t, store.Options{URL: dsn, MaxConns: 1}))
	return l
}

// lastStatement keeps the last statement sent to Postgres.
type lastStatement struct{ pgx.TraceBatchQueryData }

func (*lastStatement) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (*lastStatement) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (*lastStatement) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (l *lastStatement) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	if !strings.HasPrefix(data.SQL, "-- name: SeenPatient") { // it follows a list about one patient
		l.TraceBatchQueryData = data
	}
}
func (*lastStatement) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// TestRowSecurityKeepsTheIndexes compares the plan of each read as the server with
// its plan without row-level security.
func TestRowSecurityKeepsTheIndexes(t *testing.T) {
	t.Parallel()
	l := newReaders(t, 300, 200)
	callers := map[string]clinic.Caller{
		"records of a patient": l.patient, "record to its patient": l.patient, "directory": l.patient,
		"patients": l.admin, "search of patients": l.admin,
	}
	for name, read := range l.reads(t) {
		if err := read(l.server); err != nil {
			t.Fatal(err)
		}
		caller, other := callers[name]
		if !other {
			caller = l.doctor
		}
		open, protected := l.plan(t, l.dsn, caller), l.plan(t, rights.URL(t, l.dsn, schema.PartServer), caller)
		used := indexes(protected)
		for _, index := range indexes(open) {
			if !slices.Contains(used, index) {
				t.Errorf("%s: %s is not used any more:\n%s\ninstead of\n%s", name, index, protected, open)
			}
		}
		if scans(protected) > scans(open) {
			t.Errorf("%s reads whole tables:\n%s\ninstead of\n%s", name, protected, open)
		}
	}
}

func indexes(plan string) []string {
	found := regexp.MustCompile(`(?:Index Scan|Index Only Scan|Bitmap Index Scan).* (?:using|on) (\w+)`).FindAllStringSubmatch(plan, -1)
	var names []string
	for _, f := range found {
		names = append(names, f[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func scans(plan string) int { return strings.Count(plan, "Seq Scan") }

// plan explains the last statement as the caller, for any parameters, as store.Open
// sets it.
func (l readers) plan(t testing.TB, dsn string, caller clinic.Caller) string {
	t.Helper()
	conn := testkit.Value(pgx.Connect(t.Context(), dsn))(t)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	tx := testkit.Value(conn.Begin(t.Context()))(t)
	testkit.Value(tx.Exec(t.Context(), `SELECT identify($1, $2, 0)`, caller.UserID, string(caller.Role)))(t)
	testkit.Value(tx.Exec(t.Context(), `SET LOCAL plan_cache_mode = force_generic_plan`))(t)
	testkit.Value(tx.Exec(t.Context(), "PREPARE sent AS "+l.sent.SQL))(t)
	nulls := strings.TrimSuffix(strings.Repeat("NULL, ", len(l.sent.Args)), ", ")
	rows := testkit.Value(tx.Query(t.Context(), "EXPLAIN EXECUTE sent ("+nulls+")", pgx.QueryExecModeSimpleProtocol))(t)
	return strings.Join(testkit.Value(pgx.CollectRows(rows, pgx.RowTo[string]))(t), "\n")
}

// The search runs in a function, which hides its plan; so the use of
// its index is counted.
func TestTheSearchOfPatientsUsesItsIndex(t *testing.T) {
	t.Parallel()
	l := newReaders(t, 3000, 1)
	if err := l.reads(t)["search of patients"](l.server); err != nil {
		t.Fatal(err)
	}
	conn := testkit.Value(pgx.Connect(t.Context(), rights.URL(t, l.dsn, schema.PartServer)))(t)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	tx := testkit.Value(conn.Begin(t.Context()))(t)
	testkit.Value(tx.Exec(t.Context(), `SELECT identify($1, 'ADMIN', 0)`, l.admin.UserID))(t)
	tag := testkit.Value(tx.Exec(t.Context(), l.sent.SQL, l.sent.Args...))(t)
	if tag.RowsAffected() == 0 {
		t.Error("nothing is found")
	}
	testkit.Value(tx.Exec(t.Context(), `SELECT pg_stat_force_next_flush()`))(t)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Value(conn.Exec(t.Context(), `SELECT 1`))(t) // statistics are reported when the connection is idle
	if l.db.Count(`SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'users_search_idx'`) == 0 {
		t.Error("users_search_idx is not used")
	}
}
