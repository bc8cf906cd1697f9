package service_test

import (
	"errors"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/token"
)

// fixture is a service over a database of the test's own, and a way past it.
type fixture struct {
	*service.Service
	db *testkit.Factory
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	dsn := testkit.NewDatabase(t, store.Migrate)
	db, err := store.Open(t.Context(), store.Options{URL: dsn, MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	passwords, err := token.NewHasher(token.HasherOptions{MemoryKiB: 64, Passes: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := service.New(service.Options{DB: db, Passwords: passwords})
	if err != nil {
		t.Fatal(err)
	}
	return fixture{s, testkit.NewFactory(t, dsn)}
}

// care is a patient with a record, his doctor, and another doctor who is not.
type care struct {
	patient          clinic.Patient
	doctor, stranger clinic.Doctor
	assignment       clinic.Assignment
	record           clinic.Record
}

func (c care) asPatient() clinic.Caller  { return testkit.CallerOf(c.patient.User) }
func (c care) asDoctor() clinic.Caller   { return testkit.CallerOf(c.doctor.User) }
func (c care) asStranger() clinic.Caller { return testkit.CallerOf(c.stranger.User) }

func (f fixture) care() care {
	c := care{
		patient:  f.db.Patient(testkit.PatientOptions{Person: testkit.Person{FirstName: "John", LastName: "Doe"}}),
		doctor:   f.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{FirstName: "Jane", LastName: "Smith"}}),
		stranger: f.db.Doctor(testkit.DoctorOptions{}),
	}
	c.assignment = f.db.Assignment(testkit.AssignmentOptions{Patient: c.patient, Doctor: c.doctor})
	c.record = f.db.Record(testkit.RecordOptions{Patient: c.patient})
	return c
}

func wantCode(t testing.TB, err error, want clinic.Code) {
	t.Helper()
	if got := clinic.CodeOf(err); got != want {
		t.Fatalf("code = %q, want %q (%v; cause: %v)", got, want, err, cause(err))
	}
}

// cause is what an error's text leaves out.
func cause(err error) error {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}

func wantReason(t testing.TB, err error, want string) {
	t.Helper()
	if got := clinic.ReasonOf(err); got != want {
		t.Fatalf("reason = %q, want %q (%v)", got, want, err)
	}
}

// must returns the value of a call that may not fail.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
