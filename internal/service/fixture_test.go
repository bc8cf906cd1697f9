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
	"github.com/healthrecords/healthrecords/internal/token"
)

// fixture has the use cases over a database of the test's own, and direct access to it. Each
// use case has the database rights of the part that calls it: those of the API are the server's.
type fixture struct {
	*service.API
	Outbox         *service.Outbox
	Cleanup        *service.Cleanup
	Index          *service.SearchIndex
	Declarations   *service.Declarations
	Imports        *service.Imports
	Administrators *service.Administrators
	db             *testkit.Factory
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	return newFixtureOn(t, testkit.NewDatabase(t, rights.Migrate))
}

// newFixtureOn is newFixture on a database that rights.Migrate was called for.
func newFixtureOn(t testing.TB, dsn string) fixture {
	t.Helper()
	owner, worker, passwords := rights.Open(t, store.Options{URL: dsn, MaxConns: 8}), rights.OpenAs(t, dsn, schema.PartWorker, store.Options{MaxConns: 8}), newHasher(t, 64)
	return fixture{
		API:    newAPI(t, rights.OpenAs(t, dsn, schema.PartServer, store.Options{MaxConns: 8})),
		Outbox: service.NewOutbox(worker), Cleanup: service.NewCleanup(worker), Index: service.NewSearchIndex(worker, ""),
		Declarations: service.NewDeclarations(rights.OpenAs(t, dsn, schema.PartController, store.Options{MaxConns: 8})),
		Imports:      service.NewImports(owner, passwords, nil), Administrators: service.NewAdministrators(owner, passwords),
		db: testkit.NewFactory(t, dsn),
	}
}

// newAPI returns the API's use cases with cheap passwords and tokens that nobody verifies.
func newAPI(t testing.TB, db *store.DB) *service.API {
	t.Helper()
	return testkit.Value(service.NewAPI(service.APIOptions{
		DB: db, Passwords: newHasher(t, 64), Tokens: testkit.Value(token.NewSigner(newAccess(t)))(t),
		CommentCorrection: 15 * time.Minute,
		SelfAssignment:    clinic.SelfAssignmentOpen, // selfassignment_test.go has the other terms
	}))(t)
}

// newAccess returns options with a signing key of the test's own.
func newAccess(t testing.TB) token.AccessOptions {
	t.Helper()
	dir := t.TempDir()
	testkit.Value(token.GenerateKey(dir))(t)
	return token.AccessOptions{Keys: testkit.Value(token.LoadKeys(dir))(t), Issuer: "test", Audience: "test"}
}

// end ends an assignment over REST.
func (f fixture) end(ctx context.Context, as clinic.Caller, id int64, force bool) error {
	_, err := f.Assignments.End(ctx, as, id, force)
	return err
}

// handle handles one event; CodeNotFound means that the event was dropped.
func (f fixture) handle(ctx context.Context, event int64) error {
	dropped, err := f.Outbox.Handle(ctx, []int64{event})
	if err == nil && len(dropped) > 0 {
		return clinic.NotFound("subject of the event")
	}
	return err
}

// care is a patient with a record, their doctor, and another doctor who is not assigned.
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

// cause returns the cause, which an error's text does not include.
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
