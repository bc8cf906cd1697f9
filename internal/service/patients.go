package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Patients are the use cases that list patients.
type Patients struct{ db *store.DB }

// NewPatients returns the use cases.
func NewPatients(db *store.DB) *Patients { return &Patients{db: db} }

// List lists patients by name or username; administrators only.
func (s *Patients) List(ctx context.Context, caller clinic.Caller, search string, page clinic.PageRequest) (clinic.Page[clinic.Patient], error) {
	if err := admit(ctx, s.db, caller, clinic.Object{Kind: clinic.ObjectPatient}, require(caller, "only administrators list patients", clinic.RoleAdmin)); err != nil {
		return clinic.Page[clinic.Patient]{}, err
	}
	if err := clinic.ValidateSearch(&search); err != nil {
		return clinic.Page[clinic.Patient]{}, err
	}
	return s.db.As(caller).Patients().List(ctx, search, page)
}

// OfDoctor lists the calling doctor's current patients, by patient id.
func (s *Patients) OfDoctor(ctx context.Context, caller clinic.Caller, page clinic.PageRequest) (clinic.Page[clinic.PatientSummary], error) {
	if err := admit(ctx, s.db, caller, clinic.Object{Kind: clinic.ObjectPatient}, require(caller, onlyDoctors, clinic.RoleDoctor)); err != nil {
		return clinic.Page[clinic.PatientSummary]{}, err
	}
	found, err := s.db.As(caller).Patients().OfDoctor(ctx, page)
	return explained(ctx, s.db, caller, found, err)
}
