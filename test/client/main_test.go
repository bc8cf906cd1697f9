// Package client_test generates a TypeScript client from the OpenAPI document, as developers of
// applications do, and uses it against a running server.
package client_test

import (
	"testing"

	"github.com/healthrecords/healthrecords/internal/app"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
)

func TestMain(m *testing.M) { program.Main(m, app.Run) }
