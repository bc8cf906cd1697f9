package service_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// fixture is a service over a database of the test's own, and a way past it. Each
// call has the rights of the part that makes it.
type fixture struct {
	serverCalls
	workerCalls
	controllerCalls
	ownerCalls
	db *testkit.Factory
}

// The calls that are not named below are the server's.
type serverCalls struct{ *service.Service }

type workerCalls interface {
	ClaimEvents(ctx context.Context, limit int, retryAfter time.Duration) ([]clinic.Event, error)
	ReleaseEvents(ctx context.Context, events []clinic.Event) error
	HastenEvents(ctx context.Context) (int, error)
	HandleEvent(ctx context.Context, id int64) error
	HandleEvents(ctx context.Context, ids []int64) ([]int64, error)
	BuryEvent(ctx context.Context, id int64) error
	OpenEvents(ctx context.Context) (int, time.Duration, error)
	TrimEvents(ctx context.Context, age time.Duration, limit int) (int, error)
}

type controllerCalls interface {
	Declare(ctx context.Context, d clinic.Declaration) (clinic.DeclarationResult, error)
	Withdraw(ctx context.Context, owner string) (int, error)
	Disown(ctx context.Context, owner string) error
}

type ownerCalls interface {
	Import(ctx context.Context, bundle clinic.Import) (clinic.ImportResult, error)
	CreateAdmin(ctx context.Context, r clinic.Registration) (clinic.User, error)
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	return newFixtureOn(t, testkit.NewDatabase(t, rights.Migrate))
}

// newFixtureOn is newFixture on a database that rights.Migrate was called for.
func newFixtureOn(t testing.TB, dsn string) fixture {
	t.Helper()
	passwords := newHasher(t, 64)
	as := func(url string) *service.Service {
		return must(service.New(service.Options{
			DB: openDB(t, url, 8), Passwords: passwords,
			SelfAssignment: clinic.SelfAssignmentOpen, // selfassignment_test.go has the other terms
		}))(t)
	}
	return fixture{
		serverCalls{as(rights.URL(t, dsn, schema.PartServer))},
		as(rights.URL(t, dsn, schema.PartWorker)),
		as(rights.URL(t, dsn, schema.PartController)), as(dsn), testkit.NewFactory(t, dsn),
	}
}

func openDB(t testing.TB, url string, connections int32) *store.DB {
	t.Helper()
	db := must(store.Open(t.Context(), store.Options{URL: url, MaxConns: connections, AcquireTimeout: testkit.Patience}))(t)
	t.Cleanup(db.Close)
	return db
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
