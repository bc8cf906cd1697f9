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

// deadlines notes how long each call may take.
type deadlines struct {
	*fakeClinic
	declare, release time.Duration
}

func (d *deadlines) Declare(ctx context.Context, declaration clinic.Declaration) (clinic.DeclarationResult, error) {
	at, _ := ctx.Deadline()
	d.declare = time.Until(at).Round(time.Second)
	return d.fakeClinic.Declare(ctx, declaration)
}

func (d *deadlines) Release(ctx context.Context, owner clinic.Owner) (int, error) {
	at, _ := ctx.Deadline()
	d.release = time.Until(at).Round(time.Second)
	return d.fakeClinic.Release(ctx, owner)
}

// TestALargeTeamMayTakeItsTime: the largest takes more than a minute to declare and to release on a slow database. Cut off
// after half a minute, it would never become Ready, nor could it be deleted, nor lose its patients.
func TestALargeTeamMayTakeItsTime(t *testing.T) {
	t.Parallel()
	var team, all []string
	for i := range 50 {
		team = append(team, fmt.Sprintf("doctor%d", i))
	}
	for i := range clinic.MaxDeclared {
		all = append(all, fmt.Sprintf("patient%d", i))
	}
	b := setup(t, newObject("small"), newObject("large", withTeam(team...), withPatients(all...)),
		newObject("shrunk", func(da *v1alpha1.DoctorAssignment) { da.Status.Claims = 250_000 }))
	clock := &deadlines{fakeClinic: b.clinic}
	b.Declarer, b.identity.declarer = clock, clock
	for name, want := range map[string]time.Duration{"small": callTimeout, "large": 280 * time.Second, "shrunk": 280 * time.Second} {
		clock.declare = 0
		da, _ := b.expectPass(t, name)
		if clock.declare != want {
			t.Errorf("%s: a declaration may take %v, want %v", name, clock.declare, want)
		}
		if name != "large" {
			continue
		}
		b.expectDeleted(t, da)
		if clock.release != want {
			t.Errorf("%s: a release may take %v, want %v", name, clock.release, want)
		}
	}
}
