package rest

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// What the summaries of these operations leave open.
const (
	listDoctorsNote  = "Administrators see doctors whose license is not verified, too."
	verifyDoctorNote = "The license is verified and a pending name approved, also where the doctor is verified already. Send the names and " +
		"the license number that you have looked at: where they are others by now it is a conflict, doctor_changed, and nothing " +
		"happens. With the present name a pending one is refused. `{\"verified\": false}` takes the verification back, with it the " +
		"doctor's sight of every patient, and drops a pending name."
)

type listDoctorsRequest struct {
	web.Paging
	Search string `query:"search" maxLength:"150" doc:"Part of a name, username or specialization."`
}

func (h *handlers) listDoctors(ctx context.Context, request *listDoctorsRequest) (*web.PageResponse[directoryDoctor], error) {
	found, err := h.service.Doctors.List(ctx, web.CallerOf(ctx), request.Search, request.PageRequest())
	if err != nil {
		return nil, err
	}
	return web.AnswerPage(request.Paging, h.here(ctx), found, newDirectoryDoctor)
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

func (v *verification) domain() (clinic.Verification, error) {
	if v == nil {
		return clinic.Verification{Verified: true}, nil
	}
	verification := clinic.Verification{Verified: v.Verified == nil || *v.Verified, LicenseNumber: v.LicenseNumber}
	switch {
	case v.FirstName != nil && v.LastName != nil:
		verification.Name = &clinic.Name{First: *v.FirstName, Last: *v.LastName}
	case v.FirstName != nil:
		return verification, clinic.Invalid("last_name", "send both names or none")
	case v.LastName != nil:
		return verification, clinic.Invalid("first_name", "send both names or none")
	}
	return verification, nil
}

type verifyDoctorResponse struct {
	Body directoryDoctor
}

func (h *handlers) verifyDoctor(ctx context.Context, request *verifyDoctorRequest) (*verifyDoctorResponse, error) {
	verification, err := request.Body.domain()
	if err != nil {
		return nil, err
	}
	d, err := h.service.Doctors.Verify(ctx, web.CallerOf(ctx), request.ID, verification)
	if err != nil {
		return nil, err
	}
	return &verifyDoctorResponse{Body: newDirectoryDoctor(d)}, nil
}
