package tutorial_test

import (
	"os"
	"testing"

	"github.com/healthrecords/healthrecords/internal/app"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
)

func TestMain(m *testing.M) {
	if program.Asked() {
		os.Exit(app.Run(os.Args, os.Stdin, os.Stdout, os.Stderr)) //nolint:forbidigo // this process is the program
	}
	testkit.Main(m)
}
