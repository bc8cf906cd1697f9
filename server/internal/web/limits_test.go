package web

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestAStatementMayTakeAsLongAsARequest checks that Postgres stops a statement when the request has timed out, and not earlier.
func TestAStatementMayTakeAsLongAsARequest(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), rights.URL(t, testkit.NewDatabase(t, rights.Migrate), schema.PartServer))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	var timeout string
	if err := conn.QueryRow(t.Context(), "SELECT current_setting('statement_timeout')").Scan(&timeout); err != nil || timeout != workTimeout.String() {
		t.Errorf("a statement may take %s, a request %s; %v", timeout, workTimeout, err)
	}
}
