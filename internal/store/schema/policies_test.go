package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// expectAllRead fails for a table that a policy shows to callers and that none of the columns is of.
func (h hospital) expectAllRead(t *testing.T, columns []string) {
	t.Helper()
	rows, err := h.owner.Pool.Query(t.Context(), `SELECT DISTINCT tablename::text FROM pg_policies
		WHERE schemaname = current_schema() AND cmd IN ('SELECT', 'ALL') AND policyname LIKE 'caller%' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 5 {
		t.Fatalf("%d tables, %v", len(tables), err)
	}
	for _, table := range tables {
		if !slices.ContainsFunc(columns, func(column string) bool { return strings.HasSuffix(column, " FROM "+table) }) {
			t.Errorf("%s has a policy for callers: add a column of it here, and to each caller the rows that they may see", table)
		}
	}
}
