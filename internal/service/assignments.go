package service

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Assign gives a doctor access to a patient. An administrator names both; a
// doctor may leave out doctor_id or name themselves, on the terms of
// admitSelfAssignment, which hold before anything is looked at. A pair that is
// assigned already is answered with its assignment, which lasts no longer for it,
// and created false. An unverified doctor is CodeConflict with reason
// "doctor_not_verified".
func (s *Service) Assign(ctx context.Context, caller clinic.Caller, req clinic.AssignmentRequest, idem clinic.Idempotency) (a clinic.Assignment, created bool, err error) {
	object := clinic.Object{Kind: clinic.ObjectPatient, ID: req.PatientID}
	if err := s.admit(ctx, caller, object, "only a doctor or an administrator may assign", clinic.RoleDoctor, clinic.RoleAdmin); err != nil {
		return clinic.Assignment{}, false, err
	}
	if caller.Role == clinic.RoleDoctor {
		req, err = s.admitSelfAssignment(ctx, caller, object, req)
	} else {
		err = s.validate(ctx, &req)
	}
	if err != nil {
		return clinic.Assignment{}, false, err
	}
	begun := false // by this call: not when it repeats another one
	err = s.db.Audited(ctx, caller, object, func(h store.Handle) error {
		doctorID, err := whomToAssign(h.Who, req)
		if err != nil {
			return err
		}
		answer, repeated, err := once(ctx, h, idem, func() (answer made, err error) {
			answer, err = assign(ctx, h, doctorID, req)
			begun = answer.Created
			return answer, err
		})
		if err != nil {
			return err
		}
		created = answer.Created
		h.Made(assignment(answer.ID))
		if a, err = h.Assignment(ctx, answer.ID); err != nil {
			return orGone(repeated, err)
		}
		h.Saw(req.PatientID, answer.ID, false)
		return nil
	})
	if err == nil && begun && caller.Role == clinic.RoleDoctor {
		s.noteSelfAssignment(ctx, caller, a)
	}
	return a, created, err
}

// validate checks the request. When an assignment may end is asked by the clock
// that ends it, the database's.
func (s *Service) validate(ctx context.Context, req *clinic.AssignmentRequest) error {
	if req.EndsAt == nil {
		return req.Validate(time.Time{})
	}
	now, err := s.db.System().Now(ctx)
	if err != nil {
		return err
	}
	return req.Validate(now)
}

func assignment(id int64) clinic.Object {
	return clinic.Object{Kind: clinic.ObjectAssignment, ID: id}
}

// whomToAssign returns the doctor that the caller may assign by this request.
func whomToAssign(who store.Identity, req clinic.AssignmentRequest) (doctorID int64, err error) {
	if who.Role == clinic.RoleDoctor {
		if req.DoctorID != 0 && req.DoctorID != who.DoctorID {
			return 0, clinic.Forbidden("a doctor may assign only themselves")
		}
		return who.DoctorID, nil
	}
	if req.DoctorID == 0 {
		return 0, clinic.Invalid("doctor_id", "this field is required")
	}
	return req.DoctorID, nil
}

// assign refuses an unverified doctor before it looks for the patient: whether
// there is one is not for that doctor to know. One who was verified while he
// waited for the lock repeats his request: row-level security still takes him for
// who he was when it began.
func assign(ctx context.Context, h store.Handle, doctorID int64, req clinic.AssignmentRequest) (made, error) {
	verified, err := h.LockDoctor(ctx, doctorID)
	if err != nil {
		return made{}, err
	}
	if !verified || h.Who.Role == clinic.RoleDoctor && !h.Who.Verified {
		return made{}, clinic.DoctorUnverified()
	}
	id, created, err := h.Assign(ctx, doctorID, req)
	return made{ID: id, Created: created}, err
}

// Assignments lists assignments, newest first: an administrator all, a doctor
// and a patient their own. A doctor is shown no more of a patient than the id
// while he may not see the patient.
func (s *Service) Assignments(ctx context.Context, caller clinic.Caller, filter clinic.AssignmentFilter, page clinic.PageRequest) (clinic.Page[clinic.Assignment], error) {
	return s.db.As(caller).Assignments(ctx, filter, page)
}

// Assignment returns one; foreign and missing are the same CodeNotFound.
func (s *Service) Assignment(ctx context.Context, caller clinic.Caller, id int64) (clinic.Assignment, error) {
	return s.db.As(caller).Assignment(ctx, id)
}

// EndAssignment ends one now; administrators only. One that has ended stays as
// it is. One that a DoctorAssignment object owns is CodeConflict with reason
// "managed_by_kubernetes": the object must be deleted instead. force ends it all
// the same, for an emergency, or where the object is gone without a trace; an
// object that is still there declares it again when it is next reconciled.
func (s *Service) EndAssignment(ctx context.Context, caller clinic.Caller, id int64, force bool) error {
	if err := s.admit(ctx, caller, assignment(id), "only an administrator may end assignments", clinic.RoleAdmin); err != nil {
		return err
	}
	return s.db.Audited(ctx, caller, assignment(id), func(h store.Handle) error {
		if err := h.LockDoctorOfAssignment(ctx, id); err != nil {
			return err
		}
		a, err := h.Assignment(ctx, id)
		if err != nil {
			return err
		}
		h.Saw(a.Patient.ID, a.ID, false)
		if a.Ended {
			return nil
		}
		if a.Owner != "" && !force {
			return clinic.Conflict("managed_by_kubernetes", "the DoctorAssignment object "+a.DeclaredBy+
				" declares this assignment: delete or change the object; with force=true it ends here, until the object is reconciled again")
		}
		return h.EndAssignment(ctx, id)
	})
}
