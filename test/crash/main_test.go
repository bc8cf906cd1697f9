package crash_test

import (
	"os"
	"testing"

	"github.com/healthrecords/healthrecords/internal/app"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// asProgram in the environment makes this binary run as healthrecords itself, so that the test kills processes of
// the very code that it was compiled with.
const asProgram = "HEALTHRECORDS_CRASH_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(app.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) //nolint:forbidigo // this process is the program
	}
	testkit.Main(m)
}
