package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// Lock keeps an active doctor's assignments and verification from
// changing until the transaction ends, and reports whether the doctor is verified.
func (h Doctors) Lock(ctx context.Context, id int64) (verified bool, err error) {
	verified, err = h.q.LockDoctor(ctx, h.db, id)
	if err != nil {
		return false, fmt.Errorf("locking a doctor: %w", orNotFound(err, "doctor"))
	}
	return verified, nil
}

// LockEmergency keeps an active doctor from opening emergency access twice until the transaction ends, and reports whether
// they are verified. It does not wait for changes of their assignments.
func (h Doctors) LockEmergency(ctx context.Context, id int64) (verified bool, err error) {
	if err := h.q.LockEmergency(ctx, h.db, id); err != nil {
		return false, fmt.Errorf("locking emergency access: %w", translate(err))
	}
	verified, err = h.q.DoctorVerified(ctx, h.db, id)
	if err != nil {
		return false, fmt.Errorf("reading a doctor's verification: %w", orNotFound(err, "doctor"))
	}
	return verified, nil
}

// LockDoctor is Doctors.Lock for the doctor of an assignment, active
// or not.
func (h Assignments) LockDoctor(ctx context.Context, id int64) error {
	n, err := h.q.LockDoctorOfAssignment(ctx, h.db, id)
	if err != nil {
		return fmt.Errorf("locking an assignment's doctor: %w", translate(err))
	}
	if n == 0 {
		return clinic.NotFound("assignment")
	}
	return nil
}

// Assign claims for a locked doctor access to the request's patient from now on, on the caller's request, and returns the
// assignment that the pair has then, and whether it begins now. A claim of REST stays as it is; for a doctor's request, so
// does an assignment by any claim.
func (h Assignments) Assign(ctx context.Context, doctorID int64, req clinic.AssignmentRequest) (id int64, created bool, err error) {
	claim, err := h.q.AddClaim(ctx, h.db, dbsqlc.AddClaimParams{
		PatientID: req.PatientID, DoctorID: doctorID, RequestedBy: &h.Who.UserID, Reason: req.Reason, EndsAt: req.EndsAt,
		BesideOthers: h.Who.Role == clinic.RoleAdmin,
	})
	if err != nil {
		return 0, false, fmt.Errorf("adding a claim: %w", translate(err))
	}
	found, err := h.q.FindAssignment(ctx, h.db, dbsqlc.FindAssignmentParams{PatientID: req.PatientID, DoctorID: doctorID, At: claim.At})
	if err != nil {
		return 0, false, fmt.Errorf("finding an assignment: %w", translate(err))
	}
	return found.ID, claim.Added && found.Begun, nil
}

// OpenBreakGlass gives a doctor after LockEmergency, the caller, access to a patient for
// lifetime, and adds the event. It returns the emergency access that the doctor has already, if any.
func (h Assignments) OpenBreakGlass(ctx context.Context, patientID int64, reason string, lifetime time.Duration) (id int64, opened bool, err error) {
	id, err = h.q.OpenBreakGlass(ctx, h.db, dbsqlc.OpenBreakGlassParams{
		PatientID: patientID, DoctorID: h.Who.DoctorID, RequestedBy: &h.Who.UserID, Reason: reason, Lifetime: lifetime.Seconds(),
	})
	if err == nil {
		return id, true, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return 0, false, fmt.Errorf("opening emergency access: %w", translate(err))
	}
	id, err = h.q.FindBreakGlass(ctx, h.db, dbsqlc.FindBreakGlassParams{PatientID: patientID, DoctorID: h.Who.DoctorID})
	if err != nil {
		return 0, false, fmt.Errorf("finding emergency access: %w", orNotFound(err, "patient"))
	}
	return id, false, nil
}

// List lists the caller's own assignments, or all for an administrator, newest first.
func (h Assignments) List(ctx context.Context, filter clinic.AssignmentFilter, request clinic.PageRequest) (clinic.Page[clinic.Assignment], error) {
	list := func(h handle, w window) ([]*dbsqlc.ListAssignmentsRow, error) {
		return h.q.ListAssignments(ctx, h.reading(w), dbsqlc.ListAssignmentsParams{
			Caller: h.Who.UserID, Everybody: h.Who.Role == clinic.RoleAdmin,
			PatientID: filter.PatientID, DoctorID: filter.DoctorID, Active: filter.Active, Source: string(filter.Source),
			BeyondID: w.beyondID(w.Back), Most: w.Limit, Skip: w.Offset,
		})
	}
	page, err := readPage(listing[*dbsqlc.ListAssignmentsRow, clinic.Assignment]{
		page: request,
		read: func(w window) ([]*dbsqlc.ListAssignmentsRow, error) {
			return list(h.auditing(ofPatient(clinic.ObjectAssignment, filter.PatientID), w.shown()), w)
		},
		item:  func(r *dbsqlc.ListAssignmentsRow) (clinic.Assignment, error) { return assignmentOf(r), nil },
		total: func(r *dbsqlc.ListAssignmentsRow) counted { return exactly(r.Total) },
		count: func() (counted, error) {
			rows, err := list(h.handle, window{Limit: 1})
			if err != nil || len(rows) == 0 {
				return exactly(0), err
			}
			return exactly(rows[0].Total), nil
		},
		position: byID(func(a clinic.Assignment) int64 { return a.ID }),
	})
	if err != nil {
		return clinic.Page[clinic.Assignment]{}, fmt.Errorf("listing assignments: %w", err)
	}
	return page, nil
}

// Get returns one of the assignments that List lists.
func (h Assignments) Get(ctx context.Context, id int64) (clinic.Assignment, error) {
	w := window{Limit: 1}
	rows, err := h.q.ListAssignments(ctx, h.auditing(clinic.Object{Kind: clinic.ObjectAssignment, ID: id}, 0).db, dbsqlc.ListAssignmentsParams{
		Caller: h.Who.UserID, Everybody: h.Who.Role == clinic.RoleAdmin, ID: id,
		BeyondID: w.beyondID(w.Back), Most: w.Limit,
	})
	if err != nil {
		return clinic.Assignment{}, fmt.Errorf("reading an assignment: %w", translate(err))
	}
	if len(rows) == 0 || id == 0 {
		return clinic.Assignment{}, clinic.NotFound("assignment")
	}
	return assignmentOf(rows[0]), nil
}

// Claims returns the claims that an assignment consists of, and those of its pair that are held; administrators only.
func (h Assignments) Claims(ctx context.Context, id int64) ([]clinic.Claim, error) {
	rows, err := h.q.ListClaims(ctx, h.db, dbsqlc.ListClaimsParams{ID: id, Most: clinic.MaxClaims})
	if err != nil {
		return nil, fmt.Errorf("listing claims: %w", translate(err))
	}
	claims := make([]clinic.Claim, 0, len(rows))
	for _, r := range rows {
		until := r.EndsAt
		if r.EndedAt != nil && (until == nil || r.EndedAt.Before(*until)) {
			until = r.EndedAt
		}
		claims = append(claims, clinic.Claim{
			Source: clinic.AssignmentSource(r.Source), DeclaredBy: orZero(r.DeclaredBy), RequestedBy: r.RequestedBy, Reason: r.Reason,
			Since: r.StartsAt, Until: until, Counts: r.Counts, Held: r.Held,
		})
	}
	return claims, nil
}

// EndClaims ends the REST claim of an assignment or, by force, all claims of its pair; those of objects are then held. It
// reports whether there was one. The assignment ends with its last claim.
func (h Assignments) EndClaims(ctx context.Context, id int64, force bool) (bool, error) {
	n, err := h.q.EndClaims(ctx, h.db, dbsqlc.EndClaimsParams{ID: id, Force: force})
	if err != nil {
		return false, fmt.Errorf("ending claims: %w", translate(err))
	}
	return n > 0, nil
}

// LiftHold lets objects claim the pair of an assignment again.
func (h Assignments) LiftHold(ctx context.Context, id int64) error {
	if err := h.q.LiftHold(ctx, h.db, id); err != nil {
		return fmt.Errorf("lifting a hold: %w", translate(err))
	}
	return nil
}

// EndBreakGlass ends emergency access now.
func (h Assignments) EndBreakGlass(ctx context.Context, id int64) error {
	if err := h.q.EndBreakGlass(ctx, h.db, id); err != nil {
		return fmt.Errorf("ending emergency access: %w", translate(err))
	}
	return nil
}

func assignmentOf(r *dbsqlc.ListAssignmentsRow) clinic.Assignment {
	a := clinic.Assignment{
		ID: r.Assignment.ID, Source: clinic.AssignmentSource(r.Assignment.Source), Owner: orZero(r.Assignment.Owner),
		DeclaredBy: orZero(r.Assignment.DeclaredBy), Requester: orZero(r.Assignment.Requester), Reason: r.Assignment.Reason,
		StartsAt: r.Assignment.StartsAt, EndsAt: r.Assignment.EndsAt, CreatedAt: r.Assignment.CreatedAt,
		Active: r.IsActive, Ended: r.IsEnded,
		Patient: clinic.Patient{ID: r.Assignment.PatientID},
		Doctor:  doctorOf(r.DoctorProfile, r.Account),
	}
	if r.PatientUserID != nil {
		a.Patient = clinic.Patient{
			ID: r.Assignment.PatientID, DateOfBirth: r.DateOfBirth, BloodType: orZero(r.BloodType),
			Address: orZero(r.Address), EmergencyContact: orZero(r.EmergencyContact),
			User: clinic.User{
				ID: *r.PatientUserID, Username: orZero(r.PatientUsername), Email: orZero(r.PatientEmail),
				FirstName: orZero(r.PatientFirst), LastName: orZero(r.PatientLast), Role: clinic.Role(orZero(r.PatientRole)),
				PhoneNumber: orZero(r.PatientPhone), Active: orZero(r.PatientActive), CreatedAt: orZero(r.PatientCreatedAt),
			},
		}
	}
	if r.RequesterID != nil {
		a.RequestedBy = &clinic.User{
			ID: *r.RequesterID, Username: orZero(r.Username), FirstName: orZero(r.FirstName), LastName: orZero(r.LastName),
			Role: clinic.Role(orZero(r.Role)),
		}
	}
	return a
}

// orZero is the value of a nullable column, and the zero value for null.
func orZero[T any](value *T) T {
	var zero T
	if value == nil {
		return zero
	}
	return *value
}
