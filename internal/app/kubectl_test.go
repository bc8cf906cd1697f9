package app

import (
	"strings"
	"testing"
)

// TestThePluginOfKubectl checks that the program is the plugin under the plugin's names, and has it as a subcommand.
func TestThePluginOfKubectl(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args   string
		code   int
		stdout string
		stderr string // the beginnings
	}{
		{"/usr/bin/kubectl-healthrecords why", 2, "", "error: name one object, such as da/primary-care\nSee 'kubectl healthrecords why --help' for usage\n"},
		{"kubectl-healthrecords.exe", 0, "Assign doctors to patients", ""},
		{"kubectl_complete-healthrecords assign --unt", 0, "--until\t", ""},
		{"kubectl-healthrecords __complete assign --unt", 0, "--until\t", ""},
		{"healthrecords kubectl why", 2, "", "error: name one object, such as da/primary-care\nSee 'healthrecords kubectl why --help' for usage\n"},
		{"healthrecords kubectl wy", 2, "", `error: unknown command "wy" for "healthrecords kubectl"`},
		{"healthrecords kubctl", 1, "", `healthrecords: unknown command "kubctl"`},
	}
	for _, test := range tests {
		var out, told strings.Builder
		code := Run(strings.Fields(test.args), nil, &out, &told)
		if code != test.code || !strings.HasPrefix(out.String(), test.stdout) || !strings.HasPrefix(told.String(), test.stderr) {
			t.Errorf("%s: exit code %d\n%s\n%s", test.args, code, out.String(), told.String())
		}
	}
}
