package server

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

type listDoctorsRequest struct {
	Paging
	Search string `query:"search" maxLength:"150" doc:"Part of a name, username or specialization."`
}

func (h *handlers) listDoctors(ctx context.Context, request *listDoctorsRequest) (*pageResponse[directoryDoctor], error) {
	found, err := h.service.Doctors.List(ctx, callerOf(ctx), request.Search, request.request)
	if err != nil {
		return nil, err
	}
	return answerPage(request.Paging, h.here(ctx), found, newDirectoryDoctor)
}

type verifyDoctorRequest struct {
	ID   int64 `path:"id" doc:"The doctor's id."`
	Body *verification
}

type verification struct {
	Verified      *bool   `json:"verified,omitempty" doc:"false takes it back." default:"true"`
	FirstName     *string `json:"first_name,omitempty" maxLength:"150" doc:"With last_name: the name that you have looked at, the pending or the present one." example:"Jane"`
	LastName      *string `json:"last_name,omitempty" maxLength:"150" example:"Smith"`
	LicenseNumber *string `json:"license_number,omitempty" maxLength:"50" doc:"The number that you have looked at." example:"DOC000001"`
}

func (v *verification) said() (clinic.Verification, error) {
	if v == nil {
		return clinic.Verification{Verified: true}, nil
	}
	said := clinic.Verification{Verified: v.Verified == nil || *v.Verified, LicenseNumber: v.LicenseNumber}
	switch {
	case v.FirstName != nil && v.LastName != nil:
		said.Name = &clinic.Name{First: *v.FirstName, Last: *v.LastName}
	case v.FirstName != nil:
		return said, clinic.Invalid("last_name", "send both names or none")
	case v.LastName != nil:
		return said, clinic.Invalid("first_name", "send both names or none")
	}
	return said, nil
}

type verifyDoctorResponse struct {
	Body directoryDoctor
}

func (h *handlers) verifyDoctor(ctx context.Context, request *verifyDoctorRequest) (*verifyDoctorResponse, error) {
	said, err := request.Body.said()
	if err != nil {
		return nil, err
	}
	d, err := h.service.Doctors.Verify(ctx, callerOf(ctx), request.ID, said)
	if err != nil {
		return nil, err
	}
	return &verifyDoctorResponse{Body: newDirectoryDoctor(d)}, nil
}
