package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

const (
	costPatients = 100
	costRecords  = 20 // of the patient with few records
	// How much more a page of the large clinic may read than the same page of the small one.
	costGrowth = 1.3
	// Blocks of an index that has clinic.MaxCount records.
	costOfCount = 30
)

// newGrownClinic returns a town whose busy doctor sees all records, and whose chronic patient has few.
func newGrownClinic(t *testing.T, records int) town {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	f := testkit.NewFactory(t, dsn)
	few, doctor := f.Patient(testkit.PatientOptions{}), f.Doctor(testkit.DoctorOptions{})
	w := town{
		dsn: dsn, db: f, sent: &sentStatements{}, prepared: map[string]string{}, ran: map[string]bool{},
		busy: testkit.CallerOf(doctor.User), chronic: testkit.CallerOf(few.User),
	}
	for range costPatients - 1 {
		w.somebody = f.Patient(testkit.PatientOptions{}).ID
	}
	f.Exec(`INSERT INTO assignments (patient_id, doctor_id, source, starts_at) SELECT id, $1, 'rest', now() - interval '1 hour' FROM patient_profiles`, doctor.ID)
	const fill = `INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date)
		SELECT p.id, p.user_id, (ARRAY['CHECKUP', 'DIAGNOSIS', 'PRESCRIPTION'])[1 + mod(i, 3)], 'Visit', now() - i * interval '8 hours' / ($1::float8 / 20)
		FROM generate_series(1, $1::int) i, patient_profiles p WHERE `
	f.Exec(fill+`p.id = $2`, costRecords, few.ID)
	f.Exec(fill+`p.id <> $2`, records/costPatients, few.ID)
	f.Exec(`INSERT INTO notifications (recipient_id, event_id, type, patient_id, record_id, read_at)
		SELECT u.id, r.id, 'NEW_RECORD', r.patient_id, r.id, CASE WHEN mod(r.id, 3) > 0 THEN now() END
		FROM health_records r JOIN users u ON u.id IN ($1, r.created_by)`, doctor.User.ID)
	f.Exec(`VACUUM ANALYZE`)
	server := testkit.Value(store.Open(t.Context(), store.Options{URL: rights.URL(t, dsn, schema.PartServer), MaxConns: 1, Tracer: w.sent}))(t)
	t.Cleanup(server.Close)
	w.server = newAPI(t, server)
	w.again = testkit.Value(pgx.Connect(t.Context(), rights.URL(t, dsn, schema.PartServer)))(t)
	t.Cleanup(func() { _ = w.again.Close(context.WithoutCancel(t.Context())) })
	return w
}

// cost returns how many blocks of Postgres the call's statements read.
func (w town) cost(t *testing.T, caller clinic.Caller, call func() error) (blocks int) {
	t.Helper()
	w.sent.all = nil
	testkit.Must(t, call())
	tx := testkit.Value(w.again.Begin(t.Context()))(t)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	testkit.Value(tx.Exec(t.Context(), `SELECT identify($1, $2, 0)`, pgx.QueryExecModeSimpleProtocol, caller.UserID, string(caller.Role)))(t)
	testkit.Value(tx.Exec(t.Context(), `SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_generic_plan`, pgx.QueryExecModeSimpleProtocol))(t)
	for _, statement := range w.sent.all {
		name, known := w.prepared[statement.SQL]
		if !known {
			name = fmt.Sprintf("sent%d", len(w.prepared))
			w.prepared[statement.SQL] = name
			testkit.Value(tx.Exec(t.Context(), fmt.Sprintf("PREPARE %s AS %s", name, statement.SQL)))(t)
		}
		places := make([]string, len(statement.Args))
		for n := range places {
			places[n] = fmt.Sprintf("$%d", n+1)
		}
		var explained []struct {
			Plan struct {
				Hit  int `json:"Shared Hit Blocks"`
				Read int `json:"Shared Read Blocks"`
			}
		}
		for range 2 { // first, the session reads the catalog
			var plan []byte
			testkit.Must(t, tx.QueryRow(t.Context(), fmt.Sprintf("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE %s (%s)", name, strings.Join(places, ", ")),
				append([]any{pgx.QueryExecModeSimpleProtocol}, statement.Args...)...).Scan(&plan))
			testkit.Must(t, json.Unmarshal(plan, &explained))
		}
		blocks += explained[0].Plan.Hit + explained[0].Plan.Read
	}
	return blocks
}

// TestAPageCostsTheSameAmongManyRecords compares what a page reads among 2,000 and among 200,000 records of as many
// patients.
func TestAPageCostsTheSameAmongManyRecords(t *testing.T) {
	t.Parallel()
	small, large := newGrownClinic(t, 2000), newGrownClinic(t, 200_000)
	ago := func(days int) *time.Time {
		at := time.Now().AddDate(0, 0, -days)
		return &at
	}
	// The small clinic fills each of these pages, also with records of one type, of a period or of one patient.
	sizes := []clinic.PageRequest{{Size: 4}, {Number: 2, Size: 2}}
	compare := func(name string, counting int, read func(town, clinic.Caller, clinic.PageRequest) error) {
		for _, page := range sizes {
			for who, callers := range map[string][2]clinic.Caller{"few": {small.chronic, large.chronic}, "all": {small.busy, large.busy}} {
				before := small.cost(t, callers[0], func() error { return read(small, callers[0], page) })
				after := large.cost(t, callers[1], func() error { return read(large, callers[1], page) })
				if float64(after) > costGrowth*float64(before)+float64(counting) {
					t.Errorf("%s for who sees %s, page %d of %d: %d blocks are read among 2,000 records, and %d among 200,000", name, who, page.Number, page.Size, before, after)
				}
			}
		}
	}
	for name, filter := range map[string]clinic.RecordFilter{
		"all records": {}, "records of a type": {Type: clinic.RecordCheckup}, "records of a period": {From: ago(5), To: ago(1)},
		"records since a time": {From: ago(100)}, "records of a type and period": {Type: clinic.RecordCheckup, From: ago(5)},
		"records by creation": {Order: clinic.OrderCreatedDesc},
	} {
		counting := 0
		if filter.From != nil {
			counting = costOfCount
		}
		compare(name, counting, func(w town, caller clinic.Caller, page clinic.PageRequest) error {
			_, err := w.server.Records.List(t.Context(), caller, filter, page)
			return err
		})
		compare(name+" of a patient", counting, func(w town, caller clinic.Caller, page clinic.PageRequest) error {
			ofOne := filter
			ofOne.PatientID = w.somebody
			if caller == w.chronic {
				ofOne.PatientID = 0 // they may see no other patient
			}
			_, err := w.server.Records.List(t.Context(), caller, ofOne, page)
			return err
		})
	}
	sizes = append(sizes, clinic.PageRequest{})
	for name, filter := range map[string]clinic.NotificationFilter{"notifications": {}, "unread notifications": {Read: new(bool)}} {
		const patients = 100 // in both clinics: so few are sometimes read as a whole, with a lookup for each
		compare(name, patients, func(w town, caller clinic.Caller, page clinic.PageRequest) error {
			_, err := w.server.Notifications.List(t.Context(), caller, filter, page)
			return err
		})
	}
	compare("patients", 0, func(w town, caller clinic.Caller, page clinic.PageRequest) error {
		if caller == w.chronic {
			return nil // is refused
		}
		_, err := w.server.Patients.OfDoctor(t.Context(), caller, page)
		return err
	})
	compare("all records", 0, func(w town, caller clinic.Caller, page clinic.PageRequest) error {
		_, err := w.server.Records.List(t.Context(), caller, clinic.RecordFilter{}, page)
		return err
	})
}
