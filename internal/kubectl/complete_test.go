package kubectl

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

// suggestions returns the suggestions in the output of cobra's completion, without their descriptions.
func suggestions(output string) (found []string) {
	for line := range strings.Lines(output) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if name != "" && !strings.HasPrefix(name, ":") {
			found = append(found, name)
		}
	}
	return found
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	c := hospital(t)
	tests := []struct {
		args []string
		want []string // prefixes of other namespaces do not occur
	}{
		{[]string{"why", "prim"}, []string{"primary-care"}},
		{[]string{"why", "da/"}, []string{"da/new", "da/primary-care", "da/team", "da/vacation"}},
		{[]string{"why", "team", ""}, nil},
		{[]string{"assign", "doctor2,DOCTOR3"}, []string{"doctor2,doctor3"}},
		{[]string{"assign", "doctor1", "unb"}, []string{"unborn"}},
		{[]string{"assign", "doctor1", "unborn", "unb"}, nil}, // each patient once
		{[]string{"assign", "doctor1", "patient1", "--doctor", "doctor4"}, []string{"doctor4"}},
		{[]string{"assign", "doctor1", "patient1", "--output", ""}, []string{"json", "yaml", "name"}},
		{[]string{"assign", "--dry-run="}, []string{"none", "server", "client"}},
		{[]string{"assign", "--unt"}, []string{"--until"}},
		{[]string{"assign", "--until", ""}, nil},
		{[]string{"who", "unb"}, []string{"unborn"}},
		{[]string{"who", "unborn", ""}, nil},
		{[]string{"panel", "doctor5"}, []string{"doctor5"}},
		{[]string{"panel", "doctor5", ""}, nil},
		{[]string{"wh"}, []string{"who", "why"}},
		{[]string{"why", "--namespace", c.namespace}, []string{c.namespace}},
		{[]string{"why", "--context", ""}, nil},
	}
	for _, test := range tests {
		args := slices.Insert(slices.Clone(test.args), 0, cobra.ShellCompRequestCmd, "--kubeconfig", c.kubeconfig)
		if !slices.Contains(test.args, "--namespace") {
			args = slices.Insert(args, 3, "--namespace", c.namespace)
		}
		got := suggestions(runPlugin(t, nil, args...).stdout)
		if test.args[0] == "why" && slices.Contains(test.args, "--context") {
			test.want = contexts(t, c.kubeconfig)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%v: %q, want %q", test.args, got, test.want)
		}
	}
	// Whoever may not list all namespaces gets the names of their own; whoever may list nothing gets none, and no error.
	got := runPlugin(t, nil, cobra.ShellCompRequestCmd, "--kubeconfig", c.kubeconfig, "--as=somebody", "who", "")
	if len(suggestions(got.stdout)) > 0 || got.code != 0 || strings.Contains(got.stdout, "forbidden") {
		t.Errorf("%+v", got)
	}
}

func contexts(t *testing.T, kubeconfig string) []string {
	t.Helper()
	p := &plugin{}
	p.rules.ExplicitPath = kubeconfig
	config := testkit.Value(p.loader().RawConfig())(t)
	return []string{config.CurrentContext}
}

// TestKubectlRunsThePlugin calls the plugin as people do: kubectl finds it on the PATH by its name.
func TestKubectlRunsThePlugin(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	bin := t.TempDir()
	self := testkit.Value(os.Executable())(t)
	for _, name := range []string{pluginName, completionName} {
		testkit.Must(t, os.Symlink(self, filepath.Join(bin, name)))
	}
	program, err := exec.LookPath("kubectl")
	if err != nil {
		program = filepath.Join(testkit.Value(services.ControlPlaneBinaries(testkit.Root(t)))(t), "kubectl")
	}
	kubectl := func(args ...string) (string, int) {
		t.Helper()
		command := exec.CommandContext(t.Context(), program, args...)
		command.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
		output, err := command.CombinedOutput()
		if command.ProcessState == nil {
			t.Fatal(err)
		}
		return string(output), command.ProcessState.ExitCode()
	}
	if output, code := kubectl("healthrecords", "assign", "doctor1", "patient1", "--name=primary-care", "-n", c.namespace); code != 0 || output != "doctorassignment.healthrecords.io/primary-care created\n" {
		t.Errorf("assign exits with %d: %s", code, output)
	}
	if output, code := kubectl("healthrecords", "why", "da/primary-care", "-n", c.namespace); code != notReady || !strings.Contains(output, "No controller has looked at the object yet.") {
		t.Errorf("why exits with %d: %s", code, output)
	}
	if output, code := kubectl("healthrecords", "why"); code != wrongUsage || !strings.Contains(output, "See 'kubectl healthrecords why --help'") {
		t.Errorf("why without a name exits with %d: %s", code, output)
	}
	if output, code := kubectl("healthrecords", "--help"); code != 0 || !strings.Contains(output, "kubectl healthrecords [command]") {
		t.Errorf("--help exits with %d: %s", code, output)
	}
	if output, _ := kubectl("plugin", "list", "--name-only"); !strings.Contains(output, pluginName) {
		t.Errorf("kubectl plugin list shows %s", output)
	}
	for _, words := range [][]string{{"why", "-n", c.namespace, "da/prim"}, {"why", "-n", c.namespace, "da/primary-c"}} {
		output, code := kubectl(append([]string{cobra.ShellCompRequestCmd, "healthrecords"}, words...)...)
		if got := suggestions(output); code != 0 || !slices.Contains(got, "da/primary-care") {
			t.Errorf("completing %v: exit code %d: %s", words, code, output)
		}
	}
	if output, _ := kubectl(cobra.ShellCompRequestCmd, "healthrecords", "assign", "--unt"); !slices.Contains(suggestions(output), "--until") {
		t.Errorf("completing a flag: %s", output)
	}
}
