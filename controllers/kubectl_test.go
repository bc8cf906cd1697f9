package controllers

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

// kubectl runs kubectl in the namespace as an administrator and returns its output.
func kubectl(t *testing.T, namespace string, args ...string) string {
	t.Helper()
	return kubectlOf(t, testkit.Kubeconfig(t), append([]string{"--namespace", namespace}, args...)...)
}

// kubectlOf runs kubectl with a kubeconfig and returns its output.
func kubectlOf(t *testing.T, kubeconfig string, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("kubectl")
	if err != nil {
		dir, err := services.ControlPlaneBinaries(testkit.Root(t))
		if err != nil {
			t.Fatal(err)
		}
		program = filepath.Join(dir, "kubectl")
	}
	args = append([]string{"--kubeconfig", kubeconfig}, args...)
	output, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args[2:], " "), err, output)
	}
	return string(output)
}

func TestKubectlSession(t *testing.T) {
	t.Parallel()
	c := startCluster(t, rarely())
	config := filepath.Join(testkit.Root(t), "config")
	for range 2 { // the second time, the objects exist
		for _, part := range []string{"namespace", "crd", "rbac"} { // not the policy, which other tests of the cluster would wait for
			kubectl(t, "healthrecords", "apply", "--kustomize", filepath.Join(config, part))
		}
	}

	kubectl(t, c.namespace, "apply", "--filename", filepath.Join(config, "samples/doctorassignment.yaml"))
	kubectl(t, c.namespace, "wait", "--for=condition=Ready", "--timeout=30s", "da/primary-care")
	row := regexp.MustCompile(`(?m)^NAME +DOCTOR +PAIRS +ASSIGNED +READY +REASON +AGE\nprimary-care +doctor1 +1 +1 +True +Assigned +\d+s$`)
	if got := kubectl(t, c.namespace, "get", "healthrecords"); !row.MatchString(got) {
		t.Errorf("kubectl get shows\n%s", got)
	}

	wide := regexp.MustCompile(`(?m)^NAME .* AGE +START +END +REQUESTED BY +MESSAGE\nprimary-care .* \d+s +2020-01-01T00:00:00Z +2999-01-01T00:00:00Z +1 of 1 pairs are assigned\.$`)
	kubectl(t, c.namespace, "patch", "da/primary-care", "--type=merge", `--patch={"spec":{"startsAt":"2020-01-01T00:00:00Z","endsAt":"2999-01-01T00:00:00Z"}}`)
	kubectl(t, c.namespace, "wait", "--for=condition=Ready", "--timeout=30s", "da/primary-care")
	if got := kubectl(t, c.namespace, "get", "da", "--output=wide"); !wide.MatchString(got) {
		t.Errorf("kubectl get --output=wide shows\n%s", got)
	}

	// The command waits for the current spec, not for a condition of the previous one.
	kubectl(t, c.namespace, "patch", "da/primary-care", "--type=merge", `--patch={"spec":{"patients":[{"username":"patient2"}]}}`)
	kubectl(t, c.namespace, "wait", "--for=condition=Ready", "--timeout=30s", "da/primary-care")
	if !c.clinic.assigned("doctor1", "patient2") {
		t.Error("kubectl wait returned before patient2 was assigned")
	}

	gomega.NewWithT(t).Eventually(func() string {
		return kubectl(t, c.namespace, "describe", "da/primary-care")
	}).WithTimeout(patience).Should(gomega.And( // events arrive at any time
		gomega.ContainSubstring("AssignmentsChanged"), gomega.ContainSubstring("1 of 1 pairs are assigned.")))
	kubectl(t, c.namespace, "delete", "da/primary-care", "--timeout=30s")
	if c.clinic.assigned("doctor1", "patient2") {
		t.Error("kubectl delete returned before the assignment ended")
	}
}
