package store_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

var update = flag.Bool("update", false, "write the plans of the hot statements to testdata/plans.txt")

// hot lists the statements of the requests that people send most, and who sends them.
func hot() map[string][]clinic.Role {
	readers := []clinic.Role{clinic.RolePatient, clinic.RoleDoctor}
	return map[string][]clinic.Role{
		"GetRecord": readers, "ListRecords": readers, "CommentsOfPage": readers,
		"CountComments": readers, "ListComments": readers, "ListNotifications": readers,
		"SearchRecords": readers, "HighlightsOfPage": readers, "SimilarWords": readers,
		"InsertRecord": {clinic.RolePatient}, "LockRecord": {clinic.RolePatient}, "UpdateRecord": {clinic.RolePatient},
		"InsertComment": {clinic.RoleDoctor}, "ListPatientsOfDoctor": {clinic.RoleDoctor},
		"InsertAudits": {clinic.RoleAdmin}, // in fact without a caller
	}
}

// checkPlans compares the plans of the hot statements with testdata/plans.txt, which shows in a review what a change of a
// statement, a policy or an index does to them: the kinds of nodes, and the tables and indexes that they read. Write it
// again with `go test ./internal/store -run TestStatementsUseIndexes -update`.
func checkPlans(t *testing.T, dsn string, callers []clinic.Caller, statements []statement) {
	t.Helper()
	const golden = "testdata/plans.txt"
	conn := connect(t, rights.URL(t, dsn, schema.PartServer))
	var plans []string
	for _, sql := range statements {
		for _, caller := range callers {
			if sql.form != "" || !slices.Contains(hot()[sql.name], caller.Role) {
				continue
			}
			plan := &strings.Builder{}
			fmt.Fprintf(plan, "%s, by a caller with the role %s\n", sql.name, caller.Role)
			explain(t, conn, caller, sql.text).draw(plan, "  ")
			plans = append(plans, plan.String())
		}
	}
	slices.Sort(plans)
	got := strings.Join(plans, "\n")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("plans are not those of %s (- wanted, + made); if they are better, see checkPlans:\n%s", golden, diff)
	}
}

// draw writes a node and those below it, a line each.
func (n node) draw(plan *strings.Builder, indent string) {
	line := indent + n.Kind
	for _, of := range []string{n.Index, n.Table} {
		if of != "" {
			line += " " + of
			break
		}
	}
	if n.Parent == "InitPlan" || n.Parent == "SubPlan" {
		line += " (" + n.Parent + ")"
	}
	plan.WriteString(line + "\n")
	for _, below := range n.Plans {
		below.draw(plan, indent+"  ")
	}
}
