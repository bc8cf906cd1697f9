package rest

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// The notes on these operations.
const (
	listDoctorsNote  = "Administrators also see doctors whose license is not verified."
	verifyDoctorNote = "Verifies the license and approves a pending name, even if the doctor is already verified. To approve only what you have checked, send " +
		"the names and the license number: if they have changed since, the answer is 409 with the code `doctor_changed`, and nothing changes. " +
		"To reject a pending name, send the current one.\n\n" +
		"`{\"verified\": false}` revokes the verification and discards a pending name. The doctor then no longer sees any patient."
)

type listDoctorsRequest struct {
	web.Paging
	Search string `query:"search" maxLength:"150" doc:"Part of a name, a username or a specialization."`
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
	Verified      *bool   `json:"verified,omitempty" doc:"false revokes the verification." default:"true"`
	FirstName     *string `json:"first_name,omitempty" maxLength:"150" doc:"With last_name: the name that you have checked. To approve the pending name, send it; to reject it, send the current name." example:"Jane"`
	LastName      *string `json:"last_name,omitempty" maxLength:"150" example:"Smith"`
	LicenseNumber *string `json:"license_number,omitempty" maxLength:"50" doc:"The license number that you have checked." example:"DOC000001"`
}

// Resolve implements huma.Resolver.
func (v *verification) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error {
		verification, err := v.domain()
		return together(err, verification.Validate())
	})
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
		return verification, clinic.Invalid("last_name", "send both names, such as Jane and Smith, or none of them")
	case v.LastName != nil:
		return verification, clinic.Invalid("first_name", "send both names, such as Jane and Smith, or none of them")
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
