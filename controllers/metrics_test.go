package controllers

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestStateCollectorCountsObjectsByReadyReason(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a"), newObject("b"), newObject("c", withDoctor("nobody")), newObject("new"))
	for _, name := range []string{"a", "b", "c"} {
		b.expectPass(t, name)
	}
	want := `
# HELP healthrecords_doctorassignments DoctorAssignment objects by the status and reason of their Ready condition.
# TYPE healthrecords_doctorassignments gauge
healthrecords_doctorassignments{ready="False",reason="DoctorNotFound"} 1
healthrecords_doctorassignments{ready="True",reason="Assigned"} 2
healthrecords_doctorassignments{ready="Unknown",reason=""} 1
`
	if err := testutil.CollectAndCompare(newStateCollector(b.client), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
