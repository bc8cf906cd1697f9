package service

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// declaring is a declaration while it is carried out.
type declaring struct {
	clinic.Declaration
	invalid error // it leaves no claims, or fails with this
	digest  []byte

	named  store.Named
	result clinic.DeclarationResult
}

// leavesNothing reports whether the declaration has no claims at that time.
func (j *declaring) leavesNothing(at time.Time) bool {
	return j.Suspended || j.EndsAt != nil && !j.EndsAt.After(at)
}

func (j *declaring) waits(at time.Time) bool { return j.StartsAt != nil && j.StartsAt.After(at) }

// settled returns the result if the declaration was carried out before and still holds. It only reads.
func (j *declaring) settled(ctx context.Context, h store.Handle) (clinic.DeclarationResult, bool, error) {
	state, err := h.Declarations().State(ctx, j.UID)
	if err != nil {
		return clinic.DeclarationResult{}, false, err
	}
	if precedes(j.Declaration, state) {
		return clinic.DeclarationResult{}, false, superseded()
	}
	ends := j.leavesNothing(state.At)
	if j.invalid != nil && !ends {
		return clinic.DeclarationResult{}, false, j.invalid
	}
	if !j.isCarriedOut(state) {
		return clinic.DeclarationResult{}, false, nil
	}
	if ends {
		if state.Claims > 0 {
			return clinic.DeclarationResult{}, false, nil
		}
		err := j.countOthers(ctx, h)
		return j.result, err == nil, err
	}
	// Without Whole, the claims may be those of a doctor who was replaced.
	holds := state.Whole && state.Claims == j.Pairs() && state.Held == 0 && (state.Assigned == j.Pairs() || j.waits(state.At))
	return clinic.DeclarationResult{
		At: state.At, Total: j.Pairs(), Assigned: state.Assigned, Claims: state.Claims, Shared: state.Shared,
	}, holds, nil
}

// countOthers sets the result of a declaration that leaves no claims: what others claim.
func (j *declaring) countOthers(ctx context.Context, h store.Handle) (err error) {
	if j.invalid != nil {
		j.result.At, err = h.Now(ctx)
		return err
	}
	users, err := h.Declarations().Find(ctx, slices.Concat(j.Doctors, j.Patients))
	if err != nil {
		return err
	}
	var named store.Named
	for _, name := range j.Doctors {
		if id := users[strings.ToLower(name)].DoctorID; id != 0 {
			named.Doctors = append(named.Doctors, id)
		}
	}
	for _, name := range j.Patients {
		if id := users[strings.ToLower(name)].PatientID; id != 0 {
			named.Patients = append(named.Patients, id)
		}
	}
	j.result.Total = j.Pairs()
	return h.Declarations().Count(ctx, j.UID, named, &j.result)
}

// carryOut makes the claims match. It compares the period with the time at which it holds the locks.
func (j *declaring) carryOut(ctx context.Context, h store.Handle) error {
	*j = declaring{Declaration: j.Declaration, invalid: j.invalid, digest: j.digest}
	var named []string
	if j.invalid == nil {
		named = j.Doctors
	}
	locked, err := h.Declarations().Lock(ctx, j.UID, named)
	if err != nil {
		return err
	}
	state, err := h.Declarations().State(ctx, j.UID)
	if err != nil {
		return err
	}
	if precedes(j.Declaration, state) {
		return superseded()
	}
	ends := j.leavesNothing(state.At)
	if j.invalid != nil && !ends {
		return j.invalid
	}
	if !ends {
		if err := j.find(ctx, h, locked); err != nil {
			return err
		}
	}
	changed, err := j.change(ctx, h, state, ends)
	if err != nil {
		return err
	}
	if j.result.Created, j.result.Ended, err = h.Declarations().Audit(ctx, changed, store.OperationAdjust, j.Requester); err != nil {
		return err
	}
	carried, whole := j.isCarriedOut(state), !ends && j.result.Troubled == 0
	j.result.Changed = len(changed.Patients) > 0 || !carried
	if !carried || whole != state.Whole {
		if err := h.Declarations().Save(ctx, j.Declaration, j.digest, whole); err != nil {
			return err
		}
	}
	if ends {
		return j.countOthers(ctx, h)
	}
	return j.describe(ctx, h, state.Held > 0)
}

// change ends and makes claims, and returns the pairs whose claims it changed.
func (j *declaring) change(ctx context.Context, h store.Handle, state store.Declared, ends bool) (changed store.Pairs, err error) {
	var others store.Others
	switch {
	case ends || !j.Replace:
	case len(j.named.Able) == 0:
		others.Keep = true
	case j.waits(state.At):
		others = store.Others{Keep: true, Until: j.StartsAt}
	}
	if state.Found {
		if changed, err = h.Declarations().End(ctx, j.Declaration, state.At, j.named, others); err != nil {
			return changed, err
		}
	}
	if len(j.named.Doctors) == 0 || len(j.named.Patients) == 0 {
		return changed, nil
	}
	claimed, err := h.Declarations().Claim(ctx, j.Declaration, state.At, j.named, j.adopts(state))
	return changed.Join(claimed), err
}

// adopts reports whether the declaration is to take claims of REST over: only when it is new. Those that people make later
// stay.
func (j *declaring) adopts(state store.Declared) bool {
	if state.Digest == nil { // something changed behind the controller's back
		return j.Adopt && (!state.Found || state.Carried != j.Generation)
	}
	return j.Adopt && !bytes.Equal(state.Digest, j.digest)
}

// find resolves the usernames. locked are the doctors whom the declaration names, and others.
func (j *declaring) find(ctx context.Context, h store.Handle, locked []store.DeclaredDoctor) error {
	known := map[string]store.DeclaredDoctor{}
	for _, doctor := range locked {
		known[doctor.Username] = doctor
	}
	names := slices.Clone(j.Patients)
	for _, name := range j.Doctors {
		if _, is := known[strings.ToLower(name)]; !is {
			names = append(names, name)
		}
	}
	users, err := h.Declarations().Find(ctx, names)
	if err != nil {
		return err
	}
	for _, name := range j.Doctors {
		doctor, is := known[strings.ToLower(name)]
		if is {
			j.named.Doctors = append(j.named.Doctors, doctor.ID)
		}
		switch {
		case is && doctor.Active && doctor.Verified:
			j.named.Able = append(j.named.Able, doctor.ID)
		case is && doctor.Active:
			j.problem(name, "", clinic.DoctorNotVerified)
		case !is && users[strings.ToLower(name)].Taken && users[strings.ToLower(name)].DoctorID == 0:
			j.problem(name, "", clinic.NotADoctor)
		default: // also a disabled account, and one that was registered just now
			j.problem(name, "", clinic.DoctorNotFound)
		}
	}
	for _, name := range j.Patients {
		switch user := users[strings.ToLower(name)]; {
		case user.PatientID != 0:
			j.named.Patients = append(j.named.Patients, user.PatientID)
		case user.Taken:
			j.problem("", name, clinic.NotAPatient)
		default:
			j.problem("", name, clinic.PatientNotFound)
		}
	}
	return nil
}

func (j *declaring) problem(doctor, patient string, reason clinic.DeclarationProblemReason) {
	j.result.Problems = append(j.result.Problems, clinic.DeclarationProblem{Doctor: doctor, Patient: patient, Reason: reason})
	j.result.Troubled++
}

// describe completes the result after the claims were changed. maybeHeld is false where no pair is held.
func (j *declaring) describe(ctx context.Context, h store.Handle, maybeHeld bool) error {
	if maybeHeld {
		held, total, err := h.Declarations().Held(ctx, j.UID)
		if err != nil {
			return err
		}
		for _, p := range held {
			j.result.Problems = append(j.result.Problems, clinic.DeclarationProblem{
				Doctor: asDeclared(j.Doctors, p.Doctor), Patient: asDeclared(j.Patients, p.Patient), Reason: p.Reason,
			})
		}
		j.result.Troubled += total
	}
	clinic.SortProblems(j.result.Problems)
	j.result.Problems = j.result.Problems[:min(len(j.result.Problems), clinic.MaxProblems)]
	j.result.Total = j.Pairs()
	return h.Declarations().Count(ctx, j.UID, j.named, &j.result)
}

// asDeclared returns the name as the list has it: case makes no difference.
func asDeclared(names []string, name string) string {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return n
		}
	}
	return name
}
