package store

import (
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// counting is a small clinic whose rows change at random.
type counting struct {
	f        *testkit.Factory
	db       *DB
	patients []clinic.Patient
	doctors  []clinic.Doctor
}

func newCounting(t *testing.T) *counting {
	t.Helper()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	return &counting{f: testkit.NewFactory(t, dsn), db: openTest(t, dsn)}
}

// settle replaces the people by new ones, whose ids are higher.
func (c *counting) settle(people int) {
	c.patients, c.doctors = nil, nil
	for range people {
		c.patients = append(c.patients, c.f.Patient(testkit.PatientOptions{}))
		c.doctors = append(c.doctors, c.f.Doctor(testkit.DoctorOptions{}))
	}
}

// wrong returns how many counts of a kind differ from the rows.
func (c *counting) wrong(t testing.TB, kind CountKind, repair bool) (wrong int) {
	t.Helper()
	for beyond := int64(0); ; {
		last, found, err := c.db.System().Counts().Check(t.Context(), kind, beyond, repair)
		if err != nil {
			t.Fatal(err)
		}
		wrong += found
		if last == 0 {
			return wrong
		}
		beyond = last
	}
}

func (c *counting) expectRight(t testing.TB) {
	t.Helper()
	for _, kind := range CountKinds() {
		if n := c.wrong(t, kind, false); n != 0 {
			t.Errorf("%d counts of %s are wrong", n, kind)
		}
	}
}

// changes are statements that change what is counted, each for a random patient (%[1]d) and doctor (%[2]d), and for the
// notifications of users from %[3]d on.
func changes() []string {
	const (
		record = `INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date)
			SELECT p.id, p.user_id, (ARRAY['CHECKUP', 'DIAGNOSIS', 'EMERGENCY'])[1 + mod(i, 3)], 'Visit', now() FROM patient_profiles p, generate_series(1, 4) i WHERE p.id %s %%[1]d`
		told = `INSERT INTO notifications (recipient_id, event_id, type, patient_id, record_id, read_at)
			SELECT u.id, nextval('outbox_id_seq'), 'NEW_RECORD', p.id, (SELECT max(id) FROM health_records WHERE patient_id = p.id), %s
			FROM users u, patient_profiles p WHERE p.id = %%[1]d AND u.id >= %%[3]d`
		claim = `INSERT INTO assignment_claims (patient_id, doctor_id, source, starts_at, ends_at)
			SELECT p.id, d.id, 'rest', now() + interval '%s', now() + %s FROM patient_profiles p JOIN doctor_profiles d ON d.id = %%[2]d WHERE p.id >= %%[1]d ON CONFLICT DO NOTHING`
	)
	return []string{
		fmt.Sprintf(record, "="), fmt.Sprintf(record, ">="),
		`DELETE FROM health_records WHERE id IN (SELECT id FROM health_records WHERE patient_id >= %[1]d ORDER BY id LIMIT 2)`,
		`UPDATE health_records SET record_type = 'DIAGNOSIS' WHERE patient_id = %[1]d`,
		`UPDATE health_records SET record_type = CASE record_type WHEN 'DIAGNOSIS' THEN 'CHECKUP' ELSE 'DIAGNOSIS' END WHERE patient_id >= %[1]d`,
		`UPDATE health_records SET title = 'Visit again' WHERE patient_id = %[1]d`,
		fmt.Sprintf(told, "NULL"), fmt.Sprintf(told, "now()"),
		`UPDATE notifications SET read_at = now() WHERE recipient_id = (SELECT user_id FROM doctor_profiles WHERE id = %[2]d) AND read_at IS NULL`,
		`UPDATE notifications SET read_at = NULL WHERE patient_id = %[1]d`,
		fmt.Sprintf(claim, "0", "NULL"), fmt.Sprintf(claim, "1 day", "NULL"), fmt.Sprintf(claim, "0", "interval '1 day'"),
		`UPDATE assignment_claims SET ended_at = now() WHERE doctor_id = %[2]d AND ended_at IS NULL`,
		`DELETE FROM assignments WHERE patient_id = %[1]d`,
		`INSERT INTO assignments (patient_id, doctor_id, source, reason, starts_at, ends_at)
			SELECT p.id, d.id, 'break_glass', 'emergency', now(), now() + interval '1 hour' FROM patient_profiles p, doctor_profiles d
			WHERE p.id = %[1]d AND d.id = %[2]d`,
	}
}

// expectPatients compares the number of a doctor's patients, and of their records, with the view that decides on access.
func (c *counting) expectPatients(t testing.TB, doctor clinic.Doctor) {
	t.Helper()
	if c.f.Count(`SELECT count(*) FROM doctor_profiles WHERE id = $1`, doctor.ID) == 0 {
		return
	}
	page, err := c.db.As(testkit.CallerOf(doctor.User)).Patients().OfDoctor(t.Context(), clinic.PageRequest{Number: 1, Size: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := c.f.Count(`SELECT count(DISTINCT patient_id) FROM active_assignments WHERE doctor_id = $1`, doctor.ID)
	if len(page.Items) > 0 && page.Total != want || len(page.Items) != min(want, 2) || page.AtLeast {
		t.Errorf("doctor %d has %d patients, the count is %d (at least: %t), and the page has %d", doctor.ID, want, page.Total, page.AtLeast, len(page.Items))
	}
	for _, p := range page.Items {
		if want := c.f.Count(`SELECT count(*) FROM health_records WHERE patient_id = $1`, p.ID); p.TotalRecords != want {
			t.Errorf("patient %d has %d records, the count is %d", p.ID, want, p.TotalRecords)
		}
	}
}

// TestCountsAreRightAfterEveryChange makes random changes, some of which are rolled back, and compares each count with the
// rows.
func TestCountsAreRightAfterEveryChange(t *testing.T) {
	t.Parallel()
	c := newCounting(t)
	all := append(changes(),
		`DELETE FROM patient_profiles WHERE id = %[1]d`,
		`WITH p AS (DELETE FROM patient_profiles WHERE id = %[1]d RETURNING user_id) DELETE FROM users WHERE id IN (SELECT user_id FROM p)`,
		`DELETE FROM users WHERE id = (SELECT user_id FROM doctor_profiles WHERE id = %[2]d)`,
	)
	rapid.Check(t, func(r *rapid.T) {
		c.settle(3)
		for range rapid.IntRange(1, 15).Draw(r, "changes") {
			doctor := rapid.SampledFrom(c.doctors).Draw(r, "doctor")
			change := fmt.Sprintf(rapid.SampledFrom(all).Draw(r, "change")+"; -- %[1]d %[2]d %[3]d",
				rapid.SampledFrom(c.patients).Draw(r, "patient").ID, doctor.ID, c.patients[0].User.ID)
			if rapid.IntRange(0, 3).Draw(r, "rolled back") == 0 {
				change = "BEGIN; " + change + "\nROLLBACK"
			}
			c.f.Exec(change)
			c.expectRight(t)
			c.expectPatients(t, doctor)
			if t.Failed() {
				r.Fatalf("after %s", change)
			}
		}
	})
}

// TestWritersOfCountsNeverWait changes rows of the same patients and recipients in overlapping transactions, in different
// orders. No transaction may fail, as one of two that wait for each other would.
func TestWritersOfCountsNeverWait(t *testing.T) {
	t.Parallel()
	const writers, rounds = 8, 25
	c := newCounting(t)
	c.settle(4)
	first := c.patients[0]
	told := fmt.Sprintf(`INSERT INTO notifications (recipient_id, event_id, type) SELECT id, nextval('outbox_id_seq'), 'NEW_RECORD' FROM users
		WHERE id >= %d ORDER BY %%s`, first.User.ID)
	record := `INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date)
		SELECT id, user_id, '%s', 'Visit', now() FROM patient_profiles ORDER BY id %s`
	steps := []string{
		fmt.Sprintf(told, "id"), fmt.Sprintf(told, "id DESC"), fmt.Sprintf(record, "CHECKUP", ""), fmt.Sprintf(record, "DIAGNOSIS", "DESC"),
	}
	read := `UPDATE notifications SET read_at = now() WHERE id = ANY(ARRAY(SELECT id FROM notifications WHERE recipient_id = $1 AND read_at IS NULL
		ORDER BY id FOR UPDATE SKIP LOCKED))`
	gone := `DELETE FROM health_records WHERE id = ANY(ARRAY(SELECT id FROM health_records WHERE patient_id = $1 ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED))`
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range rounds {
				err := pgx.BeginFunc(t.Context(), c.f.Pool, func(tx pgx.Tx) error {
					for j := range steps {
						if _, err := tx.Exec(t.Context(), steps[(w+i+j)%len(steps)]); err != nil {
							return err
						}
					}
					if _, err := tx.Exec(t.Context(), read, c.doctors[(w+i)%len(c.doctors)].User.ID); err != nil {
						return err
					}
					_, err := tx.Exec(t.Context(), gone, c.patients[(w+i)%len(c.patients)].ID)
					return err
				})
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	group.Wait()
	c.expectRight(t)
	if most := c.f.Count(`SELECT max(n) FROM (SELECT count(*) AS n FROM notification_counts GROUP BY recipient_id, read) AS of_one`); most > writers {
		t.Errorf("a count has %d rows, want at most one for each of the %d writers", most, writers)
	}
	if n := c.f.Count(`SELECT sum(notifications) FROM notification_counts`); n != writers*rounds*2*8 {
		t.Errorf("%d notifications are counted, want %d", n, writers*rounds*2*8)
	}
}

func TestRepairCorrectsOnlyWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := newCounting(t)
	c.settle(3)
	for _, change := range changes() {
		c.f.Exec(fmt.Sprintf(change+"; -- %[1]d %[2]d %[3]d", c.patients[0].ID, c.doctors[0].ID, c.patients[0].User.ID))
	}
	c.f.Exec(fmt.Sprintf(`UPDATE record_counts SET records = records + 1 WHERE patient_id = %d AND record_type = 'CHECKUP';
		DELETE FROM notification_counts WHERE recipient_id = %d; INSERT INTO assignment_counts (doctor_id, open_ended) VALUES (%d, -7)`,
		c.patients[1].ID, c.doctors[1].User.ID, c.doctors[2].ID))
	const untouched = `SELECT count(*) FROM record_counts WHERE patient_id = $1 AND xmin::text::bigint > $2`
	before := c.f.Count(`SELECT pg_current_xact_id()::text::bigint`)
	for _, repair := range []bool{false, true} {
		for _, kind := range CountKinds() {
			if n := c.wrong(t, kind, repair); n == 0 || kind != CountOfNotifications && n != 1 {
				t.Errorf("repair %t: %d counts of %s are wrong", repair, n, kind)
			}
		}
	}
	c.expectRight(t)
	if n := c.f.Count(untouched, c.patients[0].ID, before); n != 0 {
		t.Errorf("%d right counts were written", n)
	}
	for _, doctor := range c.doctors {
		c.expectPatients(t, doctor)
	}
}
