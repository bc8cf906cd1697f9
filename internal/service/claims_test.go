package service_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// declared makes the object clinic/NAME, in its third generation, claim the pair from since on, counted from now.
func (p pair) declared(name string, since time.Duration) {
	p.db.Exec(`INSERT INTO declarations (uid, cluster, name, term, generation, digest, retain) VALUES ($1, '', 'clinic/' || $1, 1, 3, '\x00', false)
		ON CONFLICT DO NOTHING`, name)
	p.db.Exec(`INSERT INTO assignment_claims (patient_id, doctor_id, source, owner, declared_by, requester, reason, starts_at)
		VALUES ($1, $2, 'kubernetes', $3, 'clinic/' || $3, 'jane', 'team', now() + make_interval(secs => $4))`,
		p.patient.ID, p.doctor.ID, name, since.Seconds())
}

// withdrawn ends the claims of an object.
func (p pair) withdrawn(name string) {
	p.db.Exec(`UPDATE assignment_claims SET ended_at = statement_timestamp() WHERE owner = $1 AND ended_at IS NULL`, name)
}

// newest returns the pair's newest assignment, as the administrator sees it.
func (p pair) newest(t *testing.T) clinic.Assignment {
	t.Helper()
	id := p.db.Count(`SELECT coalesce(max(id), 0) FROM assignments WHERE source <> 'break_glass'`)
	return testkit.Value(p.Assignments.Get(t.Context(), p.admin, int64(id)))(t)
}

// claims returns the sources and the states of an assignment's claims, each as "clinic/NAME held".
func claims(a clinic.Assignment) []string {
	var all []string
	for _, c := range a.Claims {
		state := "ended"
		switch {
		case c.Counts:
			state = "counts"
		case c.Held:
			state = "held"
		}
		all = append(all, strings.TrimSpace(strings.Replace(c.DeclaredBy, "clinic/", "", 1)+" "+string(c.Source)+" "+state))
	}
	slices.Sort(all)
	return all
}

func wantClaims(t *testing.T, a clinic.Assignment, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, claims(a)); diff != "" {
		t.Errorf("claims (-want +got)\n%s", diff)
	}
}

// TestTheLastClaimEndsTheAssignment hands an assignment over from an object to REST, to another object, and back: it is one
// row of history, with one event, and only the end of the last claim ends it.
func TestTheLastClaimEndsTheAssignment(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.declared("a", 0)
	first := p.newest(t)
	beside, created, err := p.Assignments.Assign(t.Context(), p.admin, p.both(), noKey)
	if wantCode(t, err, ""); created || beside.ID != first.ID || beside.Claims != nil {
		t.Errorf("a claim beside another made assignment %d (created %t, claims %v), want %d", beside.ID, created, beside.Claims, first.ID)
	}
	wantClaims(t, p.newest(t), "a kubernetes counts", "rest counts")
	p.withdrawn("a")
	p.declared("b", 0)
	if a := p.newest(t); a.ID != first.ID || !a.Active || a.Source != clinic.SourceREST || a.RequestedBy == nil || a.Reason != "primary care" {
		t.Errorf("after the object has withdrawn its claim, the assignment is %+v", a)
	}
	went, err := p.Assignments.End(t.Context(), p.admin, first.ID, false)
	if wantCode(t, err, ""); went.ID != first.ID || !went.Active || went.DeclaredBy != "clinic/b" || went.Requester != "jane" || went.RequestedBy != nil {
		t.Errorf("after REST has ended its claim, the assignment is %+v", went)
	}
	wantClaims(t, went, "a kubernetes ended", "b kubernetes counts", "rest ended")
	wantReason(t, p.end(t.Context(), p.admin, first.ID, false), "managed_by_kubernetes")
	p.withdrawn("b")
	if a := p.newest(t); a.ID != first.ID || !a.Ended {
		t.Errorf("after the last claim, the assignment is %+v", a)
	}
	if n := p.db.Count(`SELECT count(*) FROM outbox`); n != 1 {
		t.Errorf("events = %d, want 1", n)
	}
}

// TestNobodysLaterClaimBlocksREST: it did for years, with the conflict already_assigned.
func TestNobodysLaterClaimBlocksREST(t *testing.T) {
	t.Parallel()
	for name, as := range map[string]func(pair) clinic.Caller{
		"administrator": func(p pair) clinic.Caller { return p.admin }, "doctor": pair.asDoctor,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.declared("later", time.Hour)
			a, created, err := p.Assignments.Assign(t.Context(), as(p), p.both(), noKey)
			if wantCode(t, err, ""); !created || !a.Active {
				t.Errorf("created = %t, %+v", created, a)
			}
			ended, err := p.Assignments.End(t.Context(), p.admin, a.ID, false)
			if wantCode(t, err, ""); !ended.Ended {
				t.Errorf("after its end, the assignment is %+v", ended)
			}
			if n := p.db.Count(`SELECT count(*) FROM assignments WHERE starts_at > now() AND ends_at IS NULL AND owner = 'later'`); n != 1 {
				t.Errorf("%d assignments are planned, want 1", n)
			}
		})
	}
}

// TestRESTReplacesItsOwnLaterClaim, which a retained object may have left. The doctor keeps all that it promised.
func TestRESTReplacesItsOwnLaterClaim(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	in := func(hours int) *time.Time { return new(now.Add(time.Duration(hours) * time.Hour)) }
	for name, test := range map[string]struct{ planned, asked, want *time.Time }{
		"the longer planned one": {in(9), in(3), in(9)}, "the longer one": {in(4), in(8), in(8)},
		"an open-ended planned one": {nil, in(3), nil}, "an open-ended one": {in(4), nil, nil},
		"one that ends before": {in(4), in(1), in(1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.db.Exec(`INSERT INTO assignment_claims (patient_id, doctor_id, source, starts_at, ends_at) VALUES ($1, $2, 'rest', $3, $4)`,
				p.patient.ID, p.doctor.ID, in(2), test.planned)
			request := p.both()
			request.EndsAt = test.asked
			a, created, err := p.Assignments.Assign(t.Context(), p.asDoctor(), request, noKey)
			if wantCode(t, err, ""); !created || !a.Active || (a.EndsAt == nil) != (test.want == nil) || test.want != nil && !a.EndsAt.Equal(*test.want) {
				t.Errorf("created = %t, %+v, want the end %v", created, a, test.want)
			}
			if n := p.db.Count(`SELECT count(*) FROM assignments WHERE ends_at IS NULL OR ends_at > greatest(starts_at, now())`); n != 1 {
				t.Errorf("%d assignments run or are planned, want 1", n)
			}
		})
	}
}

func TestAClaimThatHasRunOutMakesRoom(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.db.Exec(`INSERT INTO assignment_claims (patient_id, doctor_id, source, starts_at, ends_at)
		VALUES ($1, $2, 'rest', now() - interval '2 hours', now() - interval '1 hour')`, p.patient.ID, p.doctor.ID)
	for _, want := range []bool{true, false} {
		if a, created, err := p.Assignments.Assign(t.Context(), p.admin, p.both(), noKey); err != nil || created != want || !a.Active {
			t.Errorf("created = %t, %+v, %v, want %t", created, a, err, want)
		}
	}
}

// TestADoctorDoesNotProlongTheirAccessUnseen: an object's end is not put off by a doctor who asks again before it.
func TestADoctorDoesNotProlongTheirAccessUnseen(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.declared("a", -time.Minute)
	a, created, err := p.Assignments.Assign(t.Context(), p.asDoctor(), p.both(), noKey)
	if wantCode(t, err, ""); created || a.DeclaredBy != "clinic/a" {
		t.Errorf("created = %t, %+v", created, a)
	}
	wantClaims(t, p.newest(t), "a kubernetes counts")
}

// TestForceEndsAllClaimsAndHoldsTheObjects: before, an object assigned the pair again a minute later.
func TestForceEndsAllClaimsAndHoldsTheObjects(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.declared("a", -time.Minute)
	p.declared("b", time.Hour)
	a, _, err := p.Assignments.Assign(t.Context(), p.admin, p.both(), noKey)
	wantCode(t, err, "")
	for range 2 { // the second time changes nothing
		ended, err := p.Assignments.End(t.Context(), p.admin, a.ID, true)
		if wantCode(t, err, ""); !ended.Ended {
			t.Errorf("by force, the assignment is %+v", ended)
		}
	}
	if n := p.db.Count(`SELECT count(*) FROM assignments WHERE ends_at IS NULL OR ends_at > greatest(starts_at, now())`); n != 0 {
		t.Errorf("%d assignments run or are planned", n)
	}
	if n := p.db.Count(`SELECT count(*) FROM assignment_claims WHERE held = 3`); n != 2 {
		t.Errorf("%d claims are held at the generation of their object, want 2", n)
	}
	again, created, err := p.Assignments.Assign(t.Context(), p.admin, p.both(), noKey)
	if wantCode(t, err, ""); !created {
		t.Error("REST cannot assign the pair after its end by force")
	}
	wantClaims(t, p.newest(t), "a kubernetes held", "b kubernetes held", "rest counts")
	for range 2 {
		wantCode(t, p.Assignments.LiftHold(t.Context(), p.admin, again.ID), "")
	}
	wantClaims(t, p.newest(t), "rest counts")
	wantCode(t, p.Assignments.LiftHold(t.Context(), p.asDoctor(), again.ID), clinic.CodeForbidden)
	wantCode(t, p.Assignments.LiftHold(t.Context(), p.admin, 1<<40), clinic.CodeNotFound)
}

// TestEndingEmergencyAccessEndsNoClaim, and the other way around.
func TestEndingEmergencyAccessEndsNoClaim(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.declared("a", 0)
	opened := p.db.Assignment(testkit.AssignmentOptions{Patient: p.patient, Doctor: p.doctor, Source: clinic.SourceBreakGlass})
	if a := testkit.Value(p.Assignments.Get(t.Context(), p.admin, opened.ID))(t); a.Claims == nil || len(a.Claims) > 0 {
		t.Errorf("emergency access has the claims %v", a.Claims)
	}
	if a, err := p.Assignments.End(t.Context(), p.admin, opened.ID, true); err != nil || !a.Ended {
		t.Errorf("emergency access after its end: %+v, %v", a, err)
	}
	other := p.db.Assignment(testkit.AssignmentOptions{Patient: p.patient, Doctor: p.doctor, Source: clinic.SourceBreakGlass})
	wantClaims(t, p.newest(t), "a kubernetes counts")
	wantCode(t, p.end(t.Context(), p.admin, p.newest(t).ID, true), "")
	if a := testkit.Value(p.Assignments.Get(t.Context(), p.admin, other.ID))(t); !a.Active {
		t.Error("force ended emergency access, too")
	}
}

func TestOnlyAdministratorsSeeClaims(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.declared("a", 0)
	id := p.newest(t).ID
	for _, as := range []clinic.Caller{p.asDoctor(), testkit.CallerOf(p.patient.User)} {
		if a := testkit.Value(p.Assignments.Get(t.Context(), as, id))(t); a.Claims != nil || a.Requester != "jane" {
			t.Errorf("a %s sees %+v", as.Role, a)
		}
	}
	page := testkit.Value(p.Assignments.List(t.Context(), p.admin, clinic.AssignmentFilter{}, clinic.PageRequest{}))(t)
	if len(page.Items) != 1 || page.Items[0].Claims != nil {
		t.Errorf("the list has %+v", page.Items)
	}
}

// TestManyClaimsAreBounded, and those that count come first.
func TestManyClaimsAreBounded(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.declared("first", -time.Hour)
	for i := range clinic.MaxClaims + 5 {
		p.declared(fmt.Sprint("gone", i), 0)
		p.withdrawn(fmt.Sprint("gone", i))
	}
	for i := range 11 {
		p.declared(fmt.Sprint("object", i), 0)
	}
	a := p.newest(t)
	if got := claims(a); len(got) != clinic.MaxClaims || !slices.Contains(got, "first kubernetes counts") {
		t.Errorf("%d claims: %v", len(got), got)
	}
	var refused *clinic.Error
	if err := p.end(t.Context(), p.admin, a.ID, false); !errors.As(err, &refused) || strings.Count(refused.Message, "clinic/object") != 10 ||
		!strings.Contains(refused.Message, " and others") {
		t.Errorf("the refusal is %v", refused)
	}
	if a := p.newest(t); !a.Active {
		t.Error("the refusal ended the assignment")
	}
}

// TestClaimsOfAnEarlierAssignmentAreItsOwn: each assignment shows the claims of its own time.
func TestClaimsOfAnEarlierAssignmentAreItsOwn(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.declared("a", 0)
	first := p.newest(t)
	p.withdrawn("a")
	p.declared("b", 0)
	wantClaims(t, p.newest(t), "b kubernetes counts")
	wantClaims(t, testkit.Value(p.Assignments.Get(t.Context(), p.admin, first.ID))(t), "a kubernetes ended")
	if second := p.newest(t); second.ID == first.ID {
		t.Error("an assignment ran on through a gap")
	}
}
