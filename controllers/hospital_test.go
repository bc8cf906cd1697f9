package controllers

import (
	"fmt"
	"testing"

	"github.com/onsi/gomega"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/token"
)

// hospital is a cluster whose controller works on the real service and on a Postgres database for the test, in which
// doctor1 and doctor2 and patient1 to patient3 are registered.
type hospital struct {
	*cluster
	*testkit.Factory
	records     *service.Records     // with the rights of the server
	assignments *service.Assignments // the same
	declarer    *service.Declarations
	admin       clinic.Caller
	doctors     map[string]clinic.Doctor
	patients    map[string]clinic.Patient
}

func startHospital(t *testing.T, o Options) *hospital {
	t.Helper()
	h := prepareHospital(t)
	h.start(t, o)
	return h
}

// prepareHospital returns a hospital without a controller.
func prepareHospital(t *testing.T) *hospital {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	return newHospital(t, dsn, testkit.NewFactory(t, dsn))
}

func newHospital(t *testing.T, dsn string, factory *testkit.Factory) *hospital {
	t.Helper()
	server := rights.OpenAs(t, dsn, schema.PartServer, store.Options{MaxConns: 8})
	h := &hospital{
		cluster: newCluster(t), Factory: factory,
		records: service.NewRecords(server), assignments: newAssignments(t, server),
		declarer: service.NewDeclarations(rights.OpenAs(t, dsn, schema.PartController, store.Options{MaxConns: 8})),
		doctors:  map[string]clinic.Doctor{}, patients: map[string]clinic.Patient{},
	}
	h.admin = testkit.CallerOf(h.Admin())
	for i := range 2 {
		h.registerDoctor(fmt.Sprintf("doctor%d", i+1), true)
	}
	for i := range 3 {
		h.registerPatient(fmt.Sprintf("patient%d", i+1))
	}
	return h
}

func newAssignments(t *testing.T, db *store.DB) *service.Assignments {
	t.Helper()
	passwords, err := token.NewHasher(token.HasherOptions{MemoryKiB: 64, Passes: 1})
	if err != nil {
		t.Fatal(err)
	}
	auth, err := service.NewAuthenticator(service.AuthenticatorOptions{DB: db, Passwords: passwords})
	if err != nil {
		t.Fatal(err)
	}
	assignments, err := service.NewAssignments(service.AssignmentsOptions{DB: db, Authenticator: auth})
	if err != nil {
		t.Fatal(err)
	}
	return assignments
}

// start runs the controller until the test ends, and then checks every object.
func (h *hospital) start(t *testing.T, o Options) {
	t.Helper()
	o.Declarer = h.declarer
	h.startController(t, o)
}

func (h *hospital) registerDoctor(username string, verified bool) {
	h.doctors[username] = h.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: username}, Unverified: !verified})
}

func (h *hospital) registerPatient(username string) {
	h.patients[username] = h.Patient(testkit.PatientOptions{Person: testkit.Person{Username: username}})
}

// active returns how many assignments give the doctor access to the patient now.
func (h *hospital) active(doctor, patient string) int {
	return h.Count(`SELECT count(*) FROM assignments WHERE doctor_id = $1 AND patient_id = $2
		AND starts_at <= now() AND (ends_at IS NULL OR ends_at > now())`, h.doctors[doctor].ID, h.patients[patient].ID)
}

// claims returns how many pairs the object claims, now or later.
func (h *hospital) claims(da *v1alpha1.DoctorAssignment) int {
	return h.Count(`SELECT count(*) FROM assignment_claims WHERE owner = $1 AND ended_at IS NULL AND (ends_at IS NULL OR ends_at > now())`, string(da.UID))
}

func (h *hospital) expectActive(t *testing.T, doctor, patient string, want int) {
	t.Helper()
	gomega.NewWithT(t).Eventually(func() int { return h.active(doctor, patient) }).
		WithTimeout(patience).Should(gomega.Equal(want))
}

func (h *hospital) expectClaims(t *testing.T, da *v1alpha1.DoctorAssignment, want int) {
	t.Helper()
	gomega.NewWithT(t).Eventually(func() int { return h.claims(da) }).WithTimeout(patience).Should(gomega.Equal(want))
}

// reads tries to read a record as the doctor and returns the code of the refusal; "" means success.
func (h *hospital) reads(t *testing.T, doctor string, record clinic.Record) clinic.Code {
	t.Helper()
	_, err := h.records.Get(t.Context(), testkit.CallerOf(h.doctors[doctor].User), record.ID)
	return clinic.CodeOf(err)
}
