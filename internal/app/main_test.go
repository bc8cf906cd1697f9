package app

import (
	"testing"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard()) // in the programs, newProcess sets it
	testkit.Main(m)
}
