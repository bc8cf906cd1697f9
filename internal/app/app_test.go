package app

import (
	"strings"
	"testing"
)

// TestAMistypedSubcommandFails, because a script or a CronJob must not mistake the help for success.
func TestAMistypedSubcommandFails(t *testing.T) {
	t.Parallel()
	for args, meant := range map[string]string{
		"sever": "server", "audit verfy": "verify", "keys rotat": "rotate", "import fihr bundles": "fhir", "admin set-passwrd x": "set-password",
	} {
		var out, told strings.Builder
		code := Main(strings.Fields(args), nil, &out, &told)
		if code != 1 || !strings.Contains(told.String(), "unknown command") || !strings.Contains(told.String(), "Did you mean this?\n\t"+meant+"\n") {
			t.Errorf("%s: exit code %d: %s", args, code, told.String())
		}
	}
	for _, args := range []string{"", "audit", "keys --help", "import", "admin"} {
		var out, told strings.Builder
		if code := Main(strings.Fields(args), nil, &out, &told); code != 0 || !strings.Contains(out.String(), "Available Commands:") {
			t.Errorf("%q: exit code %d: %s", args, code, told.String())
		}
	}
}

// TestAFailureNamesMisspelledVariables, because a setting that nobody set is the usual cause of one.
func TestAFailureNamesMisspelledVariables(t *testing.T) {
	t.Setenv("SIGNING_KEY_DIR", "/secret")
	var out, told strings.Builder
	code := Main([]string{"server"}, nil, &out, &told)
	const want = "healthrecords: SIGNING_KEY_DIR has no effect; did you mean SIGNING_KEYS_DIR?\n"
	if code != 1 || !strings.HasSuffix(told.String(), want) || strings.Contains(told.String(), "secret") {
		t.Errorf("exit code %d: %s", code, told.String())
	}
}

func TestAWrongCommandLineLeadsToTheHelp(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"server --port 80":   "unknown flag: --port; see `healthrecords server --help`",
		"server 8000":        "`healthrecords server` takes flags, but no arguments; see `healthrecords server --help`",
		"admin create admin": "`healthrecords admin create` takes flags, but no arguments; see `healthrecords admin create --help`",
		"admin set-password": "`healthrecords admin set-password` takes one username; see `healthrecords admin set-password --help`",
	} {
		var out, told strings.Builder
		if code := Main(strings.Fields(args), nil, &out, &told); code != 1 || told.String() != "healthrecords: "+want+"\n" {
			t.Errorf("%s: exit code %d: %s", args, code, told.String())
		}
	}
}
