package controllers

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
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

// TestTheLargestTeamMayTakeLonger than a call about few pairs: its declaration takes over a minute on two cores.
func TestTheLargestTeamMayTakeLonger(t *testing.T) {
	t.Parallel()
	patients := make([]string, clinic.MaxDeclared)
	for i := range patients {
		patients[i] = fmt.Sprintf("stranger%d", i)
	}
	team := make([]string, clinic.MaxDeclaredDoctors)
	for i := range team {
		team[i] = fmt.Sprintf("nobody%d", i)
	}
	for name, c := range map[string]struct {
		options     []func(*v1alpha1.DoctorAssignment)
		least, most time.Duration
	}{
		"a pair":           {nil, callTimeout - time.Second, callTimeout + time.Second},
		"the largest team": {[]mutation{withTeam(team...), withPatients(patients...)}, 4 * time.Minute, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, newObject("a", c.options...))
			calls := &timedCalls{fakeClinic: b.clinic}
			b.Declarer = calls
			da, _ := b.expectPass(t, "a")
			b.expectDeleted(t, da)
			if len(calls.left) != 2 {
				t.Fatalf("%d calls", len(calls.left))
			}
			for _, left := range calls.left {
				if left < c.least || left > c.most {
					t.Errorf("a call has %v, want %v to %v", left, c.least, c.most)
				}
			}
		})
	}
}

// timedCalls is a clinic that notes how much time its callers grant.
type timedCalls struct {
	*fakeClinic
	left []time.Duration
}

func (c *timedCalls) note(ctx context.Context) {
	deadline, _ := ctx.Deadline()
	c.left = append(c.left, time.Until(deadline))
}

func (c *timedCalls) Declare(ctx context.Context, d clinic.Declaration) (clinic.DeclarationResult, error) {
	c.note(ctx)
	return c.fakeClinic.Declare(ctx, d)
}

func (c *timedCalls) Release(ctx context.Context, owner clinic.Owner) (int, error) {
	c.note(ctx)
	return c.fakeClinic.Release(ctx, owner)
}
