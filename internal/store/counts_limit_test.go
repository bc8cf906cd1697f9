package store

import (
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestListsSayWhenTheyStoppedCounting: lists whose counts are kept are exact, the others end at the limit.
func TestListsSayWhenTheyStoppedCounting(t *testing.T) {
	t.Parallel()
	const many = clinic.MaxCount + 100
	c := newCounting(t)
	c.settle(2)
	admin, patient, open, ending := c.f.Admin(), c.patients[0], c.doctors[0], c.doctors[1]
	c.f.Exec(`WITH u AS (INSERT INTO users (username, role, password_hash) SELECT 'many' || i, 'PATIENT', '-' FROM generate_series(1, $1::int) i RETURNING id)
		INSERT INTO patient_profiles (user_id) SELECT id FROM u`, many-2)
	c.addRecords(patient, many)
	const assign = `INSERT INTO assignments (patient_id, doctor_id, source, starts_at, ends_at) SELECT id, $1, 'rest', now(), now() + $2::interval FROM patient_profiles`
	c.f.Exec(assign, open.ID, nil)
	c.f.Exec(assign, ending.ID, "1 day")
	since := time.Now().AddDate(-1, 0, 0)
	records := func(filter clinic.RecordFilter) func(clinic.PageRequest) (int, bool, error) {
		return func(page clinic.PageRequest) (int, bool, error) {
			found, err := c.db.As(testkit.CallerOf(patient.User)).Records().List(t.Context(), filter, page)
			return found.Total, found.AtLeast, err
		}
	}
	patients := func(doctor clinic.Doctor) func(clinic.PageRequest) (int, bool, error) {
		return func(page clinic.PageRequest) (int, bool, error) {
			found, err := c.db.As(testkit.CallerOf(doctor.User)).Patients().OfDoctor(t.Context(), page)
			return found.Total, found.AtLeast, err
		}
	}
	handle := c.db.As(testkit.CallerOf(admin))
	beyond := clinic.PageRequest{Number: many/20 + 2, Size: 20} // an empty page is counted by another statement
	for name, test := range map[string]struct {
		list    func(clinic.PageRequest) (int, bool, error)
		total   int
		atLeast bool
	}{
		"records":                      {records(clinic.RecordFilter{}), many, false},
		"records of a type":            {records(clinic.RecordFilter{Type: clinic.RecordCheckup}), many - 1, false},
		"records of a period":          {records(clinic.RecordFilter{From: &since}), clinic.MaxCount, true},
		"frequent records of a period": {records(clinic.RecordFilter{From: &since, Type: clinic.RecordCheckup}), clinic.MaxCount, true},
		"patients with open-ended":     {patients(open), many, false},
		"patients with assigned times": {patients(ending), clinic.MaxCount + 1, true},
		"everybody": {func(page clinic.PageRequest) (int, bool, error) {
			found, err := handle.Patients().List(t.Context(), "", page)
			return found.Total, found.AtLeast, err
		}, clinic.MaxCount, true},
		"users": {func(page clinic.PageRequest) (int, bool, error) {
			found, err := handle.Users().List(t.Context(), clinic.UserFilter{}, page)
			return found.Total, found.AtLeast, err
		}, clinic.MaxCount, true},
	} {
		for _, page := range []clinic.PageRequest{{}, beyond} {
			if total, atLeast, err := test.list(page); err != nil || total != test.total || atLeast != test.atLeast {
				t.Errorf("%s, page %d: %d (at least: %t), %v; want %d (%t)", name, page.Number, total, atLeast, err, test.total, test.atLeast)
			}
		}
	}
}

// TestAPageMayShowMoreThanWasCounted: a page beyond the limit shows itself that there are more, and the last page how many.
func TestAPageMayShowMoreThanWasCounted(t *testing.T) {
	t.Parallel()
	const many = clinic.MaxCount + 100
	c := newCounting(t)
	c.settle(1)
	patient, since := c.patients[0], time.Now().AddDate(-1, 0, 0)
	c.addRecords(patient, many)
	for name, test := range map[string]struct {
		filter  clinic.RecordFilter
		page    clinic.PageRequest
		total   int
		atLeast bool
	}{
		"the page before the last one": {clinic.RecordFilter{From: &since}, clinic.PageRequest{Number: many/20 - 1, Size: 20}, many - 20 + 1, true},
		"the last page":                {clinic.RecordFilter{From: &since}, clinic.PageRequest{Number: many / 20, Size: 20}, many, false},
		"the only page":                {clinic.RecordFilter{From: &since, Type: clinic.RecordEmergency}, clinic.PageRequest{}, 1, false},
		"the only page, by position":   {clinic.RecordFilter{From: &since, Type: clinic.RecordEmergency}, clinic.PageRequest{Cursor: clinic.Cursor{Keyset: true}}, 1, false},
	} {
		found, err := c.db.As(testkit.CallerOf(patient.User)).Records().List(t.Context(), test.filter, test.page)
		if err != nil || found.Total != test.total || found.AtLeast != test.atLeast {
			t.Errorf("%s: %d (at least: %t), %v; want %d (%t)", name, found.Total, found.AtLeast, err, test.total, test.atLeast)
		}
	}
}

// addRecords adds records of the last day. The newest one is the only emergency.
func (c *counting) addRecords(patient clinic.Patient, records int) {
	c.f.Exec(`INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date)
		SELECT $1, $2, CASE WHEN i = 1 THEN 'EMERGENCY' ELSE 'CHECKUP' END, 'Visit', now() - i * interval '1 minute' FROM generate_series(1, $3::int) i`,
		patient.ID, patient.User.ID, records)
}
