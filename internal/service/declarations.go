package service

import (
	"cmp"
	"context"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Declarations are the use cases of declared assignments, such as those of DoctorAssignment objects.
type Declarations struct{ db *store.DB }

// NewDeclarations returns the use cases.
func NewDeclarations(db *store.DB) *Declarations { return &Declarations{db: db} }

// Declare makes the assignments of the declaration's owner match the
// declaration, in one transaction. It does not write what matches already.
// It begins assignments again that were ended outside the platform. An assignment
// that has begun and is declared to begin later ends, and another one is made.
// A declaration whose end has passed leaves no assignments, even if it is invalid.
func (s *Declarations) Declare(ctx context.Context, d clinic.Declaration) (clinic.DeclarationResult, error) {
	invalid := d.Validate()
	if invalid != nil && (d.EndsAt == nil || d.Owner == "") {
		return clinic.DeclarationResult{}, invalid
	}
	var result clinic.DeclarationResult
	err := s.db.Tx(ctx, nil, func(h store.Handle) (err error) {
		if invalid != nil {
			result, err = expire(ctx, h, d, invalid)
			return err
		}
		result, err = declare(ctx, h, d)
		return err
	})
	if err != nil {
		return clinic.DeclarationResult{}, err
	}
	return result, nil
}

// expire ends what the owner of an invalid declaration holds if the declaration's
// end has passed: a fault elsewhere in it must not prolong access. Otherwise it
// returns invalid.
func expire(ctx context.Context, h store.Handle, d clinic.Declaration, invalid error) (clinic.DeclarationResult, error) {
	var result clinic.DeclarationResult
	_, err := h.Declarations().Lock(ctx, d.Owner, "")
	if err != nil {
		return result, err
	}
	if result.At, err = h.Now(ctx); err != nil {
		return result, err
	}
	if d.EndsAt.After(result.At) {
		return result, invalid
	}
	result.Ended, result.EndedDoctors, err = endUnwanted(ctx, h, clinic.Declaration{Owner: d.Owner}, 0, nil)
	return result, err
}

func declare(ctx context.Context, h store.Handle, d clinic.Declaration) (clinic.DeclarationResult, error) {
	var result clinic.DeclarationResult
	doctor, err := h.Declarations().Lock(ctx, d.Owner, d.Doctor)
	if err != nil {
		return result, err
	}
	var patients []int64
	if d.StartsAt != nil || d.EndsAt != nil {
		if result.At, err = h.Now(ctx); err != nil {
			return result, err
		}
	}
	if d.EndsAt == nil || d.EndsAt.After(result.At) {
		if patients, result.Unassigned, err = h.Declarations().FindPatients(ctx, d.Patients); err != nil {
			return result, err
		}
	}
	if result.Ended, result.EndedDoctors, err = endUnwanted(ctx, h, d, doctor.ID, patients); err != nil {
		return result, err
	}
	if len(patients) > 0 {
		if err := h.Declarations().Adjust(ctx, d, doctor.ID); err != nil {
			return result, err
		}
	}
	if result.Doctor = problemOf(doctor); result.Doctor != "" {
		result.Unassigned = nil
		return result, nil
	}
	if result.Created, err = h.Declarations().Insert(ctx, d, doctor.ID, patients); err != nil {
		return result, err
	}
	result.Assigned = len(patients)
	slices.SortFunc(result.Unassigned, func(a, b clinic.Unassigned) int { return cmp.Compare(a.Username, b.Username) })
	return result, nil
}

// endUnwanted ends the owner's assignments that are not of the doctor and the patients, and
// returns how many there were and the usernames of their doctors.
func endUnwanted(ctx context.Context, h store.Handle, d clinic.Declaration, doctorID int64, patients []int64) (int, []string, error) {
	ended, err := h.Declarations().EndUnwanted(ctx, d, doctorID, patients)
	slices.Sort(ended)
	return len(ended), slices.Compact(ended), err
}

// problemOf is the reason why the doctor cannot be assigned to anybody. A disabled account counts
// as missing.
func problemOf(doctor store.DeclaredDoctor) clinic.DoctorProblem {
	switch {
	case doctor.ID == 0 && doctor.UsernameTaken:
		return clinic.NotADoctor
	case doctor.ID == 0 || !doctor.Active:
		return clinic.DoctorNotFound
	case !doctor.Verified:
		return clinic.DoctorNotVerified
	}
	return ""
}

// Release ends every assignment of the owner and returns how many it
// ended.
func (s *Declarations) Release(ctx context.Context, owner string) (ended int, err error) {
	err = s.db.Tx(ctx, nil, func(h store.Handle) error {
		if _, err := h.Declarations().Lock(ctx, owner, ""); err != nil {
			return err
		}
		doctors, err := h.Declarations().EndUnwanted(ctx, clinic.Declaration{Owner: owner}, 0, nil)
		ended = len(doctors)
		return err
	})
	return ended, err
}

// Retain leaves the owner's assignments active, but without an owner: an
// administrator may end them.
func (s *Declarations) Retain(ctx context.Context, owner string) error {
	return s.db.Tx(ctx, nil, func(h store.Handle) error {
		if _, err := h.Declarations().Lock(ctx, owner, ""); err != nil {
			return err
		}
		return h.Declarations().Retain(ctx, owner)
	})
}
