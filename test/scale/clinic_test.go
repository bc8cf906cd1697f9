package scale_test

import (
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// hospital is a cluster with the controller in a process of its own, and a Postgres that counts statements.
type hospital struct {
	*cluster
	db          *testkit.Factory
	statistics  *testkit.Factory // the database that has pg_stat_statements
	controller  *program.Part
	environment []string
}

func startHospital(t *testing.T) *hospital {
	t.Helper()
	ctx := t.Context()
	server := testkit.StartPostgres(t)
	testkit.Must(t, server.Exec(ctx, `ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'`))
	testkit.Must(t, server.Stop(ctx))
	testkit.Must(t, server.Start(ctx))
	testkit.Must(t, server.Exec(ctx, `CREATE EXTENSION pg_stat_statements`))
	testkit.Must(t, server.CreateDatabase(ctx, "scale", ""))
	dsn := server.DSN("scale")
	testkit.Must(t, rights.Migrate(ctx, dsn))
	h := &hospital{
		cluster: newCluster(t), db: testkit.NewFactory(t, dsn), statistics: testkit.NewFactory(t, server.DSN("postgres")),
		environment: []string{"DATABASE_URL=" + rights.URL(t, dsn, schema.PartController)},
	}
	h.db.Exec(`WITH made AS (
			INSERT INTO users (username, role, password_hash)
			SELECT 'doctor' || n, 'DOCTOR', '-' FROM generate_series(0, $1::int - 1) n RETURNING id
		) INSERT INTO doctor_profiles (user_id, specialization, license_number, years_of_experience, verified_at)
		SELECT id, '', 'L' || id, 0, now() FROM made`, max(*doctors, *team))
	h.db.Exec(`WITH made AS (
			INSERT INTO users (username, role, password_hash)
			SELECT 'patient' || n, 'PATIENT', '-' FROM generate_series(0, $1::int - 1) n RETURNING id
		) INSERT INTO patient_profiles (user_id) SELECT id FROM made`, max(*objects+*samples, *largest, *teams**panel))
	h.db.Exec(`ANALYZE users, doctor_profiles, patient_profiles`)
	h.controller = startPart(t, "controller", h.environment...)
	return h
}

// startPart starts a controller, the real one or the idle one.
func startPart(t *testing.T, name string, environment ...string) *program.Part {
	t.Helper()
	return program.Start(t, name, append(environment, "LOG_LEVEL=error", "KUBECONFIG="+testkit.Kubeconfig(t), "LEADER_ELECT=false")...)
}

// restart stops the controller, if it runs, and starts it again.
func (h *hospital) restart(t *testing.T) {
	t.Helper()
	h.controller.Stop(t)
	h.controller = startPart(t, "controller", h.environment...)
}

// expectPairs compares the active assignments with the objects.
func (h *hospital) expectPairs(t *testing.T, want int) {
	t.Helper()
	if got := h.db.Count(`SELECT count(*) FROM active_assignments`); got != want {
		t.Errorf("%d assignments are active, want %d", got, want)
	}
}

// writes counts the rows that were ever written in the database.
func (h *hospital) writes(t *testing.T) int {
	t.Helper()
	// a session reports its figures when it ends or, while it is idle, once a second
	var last int
	await(t, "the figures of Postgres to stay the same", func() bool {
		now := h.db.Count(`SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_user_tables`)
		same := now == last
		last = now
		return same
	}, 1200*time.Millisecond)
	return last
}

// createAndDelete returns how long one more object takes until it is Ready, and its deletion until access has ended.
func (h *hospital) createAndDelete(t *testing.T, number int) (ready, gone time.Duration) {
	t.Helper()
	const access = `SELECT count(*) FROM active_assignments a JOIN patient_profiles p ON p.id = a.patient_id JOIN users u ON u.id = p.user_id
		WHERE u.username = $1`
	began := time.Now()
	da := h.create(t, objectName(number), []string{doctorName(number)}, []string{patientName(number)})
	h.awaitReadyObject(t, da.Name)
	ready = time.Since(began)
	began = time.Now()
	testkit.Must(t, h.client.Delete(t.Context(), da))
	await(t, "the deletion to be effective", func() bool { return h.db.Count(access, patientName(number)) == 0 }, 5*time.Millisecond)
	return ready, time.Since(began)
}
