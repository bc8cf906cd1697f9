package plugin_test

import (
	"testing"

	"github.com/healthrecords/healthrecords/internal/app"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
)

func TestMain(m *testing.M) { program.Main(m, app.Run) }
