package rest

import (
	"cmp"
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// The notes on these operations.
const (
	listDoctorsNote = "Administrators also see doctors whose license is not verified or whose account is disabled. Doctors who wait for an administrator " +
		"are listed with `is_verified=false` and with `has_pending_name=true`."
	getDoctorNote    = "Shows the doctors whom the caller sees in the directory; for all others, the answer is 404."
	verifyDoctorNote = "Verifies the license and approves a pending name, even if the doctor is already verified. To approve only what you have checked, send " +
		"the names and the license number: if they have changed since, the answer is 409 with the code `doctor_changed`, and nothing changes. " +
		"To reject a pending name, send the current one.\n\n" +
		"`{\"is_verified\": false}` revokes the verification and discards a pending name. The doctor then no longer sees any patient."
)

type listDoctorsRequest struct {
	web.Paging
	Search         string `query:"search" maxLength:"150" doc:"Part of a name, a username or a specialization."`
	IsVerified     string `query:"is_verified" enum:"true,false" doc:"true: only doctors whose license is verified. false: only the others, whom only administrators see."`
	HasPendingName bool   `query:"has_pending_name" doc:"true: only doctors whose new name waits for approval. For administrators only."`
}

func (h *handlers) listDoctors(ctx context.Context, request *listDoctorsRequest) (*web.PageResponse[directoryDoctor], error) {
	filter := clinic.DoctorFilter{Search: request.Search, Verified: parseBool(request.IsVerified), Renaming: request.HasPendingName}
	found, err := h.service.Doctors.List(ctx, web.CallerOf(ctx), filter, request.PageRequest())
	if err != nil {
		return nil, err
	}
	return web.AnswerPage(request.Paging, h.here(ctx), found, newDirectoryDoctor)
}

type doctorIDRequest struct {
	ID int64 `path:"id" doc:"The doctor's id."`
}

type doctorResponse struct {
	Body directoryDoctor
}

func (h *handlers) getDoctor(ctx context.Context, request *doctorIDRequest) (*doctorResponse, error) {
	d, err := h.service.Doctors.Get(ctx, web.CallerOf(ctx), request.ID)
	if err != nil {
		return nil, err
	}
	return &doctorResponse{Body: newDirectoryDoctor(d)}, nil
}

type verifyDoctorRequest struct {
	ID   int64 `path:"id" doc:"The doctor's id."`
	Body *verification
}

type verification struct {
	IsVerified    *bool   `json:"is_verified,omitempty" doc:"false revokes the verification. The default is true." example:"true"`
	Verified      *bool   `json:"verified,omitempty" deprecated:"true" doc:"The former name of is_verified."`
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
	verified := cmp.Or(v.IsVerified, v.Verified)
	verification := clinic.Verification{Verified: verified == nil || *verified, LicenseNumber: v.LicenseNumber}
	switch {
	case v.Verified != nil && *v.Verified != verification.Verified:
		return verification, clinic.Invalid("verified", "differs from is_verified, which replaces it: send is_verified alone, true or false")
	case v.FirstName != nil && v.LastName != nil:
		verification.Name = &clinic.Name{First: *v.FirstName, Last: *v.LastName}
	case v.FirstName != nil:
		return verification, clinic.Invalid("last_name", "send both names, such as Jane and Smith, or none of them")
	case v.LastName != nil:
		return verification, clinic.Invalid("first_name", "send both names, such as Jane and Smith, or none of them")
	}
	return verification, nil
}

func (h *handlers) verifyDoctor(ctx context.Context, request *verifyDoctorRequest) (*doctorResponse, error) {
	verification, err := request.Body.domain()
	if err != nil {
		return nil, err
	}
	d, err := h.service.Doctors.Verify(ctx, web.CallerOf(ctx), request.ID, verification)
	if err != nil {
		return nil, err
	}
	return &doctorResponse{Body: newDirectoryDoctor(d)}, nil
}
