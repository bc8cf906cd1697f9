package scale_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/healthrecords/healthrecords/internal/app"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
)

func TestMain(m *testing.M) {
	if program.Asked() && os.Args[1] == idleName {
		if err := runIdle(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1) //nolint:forbidigo // this process is a program
		}
		return
	}
	ctrl.SetLogger(logr.Discard())
	program.Main(m, app.Run)
}
