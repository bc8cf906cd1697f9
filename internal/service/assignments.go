package service

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
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
// admitSelfAssignment, which are checked first. If the pair is assigned already, created is false: for a doctor that
// assignment stays unchanged; an administrator's request adds a REST claim to the claims of objects, and changes no REST claim.
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

// Get returns an assignment, for administrators with its claims. One that the caller may not see and a missing one are the
// same CodeNotFound.
func (s *Assignments) Get(ctx context.Context, caller clinic.Caller, id int64) (clinic.Assignment, error) {
	a, err := s.db.As(caller).Assignments().Get(ctx, id)
	if err != nil || caller.Role != clinic.RoleAdmin {
		return a, err
	}
	a.Claims, err = s.db.As(caller).Assignments().Claims(ctx, id)
	return a, err
}

// End ends the REST claim of an assignment; administrators only. The assignment that it returns has ended, unless
// DoctorAssignment objects claim it too: then it goes on. If only they claim it, it fails with CodeConflict and reason
// "managed_by_kubernetes". force ends the claims of all, and those objects do not claim the pair again before they
// change, or LiftHold. Emergency access ends, too. An assignment that has ended stays as it is.
func (s *Assignments) End(ctx context.Context, caller clinic.Caller, id int64, force bool) (a clinic.Assignment, err error) {
	err = s.change(ctx, caller, id, func(h store.Handle, found clinic.Assignment) error {
		switch a = found; {
		case a.Ended:
			return nil
		case a.Source == clinic.SourceBreakGlass:
			err = h.Assignments().EndBreakGlass(ctx, id)
		default:
			err = endClaims(ctx, h, id, force)
		}
		if err != nil {
			return err
		}
		if a, err = h.Assignments().Get(ctx, id); err != nil || a.Ended {
			return err
		}
		a.Claims, err = h.Assignments().Claims(ctx, id)
		return err
	})
	return a, err
}

func endClaims(ctx context.Context, h store.Handle, id int64, force bool) error {
	if ended, err := h.Assignments().EndClaims(ctx, id, force); err != nil || ended {
		return err
	}
	claims, err := h.Assignments().Claims(ctx, id)
	if err != nil {
		return err
	}
	return managedByKubernetes(claims)
}

// namedObjects bounds how many objects an error names.
const namedObjects = 10

// managedByKubernetes is the error of ending the claims of REST where only objects have claims that count. If nothing
// counts, the assignment has ended meanwhile.
func managedByKubernetes(claims []clinic.Claim) error {
	var objects []string
	for _, c := range claims {
		if c.Counts {
			objects = append(objects, c.DeclaredBy)
		}
	}
	if len(objects) == 0 {
		return nil
	}
	named := strings.Join(objects[:min(len(objects), namedObjects)], ", ")
	if len(objects) > namedObjects {
		named += " and others"
	}
	return clinic.Conflict("managed_by_kubernetes", "DoctorAssignment objects declare this assignment: change or delete "+named+
		"; with force=true it ends all the same, until they change or the hold is lifted")
}

// LiftHold lets DoctorAssignment objects claim the pair of an assignment again, which an administrator had ended by force;
// administrators only.
func (s *Assignments) LiftHold(ctx context.Context, caller clinic.Caller, id int64) error {
	return s.change(ctx, caller, id, func(h store.Handle, _ clinic.Assignment) error { return h.Assignments().LiftHold(ctx, id) })
}

// change lets an administrator change an assignment whose doctor is locked.
func (s *Assignments) change(ctx context.Context, caller clinic.Caller, id int64, fn func(store.Handle, clinic.Assignment) error) error {
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
		return fn(h, a)
	})
}
