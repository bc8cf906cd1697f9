package controllers

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// fakeClinic is a Declarer in memory: a simple model of claims that follows the contract of clinic.Declaration.
type fakeClinic struct {
	mutex sync.Mutex
	// doctors and patients are the registered users; the value of a doctor says whether they are verified.
	doctors  map[string]bool
	patients map[string]bool
	// claims are those that have not ended, and those that are held, by pair and by the UID of their owner; "" is REST.
	claims map[pair]map[string]fakeClaim
	// declared is the last declaration of each owner that was carried out, and released those that were released since.
	declared map[string]clinic.Declaration
	released map[string]bool
	// fault is returned by every call while it is set.
	fault error
	// calls counts all calls, and declares those of Declare.
	calls, declares int
	terms           int64
	// now is the database's clock.
	now func() time.Time
}

type pair struct{ doctor, patient string }

type fakeClaim struct {
	begin time.Time  // zero: at once
	end   *time.Time // nil: never
	held  int64      // the generation at which an administrator ended it; 0: they did not
}

// counts reports whether the claim gives access at the time or later.
func (c fakeClaim) counts(at time.Time) bool { return c.held == 0 && (c.end == nil || c.end.After(at)) }

func (c fakeClaim) covers(at time.Time) bool { return c.counts(at) && !c.begin.After(at) }

func newFakeClinic() *fakeClinic {
	return &fakeClinic{
		now:      time.Now,
		doctors:  map[string]bool{"doctor1": true, "doctor2": true, "unverified": false},
		patients: map[string]bool{"patient1": true, "patient2": true, "patient3": true},
		claims:   map[pair]map[string]fakeClaim{},
		declared: map[string]clinic.Declaration{},
		released: map[string]bool{},
	}
}

func (f *fakeClinic) NewTerm(context.Context) (int64, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.terms++
	return f.terms, f.fault
}

func (f *fakeClinic) Declare(_ context.Context, d clinic.Declaration) (clinic.DeclarationResult, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.calls, f.declares = f.calls+1, f.declares+1
	at := f.now()
	ended := d.EndsAt != nil && !d.EndsAt.After(at)
	if err := cmp.Or(f.fault, f.fence(d)); err != nil {
		return clinic.DeclarationResult{}, err
	}
	if err := d.Validate(); err != nil && !ended && !d.Suspended {
		return clinic.DeclarationResult{}, err
	}
	before, claims := f.snapshot(at), f.claimsOf(d.UID, at)
	last := f.declared[d.UID]
	f.declared[d.UID] = d
	var problems []clinic.DeclarationProblem
	wanted := map[pair]fakeClaim{}
	if !ended && !d.Suspended {
		problems, wanted = f.want(d)
	}
	f.settle(d, wanted, at, last.Generation != d.Generation)
	result := f.result(d, at)
	result.Problems, result.Troubled = problems[:min(len(problems), clinic.MaxProblems)], len(problems)
	after := f.snapshot(at)
	for assigned := range after {
		if !before[assigned] {
			result.Created++
		}
	}
	for assigned := range before {
		if !after[assigned] {
			result.Ended++
		}
	}
	result.Changed = last.Generation != d.Generation || result.Created+result.Ended > 0 || claims != f.claimsOf(d.UID, at)
	return result, nil
}

// fence refuses what an earlier controller, or the same one with an older spec, declares.
func (f *fakeClinic) fence(d clinic.Declaration) error {
	last, known := f.declared[d.UID]
	if known && (d.Term < last.Term || d.Term == last.Term && (f.released[d.UID] || d.Generation < last.Generation)) {
		return clinic.Conflict("superseded", "a later controller has carried out a later spec")
	}
	return nil
}

// want returns the claims that a declaration wants and may have, and the problems of the others, the gravest first.
func (f *fakeClinic) want(d clinic.Declaration) ([]clinic.DeclarationProblem, map[pair]fakeClaim) {
	wanted, bad := map[pair]fakeClaim{}, map[string]bool{}
	var problems []clinic.DeclarationProblem
	add := func(doctor, patient string, reason clinic.DeclarationProblemReason) {
		if reason != "" {
			bad[doctor+patient] = true
			problems = append(problems, clinic.DeclarationProblem{Doctor: doctor, Patient: patient, Reason: reason})
		}
	}
	for _, doctor := range d.Doctors {
		add(doctor, "", f.doctorProblem(doctor))
	}
	for _, patient := range d.Patients {
		_, isDoctor := f.doctors[patient]
		switch {
		case isDoctor:
			add("", patient, clinic.NotAPatient)
		case !f.patients[patient]:
			add("", patient, clinic.PatientNotFound)
		}
	}
	for _, doctor := range d.Doctors {
		for _, patient := range d.Patients {
			own := f.claims[pair{doctor, patient}][d.UID]
			switch {
			case own.held >= d.Generation && own.held > 0:
				add(doctor, patient, clinic.EndedByAdministrator)
			case !bad[doctor] && !bad[patient]:
				wanted[pair{doctor, patient}] = fakeClaim{begin: d.Begin(), end: d.EndsAt}
			}
		}
	}
	clinic.SortProblems(problems)
	return problems, wanted
}

func (f *fakeClinic) doctorProblem(doctor string) clinic.DeclarationProblemReason {
	verified, known := f.doctors[doctor]
	switch {
	case f.patients[doctor]:
		return clinic.NotADoctor
	case !known:
		return clinic.DoctorNotFound
	case !verified:
		return clinic.DoctorNotVerified
	default:
		return ""
	}
}

// settle makes the owner's claims those that are wanted, and ends those of REST that it adopts.
func (f *fakeClinic) settle(d clinic.Declaration, wanted map[pair]fakeClaim, at time.Time, anew bool) {
	for claimed, claims := range f.claims {
		own, has := claims[d.UID]
		if _, want := wanted[claimed]; has && !want && own.held < max(d.Generation, 1) {
			f.leave(d, claimed, own, len(wanted) > 0, at)
		}
	}
	for claimed, claim := range wanted {
		if f.claims[claimed] == nil {
			f.claims[claimed] = map[string]fakeClaim{}
		}
		f.claims[claimed][d.UID] = claim
		if rest, has := f.claims[claimed][""]; has && d.Adopt && anew {
			if rest.end = d.StartsAt; rest.end == nil {
				rest.end = &at
			}
			f.claims[claimed][""] = rest
		}
	}
}

// leave ends a claim that is not wanted any longer. A doctor who is replaced leaves when the new one begins, and one who has
// become unverified keeps the claim, which gives no access.
func (f *fakeClinic) leave(d clinic.Declaration, claimed pair, own fakeClaim, begins bool, at time.Time) {
	over := d.Suspended || d.EndsAt != nil && !d.EndsAt.After(at)
	replaced := d.Replace && !slices.Contains(d.Doctors, claimed.doctor) && slices.Contains(d.Patients, claimed.patient)
	unverified := slices.Contains(d.Doctors, claimed.doctor) && slices.Contains(d.Patients, claimed.patient) &&
		f.doctorProblem(claimed.doctor) == clinic.DoctorNotVerified
	switch {
	case !over && (unverified || replaced && !begins):
	case !over && replaced && d.StartsAt != nil && d.StartsAt.After(at):
		own.end = d.StartsAt
		f.claims[claimed][d.UID] = own
	default:
		delete(f.claims[claimed], d.UID)
	}
}

// result counts the pairs of a declaration.
func (f *fakeClinic) result(d clinic.Declaration, at time.Time) clinic.DeclarationResult {
	result := clinic.DeclarationResult{At: at, Total: len(d.Doctors) * len(d.Patients)}
	for _, doctor := range d.Doctors {
		for _, patient := range d.Patients {
			assigned, own, shared := f.look(pair{doctor, patient}, d.UID, at)
			result.Assigned += assigned
			result.Claims += own
			result.Shared += shared
		}
	}
	return result
}

// look returns 1 or 0 for each: whether a doctor has access to a patient, whether the owner claims that, and whether others do.
func (f *fakeClinic) look(p pair, uid string, at time.Time) (assigned, own, shared int) {
	for owner, claim := range f.claims[p] {
		if claim.covers(at) && f.doctors[p.doctor] {
			assigned = 1
		}
		switch {
		case claim.counts(at) && owner == uid:
			own = 1
		case claim.counts(at):
			shared = 1
		}
	}
	return assigned, own, shared
}

// claimsOf sums up the owner's claims, so that two states of them can be compared.
func (f *fakeClinic) claimsOf(uid string, at time.Time) clinic.DeclaredState {
	state := clinic.DeclaredState{UID: uid, Name: f.declared[uid].Name, Generation: f.declared[uid].Generation, Retain: f.declared[uid].Retain}
	for p, claims := range f.claims {
		if claim, has := claims[uid]; has && claim.held > 0 {
			state.Held++
		}
		if assigned, own, shared := f.look(p, uid, at); own > 0 {
			state.Claims++
			state.Assigned += assigned
			state.Shared += shared
		}
	}
	return state
}

// snapshot returns the pairs that have an assignment now or later.
func (f *fakeClinic) snapshot(at time.Time) map[pair]bool {
	assigned := map[pair]bool{}
	for p, claims := range f.claims {
		for _, claim := range claims {
			if claim.counts(at) {
				assigned[p] = true
			}
		}
	}
	return assigned
}

func (f *fakeClinic) Release(_ context.Context, owner clinic.Owner) (int, error) {
	return f.giveUp(owner, func(claims map[string]fakeClaim) { delete(claims, owner.UID) })
}

func (f *fakeClinic) Retain(_ context.Context, owner clinic.Owner) error {
	_, err := f.giveUp(owner, func(claims map[string]fakeClaim) {
		if _, has := claims[""]; !has {
			claims[""] = claims[owner.UID]
		}
		delete(claims, owner.UID)
	})
	return err
}

func (f *fakeClinic) giveUp(owner clinic.Owner, how func(map[string]fakeClaim)) (int, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.calls++
	if last, known := f.declared[owner.UID]; f.fault == nil && known && owner.Term < last.Term {
		return 0, clinic.Conflict("superseded", "a later controller has carried out a later spec")
	}
	if f.fault != nil {
		return 0, f.fault
	}
	before := len(f.snapshot(f.now()))
	for _, claims := range f.claims {
		if _, has := claims[owner.UID]; has {
			how(claims)
		}
	}
	last := f.declared[owner.UID]
	last.Term = owner.Term
	f.declared[owner.UID], f.released[owner.UID] = last, true
	return before - len(f.snapshot(f.now())), nil
}

func (f *fakeClinic) States(_ context.Context, cluster string, uids []string) ([]clinic.DeclaredState, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.calls++
	var states []clinic.DeclaredState
	for _, uid := range uids {
		if d, known := f.declared[uid]; known && d.Cluster == cluster {
			states = append(states, f.claimsOf(uid, f.now()))
		}
	}
	return states, f.fault
}

func (f *fakeClinic) Owners(_ context.Context, cluster, after string, limit int) ([]clinic.DeclaredState, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.calls++
	var states []clinic.DeclaredState
	for uid, d := range f.declared {
		if state := f.claimsOf(uid, f.now()); uid > after && d.Cluster == cluster && state.Claims > 0 {
			states = append(states, state)
		}
	}
	slices.SortFunc(states, func(a, b clinic.DeclaredState) int { return cmp.Compare(a.UID, b.UID) })
	return states[:min(len(states), limit)], f.fault
}
