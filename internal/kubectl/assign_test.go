package kubectl

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func (c *cluster) specs(t *testing.T) map[string]v1alpha1.DoctorAssignmentSpec {
	t.Helper()
	var list v1alpha1.DoctorAssignmentList
	testkit.Must(t, c.List(t.Context(), &list, client.InNamespace(c.namespace)))
	specs := map[string]v1alpha1.DoctorAssignmentSpec{}
	for i := range list.Items {
		list.Items[i].Spec.DeletionPolicy = ""
		specs[list.Items[i].Name] = list.Items[i].Spec
	}
	return specs
}

func TestAssignIsIdempotent(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	const name = "assign-d205df182b08" // must never change: people repeat commands after an upgrade
	steps := []struct {
		args []string
		want string
	}{
		{[]string{"doctor1", "patient2", "patient1"}, "created"},
		{[]string{"Doctor1", "patient1,patient2", "PATIENT1"}, "configured"}, // another spelling of the doctor
		{[]string{"Doctor1", "patient2", "patient1"}, "unchanged"},
		{[]string{"doctor1", "patient1", "patient2", "--until=8h", "--reason=primary care", "--adopt"}, "configured"},
	}
	for _, step := range steps {
		got := c.run(t, append([]string{"assign"}, step.args...)...)
		if want := (result{stdout: "doctorassignment.healthrecords.io/" + name + " " + step.want + "\n"}); got != want {
			t.Errorf("assign %v: %+v, want %+v", step.args, got, want)
		}
	}
	until := metav1.NewTime(today().Add(8 * time.Hour))
	want := map[string]v1alpha1.DoctorAssignmentSpec{name: {
		Doctor: &v1alpha1.UserReference{Username: "doctor1"}, Patients: references([]string{"patient1", "patient2"}),
		Reason: "primary care", EndsAt: &until, Adopt: true,
	}}
	if diff := cmp.Diff(want, c.specs(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.run(t, "assign", "doctor1", "patient1", "patient2") // what a call does not say is not kept
	if spec := c.specs(t)[name]; spec.EndsAt != nil || spec.Reason != "" || spec.Adopt {
		t.Errorf("after a call without flags, the spec is %+v", spec)
	}
}

func TestAssignTeam(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	got := c.run(t, "assign", "doctor2,doctor1", "patient1", "--doctor=doctor3", "--doctor=doctor4,doctor1", "--name=team", "--from=24h", "--until=2030-02-01T00:00:00Z")
	if got != (result{stdout: "doctorassignment.healthrecords.io/team created\n"}) {
		t.Errorf("%+v", got)
	}
	from, until := metav1.NewTime(today().Add(24*time.Hour)), metav1.NewTime(time.Date(2030, 2, 1, 0, 0, 0, 0, time.UTC))
	want := map[string]v1alpha1.DoctorAssignmentSpec{"team": {
		Doctors: references([]string{"doctor1", "doctor2", "doctor3", "doctor4"}), Patients: references([]string{"patient1"}),
		StartsAt: &from, EndsAt: &until,
	}}
	if diff := cmp.Diff(want, c.specs(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// An object with one doctor can become a team, and the other way round.
	for _, doctor := range []string{"doctor1", "doctor1,doctor2"} {
		if got := c.run(t, "assign", doctor, "patient1", "--name=team"); got.code != 0 {
			t.Errorf("assigning %s: %+v", doctor, got)
		}
	}
}

func TestAssignDryRun(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.golden(t, "assign-dry-run-client-yaml", c.run(t, "assign", "doctor1", "patient1", "--dry-run=client", "--until=2w", "--output=yaml"))
	c.golden(t, "assign-dry-run-client", c.run(t, "assign", "doctor1", "patient1", "--dry-run"))
	c.golden(t, "assign-dry-run-server", c.run(t, "assign", "doctor1", "patient1", "--dry-run=server", "--wait"))
	c.golden(t, "assign-dry-run-name", c.run(t, "assign", "doctor1", "patient1", "--dry-run=server", "-oname"))
	if got := c.run(t, "assign", "doctor1", "patient1", "--dry-run=server", "-ojson"); got.code != 0 ||
		!strings.Contains(got.stdout, `"kind": "DoctorAssignment"`) || strings.Contains(got.stdout, "managedFields") {
		t.Errorf("%+v", got)
	}
	empty := filepath.Join(t.TempDir(), "kubeconfig")
	testkit.Must(t, os.WriteFile(empty, nil, 0o600))
	c.golden(t, "assign-without-cluster", runPlugin(t, nil, "assign", "doctor1", "patient1", "--dry-run=client", "-oyaml", "--kubeconfig", empty))
	if specs := c.specs(t); len(specs) > 0 {
		t.Errorf("a dry run created %v", specs)
	}
}

func TestAssignShowsWhatTheServerRefuses(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.golden(t, "assign-invalid-name", c.run(t, "assign", "doc tor", "patient1", "--name=x"))
	c.golden(t, "assign-invalid-several", c.run(t, "assign", "doc/tor", "pat/ient", "--name=x"))
	c.golden(t, "assign-bad-object-name", c.run(t, "assign", "doctor1", "patient1", "--name=Bad_Name"))

	c.golden(t, "assign-no-namespace", runPlugin(t, nil, "assign", "doctor1", "patient1", "--name=x", "--kubeconfig", c.kubeconfig, "--namespace=nowhere"))
	c.golden(t, "assign-forbidden", c.run(t, "assign", "doctor1", "patient1", "--name=x", "--as=somebody"))
}

func TestAssignDoesNotTakeOverWhatOthersManage(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.object(t, "primary-care", func(*v1alpha1.DoctorAssignment) {})
	got := c.run(t, "assign", "doctor2", "patient1", "--name=primary-care")
	if got.code != failed || !strings.Contains(got.stderr, "Another tool manages this object") {
		t.Errorf("%+v", got)
	}
	if doctor := c.specs(t)["primary-care"].Doctor.Username; doctor != "doctor1" {
		t.Errorf("the doctor is now %s", doctor)
	}
}

func TestAssignToAnObjectThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	da := c.object(t, "leaving", func(da *v1alpha1.DoctorAssignment) { da.Finalizers = []string{v1alpha1.Finalizer} })
	testkit.Must(t, c.Delete(t.Context(), da))
	c.golden(t, "assign-being-deleted", c.run(t, "assign", "doctor1", "patient1", "--name=leaving"))
}

// TestAssignWaits has a controller that gives each new object a status.
func TestAssignWaits(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	watcher := testkit.Value(c.Watch(ctx, new(v1alpha1.DoctorAssignmentList), client.InNamespace(c.namespace)))(t)
	defer watcher.Stop()
	go func() {
		for event := range watcher.ResultChan() {
			da, is := event.Object.(*v1alpha1.DoctorAssignment)
			if !is || da.Status.ObservedGeneration >= da.Generation {
				continue
			}
			da.Status.ObservedGeneration, da.Status.Total = da.Generation, 1
			switch da.Name {
			case "assigned":
				da.Status.Assigned = 1
				ready(da, metav1.ConditionTrue, v1alpha1.ReasonAssigned, false)
			case "scheduled":
				ready(da, metav1.ConditionFalse, v1alpha1.ReasonScheduled, false)
			case "hopeless":
				ready(da, metav1.ConditionFalse, v1alpha1.ReasonNotADoctor, true)
			case "slow":
				ready(da, metav1.ConditionFalse, v1alpha1.ReasonDoctorNotFound, false)
			case "deleted":
				_ = c.Delete(ctx, da) // a missing answer fails the test
				continue
			}
			_ = c.Status().Update(ctx, da)
		}
	}()
	for name, flags := range map[string][]string{
		"assigned": {"--wait"}, "scheduled": {"--wait", "--from=1h"}, "hopeless": {"--wait"}, "slow": {"--wait=1s"}, "deleted": {"--wait"},
	} {
		c.golden(t, "assign-wait-"+name, c.run(t, append([]string{"assign", "doctor1", "patient1", "--name", name, "--request-timeout=30s"}, flags...)...))
	}
	// It is there at once when nothing has changed.
	if got := c.run(t, "assign", "doctor1", "patient1", "--name=assigned", "--wait"); got.code != 0 || !strings.Contains(got.stdout, "unchanged") {
		t.Errorf("%+v", got)
	}
}

// onWrite is called when the command prints.
type onWrite func()

func (f onWrite) Write(text []byte) (int, error) {
	f()
	return len(text), nil
}

func TestAssignIsInterruptedWhileItWaits(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	command := newCommand("healthrecords", &plugin{now: today, getenv: os.Getenv})
	command.SetArgs([]string{"assign", "doctor1", "patient1", "--name=slow", "--wait", "--kubeconfig", c.kubeconfig, "--namespace", c.namespace})
	command.SetOut(onWrite(interrupt)) // it has created the object
	var stderr strings.Builder
	code, known := Report(&stderr, command.ExecuteContext(ctx))
	want := "error: interrupted; the object stays: kubectl healthrecords why da/slow --namespace " + c.namespace + "\n"
	if !known || code != failed || stderr.String() != want {
		t.Errorf("exit code %d, %q; want %q", code, stderr.String(), want)
	}
}
