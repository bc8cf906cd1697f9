// Package plugin_test uses the plugin of kubectl beside the whole platform: its server, its controller, and an API server.
package plugin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/healthrecords/healthrecords/internal/app"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/token"
)

// patience is how long a change may take to show before the test fails.
const patience = time.Minute

// hospital is the server and the controller in separate processes.
type hospital struct {
	server, namespace, kubeconfig string
	db                            *testkit.Factory
	signer                        *token.Signer
	tokens                        string // directory
}

func startHospital(t *testing.T) *hospital {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	keys, address := program.NewKeys(t), program.FreeAddress(t)
	redis, _ := testkit.NewRedis(t)
	h := &hospital{server: "http://" + address, kubeconfig: testkit.Kubeconfig(t), tokens: t.TempDir(), db: testkit.NewFactory(t, dsn)}
	h.signer = testkit.Value(token.NewSigner(token.AccessOptions{
		Keys: testkit.Value(token.LoadKeys(keys))(t), Issuer: "healthrecords", Audience: "healthrecords",
	}))(t)
	namespaces := testkit.Value(kubernetes.NewForConfig(testkit.ControlPlane(t)))(t).CoreV1().Namespaces()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "plugin-"}}
	h.namespace = testkit.Value(namespaces.Create(t.Context(), namespace, metav1.CreateOptions{}))(t).Name
	program.Start(t, "server", "REDIS_URL="+redis, "LOG_LEVEL=error", "DATABASE_URL="+rights.URL(t, dsn, schema.PartServer),
		"LISTEN_ADDRESS="+address, "SIGNING_KEYS_DIR="+keys)
	program.Start(t, "controller", "DATABASE_URL="+rights.URL(t, dsn, schema.PartController), "LOG_LEVEL=error",
		"KUBECONFIG="+h.kubeconfig, "LEADER_ELECT=false")
	return h
}

// token writes an access token of the user to a file and returns the file's path.
func (h *hospital) token(t *testing.T, user clinic.User) string {
	t.Helper()
	access := testkit.Value(h.signer.Issue(h.db.LoggedIn(user)))(t)
	file := filepath.Join(h.tokens, user.Username)
	testkit.Must(t, os.WriteFile(file, []byte(access+"\n"), 0o600))
	return file
}

// run calls the plugin and returns its exit code.
func (h *hospital) run(args ...string) (code int, stdout, stderr string) {
	var out, told bytes.Buffer
	args = append([]string{"kubectl-healthrecords"}, args...)
	code = app.Run(append(args, "--kubeconfig", h.kubeconfig, "--namespace", h.namespace), nil, &out, &told)
	return code, out.String(), told.String()
}

// through returns by which ways `who` or `panel` says that there is access, as PERSON WAY, where they were seen, and its notes.
func (h *hospital) through(t *testing.T, tokenFile string, args ...string) (ways []string, note string) {
	t.Helper()
	code, stdout, stderr := h.run(append(args, "--server", h.server, "--token-file", tokenFile, "--output=json")...)
	var found struct {
		Access []struct {
			Doctor, Patient, Access, Through string
			SeenIn                           []string
		}
		API struct {
			Asked bool
			Note  string
		}
	}
	if err := json.Unmarshal([]byte(stdout), &found); err != nil || code != 0 {
		t.Fatalf("%v exits with %d: %v\n%s%s", args, code, err, stdout, stderr)
	}
	if !found.API.Asked {
		t.Errorf("%v did not ask the API: %s", args, found.API.Note)
	}
	for _, a := range found.Access {
		ways = append(ways, fmt.Sprintf("%s %s %s %s %s", a.Doctor, a.Patient, a.Access, strings.ReplaceAll(a.Through, h.namespace, "NS"), strings.Join(a.SeenIn, "+")))
	}
	return ways, found.API.Note
}

// request sends a call such as "DELETE /api/…" of the user to the API, which must answer with the status.
func (h *hospital) request(t *testing.T, user clinic.User, call, body string, status int) {
	t.Helper()
	method, path, _ := strings.Cut(call, " ")
	access := testkit.Value(h.signer.Issue(h.db.LoggedIn(user)))(t)
	request := testkit.Value(http.NewRequestWithContext(t.Context(), method, h.server+path, strings.NewReader(body)))(t)
	request.Header.Set("Authorization", "Bearer "+access)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	testkit.Must(t, err)
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != status {
		t.Fatalf("%s is answered %d, want %d", call, response.StatusCode, status)
	}
}

// awaitWhy calls why until it explains the object with the reason, and returns the exit code.
func (h *hospital) awaitWhy(t *testing.T, name, reason string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		code, stdout, stderr := h.run("why", "da/"+name)
		if strings.Contains(strings.SplitN(stdout, "\n", 2)[0], "ready: "+reason) {
			return code
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("da/%s is not %s within %s:\n%s%s", name, reason, patience, stdout, stderr)
		}
	}
}

func TestThePluginBesideThePlatform(t *testing.T) {
	t.Parallel()
	h := startHospital(t)
	admin := h.db.Admin()
	doctor1 := h.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "doctor1"}})
	doctor2 := h.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "doctor2"}})
	patient1 := h.db.Patient(testkit.PatientOptions{Person: testkit.Person{Username: "patient1"}})
	h.db.Patient(testkit.PatientOptions{Person: testkit.Person{Username: "patient10"}}) // its name contains the other

	code, stdout, stderr := h.run("assign", "doctor1", "patient1", "--name=primary-care", "--wait=1m")
	if code != 0 || stdout != "doctorassignment.healthrecords.io/primary-care created\n" {
		t.Fatalf("assign exits with %d: %s%s", code, stdout, stderr)
	}
	if code := h.awaitWhy(t, "primary-care", "Assigned"); code != 0 {
		t.Errorf("why exits with %d for an object that is Ready", code)
	}
	h.request(t, admin, "POST /api/auth/assign-doctor/",
		fmt.Sprintf(`{"doctor_id": %d, "patient_id": %d}`, doctor1.ID, patient1.ID), http.StatusOK)
	h.db.Assignment(testkit.AssignmentOptions{Patient: patient1, Doctor: doctor2, Source: clinic.SourceBreakGlass})

	object, rest := "doctor1 patient1 yes da/NS/primary-care api+objects", "doctor1 patient1 yes rest api"
	emergency := "doctor2 patient1 yes break_glass api"
	own := "the REST API shows the token's user only their own assignments; an administrator's token shows all"
	tests := []struct {
		name string
		user clinic.User
		args []string
		want []string
		note string
	}{
		{"an administrator", admin, []string{"who", "patient1"}, []string{object, rest, emergency}, ""},
		{"an administrator", admin, []string{"panel", "Doctor1"}, []string{object, rest}, ""},
		{"an administrator", admin, []string{"panel", "doctor2"}, []string{emergency}, ""},
		{"an administrator", admin, []string{"who", "patient10"}, nil, ""},
		{"the patient", patient1.User, []string{"who", "patient1"}, []string{object, emergency}, ""}, // claims are for administrators
		{"the doctor", doctor2.User, []string{"panel", "doctor2"}, []string{emergency}, ""},
		{"the doctor", doctor2.User, []string{"who", "patient1"}, []string{"doctor1 patient1 yes da/NS/primary-care objects", emergency}, own},
	}
	for _, test := range tests {
		ways, note := h.through(t, h.token(t, test.user), test.args...)
		if !slices.Equal(ways, test.want) || note != test.note {
			t.Errorf("%s asks %v: %q (%s), want %q (%s)", test.name, test.args, ways, note, test.want, test.note)
		}
	}
	h.checkForce(t, admin, doctor1.ID)
}

// checkForce ends the assignment by force, which stalls the object, and lifts the hold.
func (h *hospital) checkForce(t *testing.T, admin clinic.User, doctor int64) {
	t.Helper()
	id := h.db.Count(`SELECT id FROM active_assignments WHERE doctor_id = $1`, doctor)
	h.request(t, admin, fmt.Sprintf("DELETE /api/assignments/%d/?force=true", id), "", http.StatusNoContent)
	if code := h.awaitWhy(t, "primary-care", "EndedByAdministrator"); code != 1 {
		t.Errorf("why exits with %d for an object that is not Ready", code)
	}
	if ways, _ := h.through(t, h.token(t, admin), "panel", "doctor1"); len(ways) > 0 {
		t.Errorf("after the end by force, panel shows %q", ways)
	}
	h.request(t, admin, fmt.Sprintf("DELETE /api/assignments/%d/hold/", id), "", http.StatusNoContent)
	if code := h.awaitWhy(t, "primary-care", "Assigned"); code != 0 {
		t.Errorf("why exits with %d after the hold was lifted", code)
	}
	if code, stdout, stderr := h.run("assign", "doctor1", "unborn", "--name=newborns", "--wait=3s"); code != 1 ||
		!strings.Contains(stderr, "PatientNotFound") || !strings.Contains(stderr, "timed out") {
		t.Errorf("assigning a patient who has not registered exits with %d: %s%s", code, stdout, stderr)
	}
}
