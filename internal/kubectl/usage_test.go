package kubectl

import (
	"strings"
	"testing"
)

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args []string
		want []string // in the message
	}{
		{[]string{"asign", "doctor1", "patient1"}, []string{`unknown command "asign"`, "Did you mean this?\n\tassign"}},
		{[]string{"qqqqqqq"}, []string{"unknown command"}},
		{[]string{"assign", "doctor1"}, []string{"at least one patient", "healthrecords assign --help"}},
		{[]string{"assign", ",", "patient1"}, []string{"cannot be empty"}},
		{[]string{"assign", "doctor1", "patient1", "--untill=8h"}, []string{"unknown flag: --untill", "\t--until\n"}},
		{[]string{"assign", "doctor1", "patient1", "--until=later"}, []string{"--until takes a time"}},
		{[]string{"assign", "doctor1", "patient1", "--dry-run=maybe"}, []string{"invalid dry-run value (maybe)"}},
		{[]string{"assign", "doctor1", "patient1", "-o", "table"}, []string{`output format "table", allowed formats are: json,yaml,name`}},
		{[]string{"assign", "doctor1", "patient1", "--wait=-1s"}, []string{"--wait must not be negative"}},
		{[]string{"why"}, []string{"name one object"}},
		{[]string{"why", "da/"}, []string{"name one object"}},
		{[]string{"why", "pods/primary-care"}, []string{"the command explains DoctorAssignments"}},
		{[]string{"why", "doctorasignment/primary-care"}, []string{"Did you mean this?\n\tdoctorassignment\n"}},
		{[]string{"why", "x", "-owide"}, []string{"allowed formats are: json,yaml"}},
		{[]string{"who"}, []string{"name one patient"}},
		{[]string{"panel", "a", "b"}, []string{"name one doctor"}},
		{[]string{"panel", "doctor1", "-oname"}, []string{"allowed formats"}},
	}
	for _, test := range tests {
		got := runPlugin(t, nil, test.args...)
		if got.code != wrongUsage || got.stdout != "" || !strings.HasPrefix(got.stderr, "error: ") {
			t.Errorf("%v: %+v", test.args, got)
		}
		for _, want := range test.want {
			if !strings.Contains(got.stderr, want) {
				t.Errorf("%v: %q lacks %q", test.args, got.stderr, want)
			}
		}
	}
}

// TestEveryCommandHasExamples checks that help shows how people call the plugin.
func TestEveryCommandHasExamples(t *testing.T) {
	t.Parallel()
	for _, command := range New("healthrecords").Commands() {
		if !strings.Contains(command.Example, "kubectl healthrecords "+command.Name()) || command.Long == "" {
			t.Errorf("%s has no example or explanation", command.Name())
		}
		help := runPlugin(t, nil, command.Name(), "--help")
		for _, want := range []string{"--kubeconfig", "--context", "--namespace", "--as ", "--request-timeout"} {
			if help.code != 0 || !strings.Contains(help.stdout, want) {
				t.Errorf("the help of %s lacks %s", command.Name(), want)
			}
		}
		if strings.Contains(help.stdout, "--token ") {
			t.Errorf("%s takes a token in a flag, which everybody on the machine can read", command.Name())
		}
	}
}

func TestInvoked(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"kubectl-healthrecords", "/usr/local/bin/kubectl-healthrecords", "kubectl-healthrecords.exe"} {
		command := Invoked([]string{name, "why", "--help"})
		if command == nil {
			t.Fatalf("%s is not the plugin", name)
		}
		var output strings.Builder
		command.SetOut(&output)
		if err := command.Execute(); err != nil || !strings.Contains(output.String(), "Usage:\n  kubectl healthrecords why (da/NAME | NAME)") {
			t.Errorf("%s shows %v\n%s", name, err, output.String())
		}
	}
	if command := Invoked([]string{"kubectl_complete-healthrecords", "wh"}); command == nil {
		t.Error("the name of the completion is not known")
	}
	for _, other := range [][]string{nil, {"healthrecords", "why"}, {"./kubectl-healthrecords-old"}} {
		if Invoked(other) != nil {
			t.Errorf("%v is the plugin", other)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	if got := printable("Zoë\n\x1b[31mred\x9b\x7f"); got != "Zoë\n\uFFFD[31mred\uFFFD\uFFFD" {
		t.Errorf("%q", got)
	}
}
