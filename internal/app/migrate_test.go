package app

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestMigrateReportsTextsThatBreakARule by their ids, without the texts themselves.
func TestMigrateReportsTextsThatBreakARule(t *testing.T) { //nolint:paralleltest // sets DATABASE_URL
	dsn := testkit.NewDatabase(t, schema.Migrate)
	t.Setenv("DATABASE_URL", dsn)
	t.Setenv("LOG_FORMAT", "text")
	f := testkit.NewFactory(t, dsn)
	migrate := func() string {
		t.Helper()
		var out, log bytes.Buffer
		if code := Main([]string{"migrate"}, strings.NewReader(""), &out, &log); code != 0 {
			t.Fatalf("exit code %d: %s", code, log.String())
		}
		return log.String()
	}
	patient, good := f.Patient(testkit.PatientOptions{}), f.Doctor(testkit.DoctorOptions{Person: testkit.Person{FirstName: "Zoë", LastName: "כהן"}})
	doctor := f.Doctor(testkit.DoctorOptions{})
	f.Assignment(testkit.AssignmentOptions{Patient: patient, Doctor: good, Reason: "primary care"})
	f.Record(testkit.RecordOptions{Patient: patient})
	if log := migrate(); strings.Contains(log, "breaks a rule") {
		t.Errorf("nothing breaks a rule: %s", log)
	}

	record := f.Record(testkit.RecordOptions{Patient: patient, Title: "canary\u2028title"})
	reason := f.Assignment(testkit.AssignmentOptions{Patient: patient, Doctor: doctor, Reason: "canary\nreason"})
	glass := f.Assignment(testkit.AssignmentOptions{Patient: patient, Doctor: doctor, Source: clinic.SourceBreakGlass, Reason: "\u3164\u200b"})
	f.Exec(`UPDATE users SET first_name = $1, last_name = $2, email = $3 WHERE id = $4`,
		"canary\u202eenaJ", "cana\u0308ry", "canary\u0085@example.com", patient.User.ID)
	f.Exec(`UPDATE doctor_profiles SET specialization = $1, license_number = $2 WHERE id = $3`, "canary\t", "САNARY-1", doctor.ID)
	log := migrate()
	for _, want := range []string{
		fmt.Sprintf("table=users column=first_name id=%d", patient.User.ID),
		fmt.Sprintf("table=users column=last_name id=%d", patient.User.ID),
		fmt.Sprintf("table=users column=email id=%d", patient.User.ID),
		fmt.Sprintf("table=doctor_profiles column=specialization id=%d", doctor.ID),
		fmt.Sprintf("table=doctor_profiles column=license_number id=%d", doctor.ID),
		fmt.Sprintf("table=health_records column=title id=%d", record.ID),
		fmt.Sprintf("table=assignments column=reason id=%d", reason.ID),
		fmt.Sprintf("table=assignments column=reason id=%d", glass.ID),
	} {
		if strings.Count(log, want+" ") != 1 {
			t.Errorf("%s is not reported once: %s", want, log)
		}
	}
	if n := strings.Count(log, "breaks a rule"); n != 8 || strings.Contains(strings.ToLower(log), "canary") || strings.Contains(log, "\u0421\u0410") {
		t.Errorf("%d reports, or one quotes a row: %s", n, log)
	}
}
