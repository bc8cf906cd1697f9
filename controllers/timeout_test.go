package controllers

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestAStatementMayTakeAsLongAsACall checks that Postgres stops a statement when the call has timed out, and not earlier.
func TestAStatementMayTakeAsLongAsACall(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), rights.URL(t, testkit.NewDatabase(t, rights.Migrate), schema.PartController))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	var timeout string
	if err := conn.QueryRow(t.Context(), "SELECT current_setting('statement_timeout')").Scan(&timeout); err != nil || timeout != callTimeout.String() {
		t.Errorf("a statement may take %s, a call %s; %v", timeout, callTimeout, err)
	}
}
