package rest

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

const listPatientsNote = "Ordered by id."

type listPatientsRequest struct {
	web.Paging
	Search string `query:"search" maxLength:"150" doc:"Part of a name or a username."`
}

func (h *handlers) listPatients(ctx context.Context, request *listPatientsRequest) (*web.PageResponse[patient], error) {
	found, err := h.service.Patients.List(ctx, web.CallerOf(ctx), request.Search, request.PageRequest())
	if err != nil {
		return nil, err
	}
	return web.AnswerPage(request.Paging, h.here(ctx), found, newPatient)
}

// myPatient is a row of a doctor's list of patients.
type myPatient struct {
	ID           int64      `json:"id" doc:"The id of the profile, not of the user." example:"1"`
	Name         string     `json:"name" example:"John Doe"`
	Email        string     `json:"email" example:"patient@example.com"`
	PhoneNumber  string     `json:"phone_number" example:"+1234567890"`
	Phone        string     `json:"phone" deprecated:"true" doc:"The former name of phone_number, with the same value." example:"+1234567890"`
	BloodType    string     `json:"blood_type" doc:"Empty if unknown." example:"A+"`
	TotalRecords int        `json:"total_records" example:"12"`
	LastVisit    *time.Time `json:"last_visit" doc:"The latest visit date; null if there are no records." example:"2025-05-27T10:00:00Z"`
}

func newMyPatient(p clinic.PatientSummary) myPatient {
	return myPatient{
		ID: p.ID, Name: p.User.FullName(), Email: p.User.Email, PhoneNumber: p.User.PhoneNumber, Phone: p.User.PhoneNumber, BloodType: p.BloodType,
		TotalRecords: p.TotalRecords, LastVisit: optionalUTC(p.LastVisit),
	}
}

type listMyPatientsRequest struct {
	web.Paging
}

func (h *handlers) listMyPatients(ctx context.Context, request *listMyPatientsRequest) (*web.PageResponse[myPatient], error) {
	found, err := h.service.Patients.OfDoctor(ctx, web.CallerOf(ctx), request.PageRequest())
	if err != nil {
		return nil, err
	}
	return web.AnswerPage(request.Paging, h.here(ctx), found, newMyPatient)
}
