package store

import (
	"context"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// DeclaredDoctor is the doctor that a declaration names.
type DeclaredDoctor struct {
	ID               int64 // 0: no doctor has the username
	Active, Verified bool
	UsernameTaken    bool // somebody has the username
}

// Lock keeps the owner's open assignments, those of the doctor with
// the username, and the doctor from changing until the transaction ends.
func (h Declarations) Lock(ctx context.Context, owner, doctor string) (DeclaredDoctor, error) {
	if err := h.q.LockOwner(ctx, h.db, owner); err != nil {
		return DeclaredDoctor{}, fmt.Errorf("locking an owner's assignments: %w", translate(err))
	}
	locked, err := h.q.LockDoctorsOfOwner(ctx, h.db, dbsqlc.LockDoctorsOfOwnerParams{Owner: owner, Username: doctor})
	if err != nil {
		return DeclaredDoctor{}, fmt.Errorf("locking an owner's doctors: %w", translate(err))
	}
	for _, d := range locked {
		if d.Named {
			return DeclaredDoctor{ID: d.ID, Active: d.Active, Verified: d.Verified, UsernameTaken: true}, nil
		}
	}
	if doctor == "" {
		return DeclaredDoctor{}, nil
	}
	taken, err := h.q.UsernameTaken(ctx, h.db, doctor)
	if err != nil {
		return DeclaredDoctor{}, fmt.Errorf("looking for a doctor's username: %w", translate(err))
	}
	return DeclaredDoctor{UsernameTaken: taken}, nil
}

// FindPatients returns the profile ids of the patients with the usernames, and
// the usernames without a patient, each with the reason.
func (h Declarations) FindPatients(ctx context.Context, usernames []string) (ids []int64, others []clinic.Unassigned, err error) {
	rows, err := h.q.FindPatients(ctx, h.db, usernames)
	if err != nil {
		return nil, nil, fmt.Errorf("finding patients: %w", translate(err))
	}
	for _, r := range rows {
		switch {
		case r.PatientID != nil:
			ids = append(ids, *r.PatientID)
		case r.UserID != nil:
			others = append(others, clinic.Unassigned{Username: r.Username, Reason: clinic.NotAPatient})
		default:
			others = append(others, clinic.Unassigned{Username: r.Username, Reason: clinic.PatientNotFound})
		}
	}
	return ids, others, nil
}

// EndUnwanted ends the owner's open assignments, except those of the doctor to the
// patients that need not begin again. It returns the doctor's username for each
// assignment that it ended.
func (h Declarations) EndUnwanted(ctx context.Context, d clinic.Declaration, doctorID int64, patientIDs []int64) ([]string, error) {
	doctors, err := h.q.EndUnwanted(ctx, h.db, dbsqlc.EndUnwantedParams{
		Owner: d.Owner, DoctorID: doctorID, StartsAt: d.Begin(),
		PatientIDs: append([]int64{}, patientIDs...), // nil would be null, which is neither wanted nor unwanted
	})
	if err != nil {
		return nil, fmt.Errorf("ending assignments: %w", translate(err))
	}
	return doctors, nil
}

// Adjust brings the period and the reason of the owner's open
// assignments of the doctor to what is declared.
func (h Declarations) Adjust(ctx context.Context, d clinic.Declaration, doctorID int64) error {
	err := h.q.AdjustDeclared(ctx, h.db, dbsqlc.AdjustDeclaredParams{
		Owner: d.Owner, DoctorID: doctorID, StartsAt: d.Begin(), EndsAt: d.EndsAt, Reason: d.Reason,
	})
	if err != nil {
		return fmt.Errorf("adjusting assignments: %w", translate(err))
	}
	return nil
}

// Insert assigns the doctor to those of the patients who are not assigned yet, with
// their events, and returns how many it assigned.
func (h Declarations) Insert(ctx context.Context, d clinic.Declaration, doctorID int64, patientIDs []int64) (int, error) {
	n, err := h.q.InsertDeclared(ctx, h.db, dbsqlc.InsertDeclaredParams{
		Owner: d.Owner, DeclaredBy: d.Name, DoctorID: doctorID, PatientIDs: patientIDs,
		StartsAt: d.Begin(), EndsAt: d.EndsAt, Reason: d.Reason,
	})
	if err != nil {
		return 0, fmt.Errorf("adding assignments: %w", translate(err))
	}
	return int(n), nil
}

// Retain leaves the owner's open assignments as they are, but without an owner.
func (h Declarations) Retain(ctx context.Context, owner string) error {
	if err := h.q.RetainAssignments(ctx, h.db, owner); err != nil {
		return fmt.Errorf("retaining assignments: %w", translate(err))
	}
	return nil
}
