package service

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// AssignmentsOptions are the parts of Assignments. DB and Authenticator are required.
type AssignmentsOptions struct {
	DB             *store.DB
	Authenticator  *Authenticator
	BreakGlass     time.Duration         // how long emergency access lasts; 0: an hour
	SelfAssignment clinic.SelfAssignment // "": clinic.SelfAssignmentConfirm
	Log            *slog.Logger          // nil: slog.Default()
}

func (o *AssignmentsOptions) setDefaults() {
	if o.BreakGlass == 0 {
		o.BreakGlass = time.Hour
	}
	if o.SelfAssignment == "" {
		o.SelfAssignment = clinic.SelfAssignmentConfirm
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

func (o *AssignmentsOptions) validate() error {
	if o.DB == nil || o.Authenticator == nil {
		return errors.New("assignments need a database and an authenticator")
	}
	if !slices.Contains(clinic.SelfAssignmentTerms(), o.SelfAssignment) {
		return errors.New("the terms of self-assignment are unknown")
	}
	return nil
}

// Assignments are the use cases by which people give doctors access to patients.
type Assignments struct {
	db         *store.DB
	auth       *Authenticator
	breakGlass time.Duration
	selfTerms  clinic.SelfAssignment
	selfMade   atomic.Int64 // self-assignments
	log        *slog.Logger
}

// NewAssignments checks the options and returns the use cases.
func NewAssignments(opts AssignmentsOptions) (*Assignments, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Assignments{
		db: opts.DB, auth: opts.Authenticator, breakGlass: opts.BreakGlass, selfTerms: opts.SelfAssignment, log: opts.Log,
	}, nil
}

// Assign gives a doctor access to a patient. An administrator names both. A
// doctor may leave out doctor_id or name themselves, on the terms of
// admitSelfAssignment, which are checked first. For a pair that is assigned already
// it returns that assignment unchanged, with created false.
// An unverified doctor fails with CodeConflict and reason
// "doctor_not_verified".
func (s *Assignments) Assign(ctx context.Context, caller clinic.Caller, req clinic.AssignmentRequest, idem clinic.Idempotency) (a clinic.Assignment, created bool, err error) {
	object := clinic.Object{Kind: clinic.ObjectPatient, ID: req.PatientID}
	if err := admit(ctx, s.db, caller, object, require(caller, "only doctors and administrators may assign a doctor to a patient", clinic.RoleDoctor, clinic.RoleAdmin)); err != nil {
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
	begun := false // by this call; false for a repetition
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
		h.AuditObject(assignment(answer.ID))
		if a, err = h.Assignments().Get(ctx, answer.ID); err != nil {
			return orGone(repeated, err)
		}
		h.AuditPatient(req.PatientID, answer.ID, false)
		return nil
	})
	if err == nil && begun && caller.Role == clinic.RoleDoctor {
		s.noteSelfAssignment(ctx, caller, a)
	}
	return a, created, err
}

// validate checks the request. It compares the end with the database's clock, which also
// ends the assignment.
func (s *Assignments) validate(ctx context.Context, req *clinic.AssignmentRequest) error {
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

// whomToAssign returns the doctor whom the caller may assign by this request.
func whomToAssign(who store.Identity, req clinic.AssignmentRequest) (doctorID int64, err error) {
	if who.Role == clinic.RoleDoctor {
		if req.DoctorID != 0 && req.DoctorID != who.DoctorID {
			return 0, clinic.Forbidden("doctors may assign only themselves; leave out doctor_id or use your own")
		}
		return who.DoctorID, nil
	}
	if req.DoctorID == 0 {
		return 0, clinic.Invalid("doctor_id", "this field is required")
	}
	return req.DoctorID, nil
}

// assign refuses an unverified doctor before it looks for the patient, because that doctor
// must not learn whether the patient exists. A doctor who was verified while the request
// waited for the lock has to repeat it: row-level security still uses the identity
// from its beginning.
func assign(ctx context.Context, h store.Handle, doctorID int64, req clinic.AssignmentRequest) (made, error) {
	verified, err := h.Doctors().Lock(ctx, doctorID)
	if err != nil {
		return made{}, err
	}
	if !verified || h.Who.Role == clinic.RoleDoctor && !h.Who.Verified {
		return made{}, clinic.DoctorUnverified()
	}
	id, created, err := h.Assignments().Assign(ctx, doctorID, req)
	return made{ID: id, Created: created}, err
}

// List lists assignments, newest first: all for an administrator, their own for a doctor
// and a patient. A doctor who may no longer see a patient gets only the patient's
// id.
func (s *Assignments) List(ctx context.Context, caller clinic.Caller, filter clinic.AssignmentFilter, page clinic.PageRequest) (clinic.Page[clinic.Assignment], error) {
	return s.db.As(caller).Assignments().List(ctx, filter, page)
}

// Get returns an assignment. One that the caller may not see and a missing one are the same CodeNotFound.
func (s *Assignments) Get(ctx context.Context, caller clinic.Caller, id int64) (clinic.Assignment, error) {
	return s.db.As(caller).Assignments().Get(ctx, id)
}

// End ends an assignment now; administrators only. One that has ended stays as
// it is. One that a DoctorAssignment object owns fails with CodeConflict and reason
// "managed_by_kubernetes": the object must be deleted instead. force ends it anyway,
// for an emergency, or where the object was lost. An existing
// object declares it again when it is next reconciled.
func (s *Assignments) End(ctx context.Context, caller clinic.Caller, id int64, force bool) error {
	if err := admit(ctx, s.db, caller, assignment(id), require(caller, "only administrators may end assignments", clinic.RoleAdmin)); err != nil {
		return err
	}
	return s.db.Audited(ctx, caller, assignment(id), func(h store.Handle) error {
		if err := h.Assignments().LockDoctor(ctx, id); err != nil {
			return err
		}
		a, err := h.Assignments().Get(ctx, id)
		if err != nil {
			return err
		}
		h.AuditPatient(a.Patient.ID, a.ID, false)
		if a.Ended {
			return nil
		}
		if a.Owner != "" && !force {
			return clinic.Conflict("managed_by_kubernetes", "the DoctorAssignment object "+a.DeclaredBy+
				" declares this assignment: delete or change the object; with force=true it ends here, until the object is reconciled again")
		}
		return h.Assignments().End(ctx, id)
	})
}
