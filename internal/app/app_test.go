package app

import (
	"strings"
	"testing"
)

// TestAMistypedSubcommandFails, because a script or a CronJob must not mistake the help for success.
func TestAMistypedSubcommandFails(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"sever", "audit verfy", "keys rotat", "import fihr bundles", "admin creat"} {
		var out, told strings.Builder
		if code := Main(strings.Fields(args), nil, &out, &told); code != 1 || !strings.Contains(told.String(), "unknown command") {
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
