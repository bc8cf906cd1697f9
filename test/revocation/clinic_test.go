package revocation_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/token"
)

// patience is how long each step may take before the test fails.
const patience = 10 * time.Minute

// hospital is the server and the controller in separate processes, and a doctor whose assignments are all declared.
type hospital struct {
	cluster   client.Client
	namespace string
	db        *testkit.Factory
	signer    *token.Signer
	doctor    clinic.Doctor
	record    string // URL of a record of patient0
	declared  int    // assignments besides the measured one
}

func startHospital(t *testing.T) *hospital {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	keys := program.NewKeys(t)
	address := program.FreeAddress(t)
	redis, _ := testkit.NewRedis(t)
	program.Start(t, "server", "REDIS_URL="+redis, "LOG_LEVEL=error", "DATABASE_URL="+rights.URL(t, dsn, schema.PartServer),
		"LISTEN_ADDRESS="+address, "SIGNING_KEYS_DIR="+keys)
	h := &hospital{db: testkit.NewFactory(t, dsn), signer: newSigner(t, keys)}
	h.cluster, h.namespace = connect(t)
	program.Start(t, "controller", "DATABASE_URL="+rights.URL(t, dsn, schema.PartController), "LOG_LEVEL=error",
		"KUBECONFIG="+testkit.Kubeconfig(t), "LEADER_ELECT=false")
	h.doctor = h.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "doctor"}})
	patient := h.db.Patient(testkit.PatientOptions{Person: testkit.Person{Username: "patient0"}})
	h.record = fmt.Sprintf("http://%s/api/health-records/%d/", address, h.db.Record(testkit.RecordOptions{Patient: patient}).ID)
	return h
}

func newSigner(t *testing.T, dir string) *token.Signer {
	t.Helper()
	keys, err := token.LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.NewSigner(token.AccessOptions{Keys: keys, Issuer: "healthrecords", Audience: "healthrecords"})
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func connect(t *testing.T) (client.Client, string) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	config := testkit.ControlPlane(t)
	config.QPS = -1 // the client's own rate limit must not delay the test
	cluster, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "revocation-"}}
	if err := cluster.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return cluster, namespace.Name
}

// declare assigns the doctor to a patient with a separate object.
func (h *hospital) declare(ctx context.Context, patient string) (*v1alpha1.DoctorAssignment, error) {
	da := &v1alpha1.DoctorAssignment{
		ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, GenerateName: patient + "-"},
		Spec: v1alpha1.DoctorAssignmentSpec{
			Doctor:   &v1alpha1.UserReference{Username: h.doctor.User.Username},
			Patients: []v1alpha1.UserReference{{Username: patient}},
		},
	}
	return da, h.cluster.Create(ctx, da)
}

// fill creates assignments until there are count besides the measured one, each with its own patient and object.
func (h *hospital) fill(t *testing.T, count int) {
	t.Helper()
	h.db.Exec(`WITH made AS (
			INSERT INTO users (username, role, password_hash)
			SELECT 'patient' || n, 'PATIENT', '-' FROM generate_series($1::int, $2::int) n RETURNING id
		) INSERT INTO patient_profiles (user_id) SELECT id FROM made`, h.declared+1, count)
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(16)
	for ; h.declared < count; h.declared++ {
		patient := fmt.Sprintf("patient%d", h.declared+1)
		group.Go(func() error {
			_, err := h.declare(ctx, patient)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	h.await(t, "all are assigned", func() bool {
		return h.db.Count(`SELECT count(*) FROM active_assignments`) == count
	})
}

// await returns once condition holds.
func (h *hospital) await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// until reads the record repeatedly until the doctor gets the status.
func (h *hospital) until(t *testing.T, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	access, err := h.signer.Issue(h.db.LoggedIn(h.doctor.User))
	if err != nil {
		t.Fatal(err)
	}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.record, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+access)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode == status {
			return
		}
		if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNotFound {
			t.Fatalf("the record is answered %d", response.StatusCode)
		}
	}
}
