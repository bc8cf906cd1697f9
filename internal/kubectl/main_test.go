package kubectl

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

var update = flag.Bool("update", false, "write the files of testdata")

// TestMain runs the plugin if kubectl has started this binary under a name of the plugin, and otherwise the tests.
func TestMain(m *testing.M) {
	if command := Invoked(os.Args); command != nil {
		code := 0
		if err := command.ExecuteContext(context.Background()); err != nil {
			code, _ = Report(os.Stderr, err)
		}
		os.Exit(code) //nolint:forbidigo // this process is the plugin
	}
	testkit.Main(m)
}

// today is the present of the tests.
func today() time.Time { return time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC) }

func at(t time.Time) *metav1.Time { return &metav1.Time{Time: t} }

// cluster is a namespace of the API server, and a way to call the plugin in it.
type cluster struct {
	client.WithWatch
	namespace  string
	kubeconfig string
	env        map[string]string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	testkit.Must(t, v1alpha1.AddToScheme(scheme))
	testkit.Must(t, corev1.AddToScheme(scheme))
	kube := testkit.Value(client.NewWithWatch(testkit.ControlPlane(t), client.Options{Scheme: scheme, Mapper: mapper()}))(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "clinic-"}}
	testkit.Must(t, kube.Create(t.Context(), namespace))
	return &cluster{WithWatch: kube, namespace: namespace.Name, kubeconfig: testkit.Kubeconfig(t), env: map[string]string{}}
}

// result is the outcome of a call of the plugin.
type result struct {
	code           int
	stdout, stderr string
}

// run calls the plugin in the namespace.
func (c *cluster) run(t *testing.T, args ...string) result {
	t.Helper()
	return runPlugin(t, c.env, append(args, "--kubeconfig", c.kubeconfig, "--namespace", c.namespace)...)
}

func runPlugin(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	command := newCommand("healthrecords", &plugin{now: today, getenv: func(name string) string { return env[name] }})
	var stdout, stderr bytes.Buffer
	command.SetArgs(args)
	command.SetOut(&stdout)
	command.SetErr(&stderr)
	code := 0
	if err := command.ExecuteContext(t.Context()); err != nil {
		known := false
		if code, known = Report(&stderr, err); !known {
			t.Fatalf("the error of %v has no exit code: %v", args, err)
		}
	}
	return result{code, stdout.String(), stderr.String()}
}

// object creates a DoctorAssignment with a status.
func (c *cluster) object(t *testing.T, name string, change func(*v1alpha1.DoctorAssignment)) *v1alpha1.DoctorAssignment {
	t.Helper()
	da := &v1alpha1.DoctorAssignment{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: name},
		Spec: v1alpha1.DoctorAssignmentSpec{
			Doctor: &v1alpha1.UserReference{Username: "doctor1"}, Patients: references([]string{"patient1", "patient2"}),
		},
	}
	change(da)
	status := da.Status.DeepCopy()
	testkit.Must(t, c.Create(t.Context(), da))
	da.Status = *status
	if status.ObservedGeneration == 0 {
		da.Status.ObservedGeneration = da.Generation
	}
	testkit.Must(t, c.Status().Update(t.Context(), da))
	return da
}

// ready sets the conditions as the controller does.
func ready(da *v1alpha1.DoctorAssignment, status metav1.ConditionStatus, reason string, stalled bool) {
	since := metav1.NewTime(today().Add(-time.Hour))
	condition := func(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: since}
	}
	is := map[bool]metav1.ConditionStatus{true: metav1.ConditionTrue, false: metav1.ConditionFalse}[stalled]
	da.Status.Conditions = []metav1.Condition{
		condition(v1alpha1.ReadyCondition, status, reason, "The message of the controller."),
		condition(v1alpha1.ReconcilingCondition, metav1.ConditionFalse, v1alpha1.ReasonAsExpected, ""),
		condition(v1alpha1.StalledCondition, is, v1alpha1.ReasonAsExpected, ""),
	}
}

// golden compares a result with a file of testdata, with CLINIC in place of the namespace.
func (c *cluster) golden(t *testing.T, name string, got result) {
	t.Helper()
	text := "$ exit code " + string(rune('0'+got.code)) + "\n$ stdout\n" + got.stdout + "$ stderr\n" + got.stderr
	if c != nil {
		text = strings.ReplaceAll(text, c.namespace, "clinic")
	}
	text = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`).ReplaceAllString(text, "127.0.0.1:PORT")
	file := filepath.Join("testdata", name+".txt")
	if *update {
		testkit.Must(t, os.MkdirAll("testdata", 0o755))
		testkit.Must(t, os.WriteFile(file, []byte(text), 0o600))
	}
	want := testkit.Value(os.ReadFile(file))(t)
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("the output differs from %s; -update writes it (-want +got):\n%s", file, diff)
	}
}
