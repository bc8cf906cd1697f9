package kubectl

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// hospital has objects: of doctor1 and doctor2 for two patients each, a team that waits for a patient, and one that is suspended.
func hospital(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t)
	c.object(t, "primary-care", func(da *v1alpha1.DoctorAssignment) {
		da.Spec.EndsAt = at(today().Add(time.Hour))
		da.Annotations = map[string]string{v1alpha1.RequestedByAnnotation: "jane@example.com"}
		ready(da, metav1.ConditionTrue, v1alpha1.ReasonAssigned, false)
	})
	c.object(t, "team", func(da *v1alpha1.DoctorAssignment) {
		da.Spec.Doctor, da.Spec.Doctors = nil, references([]string{"doctor2", "doctor3"})
		da.Spec.Patients = references([]string{"Patient1", "unborn"})
		da.Status.Total, da.Status.Assigned = 4, 2
		da.Status.Problems = []v1alpha1.AssignmentProblem{{Patient: "unborn", Reason: "PatientNotFound"}}
		ready(da, metav1.ConditionFalse, v1alpha1.ReasonPairsNotAssigned, false)
	})
	c.object(t, "vacation", func(da *v1alpha1.DoctorAssignment) {
		da.Spec.Doctor.Username = "doctor4"
		ready(da, metav1.ConditionFalse, v1alpha1.ReasonSuspended, true)
	})
	c.object(t, "new", func(da *v1alpha1.DoctorAssignment) { da.Spec.Doctor.Username = "doctor5" })
	return c
}

func TestWhoShowsObjectsOnly(t *testing.T) {
	t.Parallel()
	c := hospital(t)
	c.golden(t, "who-objects", c.run(t, "who", "patient1"))
	c.golden(t, "who-unborn", c.run(t, "who", "unborn"))
	c.golden(t, "who-typo", c.run(t, "who", "pateint2"))
	c.golden(t, "who-nobody", c.run(t, "who", "somebody-else"))
	c.golden(t, "who-objects-json", c.run(t, "who", "patient2", "-ojson"))
	c.golden(t, "panel-objects", c.run(t, "panel", "DOCTOR1"))
	c.golden(t, "panel-nobody", c.run(t, "panel", "doctor4"))
	c.golden(t, "who-forbidden", c.run(t, "who", "patient1", "--as=somebody"))

	// Another namespace is read only with -A.
	other := newCluster(t)
	other.object(t, "elsewhere", func(da *v1alpha1.DoctorAssignment) {
		da.Spec.Patients = references([]string{"patient-of-two-namespaces"})
		ready(da, metav1.ConditionTrue, v1alpha1.ReasonAssigned, false)
	})
	want := "da/" + other.namespace + "/elsewhere"
	if got := c.run(t, "who", "patient-of-two-namespaces"); strings.Contains(got.stdout, want) {
		t.Errorf("without -A: %+v", got)
	}
	if got := c.run(t, "who", "patient-of-two-namespaces", "-A"); !strings.Contains(got.stdout, want) || strings.Contains(got.stderr, "namespace") {
		t.Errorf("with -A: %+v", got)
	}
}

// TestWhoAsksTheAPI has a pair that three claims hold, of which the cluster knows one, and an emergency.
func TestWhoAsksTheAPI(t *testing.T) {
	t.Parallel()
	c, p := hospital(t), newPlatform(t, "ADMIN", "admin")
	for _, doctor := range []string{"doctor1", "doctor2", "doctor3", "doctor6"} {
		p.user(doctor, "DOCTOR")
	}
	for _, patient := range []string{"xpatient1", "patient10", "patient1", "patient2"} {
		p.user(patient, "PATIENT")
	}
	p.assign("doctor1", "patient1", "kubernetes", map[string]any{"declared_by": c.namespace + "/primary-care"})
	p.assign("doctor2", "patient1", "kubernetes", map[string]any{"declared_by": c.namespace + "/team"})
	p.assign("doctor6", "patient1", "break_glass", map[string]any{"requested_by": "doctor6", "ends_at": today().Add(4 * time.Hour)})
	p.assign("doctor1", "patient2", "rest", map[string]any{"requested_by": "admin"})
	claim := func(source string, by any, since, until time.Duration, held bool) map[string]any {
		claim := map[string]any{"source": source, "declared_by": by, "requested_by": "jane@example.com", "reason": "", "since": today().Add(since), "until": nil, "held": held}
		if until != 0 {
			claim["until"] = today().Add(until)
		}
		return claim
	}
	p.claims["1"] = []any{
		claim("kubernetes", c.namespace+"/primary-care", -time.Hour, time.Hour, false), claim("rest", nil, -2*time.Hour, 0, false),
		claim("kubernetes", "elsewhere/other", -time.Hour, 0, false), claim("kubernetes", "elsewhere/later", time.Hour, 0, false),
		claim("kubernetes", "elsewhere/past", -2*time.Hour, -time.Hour, false), claim("kubernetes", "elsewhere/held", -time.Hour, 0, true),
	}
	p.claims["3"] = []any{claim("rest", nil, -time.Hour, 0, false)} // those of the pair; the emergency stands outside
	c.env[urlVariable], c.env[tokenVariable] = p.URL+"/base/", secret
	c.golden(t, "who-api", c.run(t, "who", "patient1"))
	c.golden(t, "panel-api", c.run(t, "panel", "doctor1"))
	c.golden(t, "who-api-unknown-patient", c.run(t, "who", "nobody"))

	file := filepath.Join(t.TempDir(), "token")
	testkit.Must(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
	delete(c.env, tokenVariable)
	var found answer
	got := c.run(t, "who", "patient1", "--token-file", file, "-ojson")
	if err := json.Unmarshal([]byte(got.stdout), &found); err != nil || !found.API.Asked || len(found.Access) != 6 {
		t.Errorf("%v: %+v", err, got)
	}
	if got := c.run(t, "who", "patient1", "--token-file", file+"2"); got.code != failed || !strings.HasPrefix(got.stderr, "error: reading the token") {
		t.Errorf("%+v", got)
	}
	// Without Kubernetes, the API's answer is shown.
	if got := c.run(t, "who", "patient1", "--token-file", file, "--as=somebody"); got.code != 0 || !strings.Contains(got.stdout, "break_glass") ||
		!strings.Contains(got.stderr, "this shows the REST API's answer only: Error from server (Forbidden)") {
		t.Errorf("%+v", got)
	}
}

func TestWhoSaysWhatTheAPIDoesNotShow(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	p := newPlatform(t, "PATIENT", "patient1")
	p.assign("doctor1", "patient1", "rest", nil)
	c.env[urlVariable], c.env[tokenVariable] = p.URL+"/base", secret
	if got := c.run(t, "who", "Patient1"); got.code != 0 || !strings.Contains(got.stdout, "doctor1") || strings.Contains(got.stderr, "administrator") {
		t.Errorf("patients see all of their own assignments: %+v", got)
	}
	c.golden(t, "who-api-other", c.run(t, "who", "patient2"))
	steps := []struct {
		name   string
		change func()
	}{
		{"bad-token", func() { c.env[tokenVariable] = "expired" }},
		{"no-token", func() { delete(c.env, tokenVariable) }},
		{"wrong-path", func() { c.env[urlVariable], c.env[tokenVariable] = p.URL, secret }},
		{"plain-http", func() { c.env[urlVariable] = "http://healthrecords.example" }},
	}
	for _, step := range steps {
		step.change()
		got := c.run(t, "who", "patient2")
		if strings.Contains(got.stdout+got.stderr, secret) {
			t.Errorf("%s: the token is shown: %+v", step.name, got)
		}
		c.golden(t, "who-api-"+step.name, got)
	}
	p.Close()
	c.env[urlVariable] = p.URL
	if got := c.run(t, "who", "patient2"); got.code != 0 || !strings.Contains(got.stderr, "objects only: the REST API cannot be reached") {
		t.Errorf("%+v", got)
	}
}
