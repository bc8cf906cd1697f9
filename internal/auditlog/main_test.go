package auditlog_test

import (
	"testing"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
