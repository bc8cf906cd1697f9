package controllers

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"sigs.k8s.io/controller-runtime/pkg/client"
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

// The cache answers only after it has synchronized with the API server, which may never happen.
func TestStateCollectorDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a"))
	ends := false
	testutil.CollectAndCount(newStateCollector(listed{b.client, func(ctx context.Context) { _, ends = ctx.Deadline() }}))
	if !ends {
		t.Error("the objects are listed without a deadline")
	}
}

// listed sends a value for each listing.
type listed struct {
	client.Reader
	tell func(context.Context)
}

func (l listed) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	l.tell(ctx)
	return l.Reader.List(ctx, list, opts...)
}
