package server

import (
	"context"
)

type listDoctorsRequest struct {
	Paging
	Search string `query:"search" maxLength:"150" doc:"Part of a name, username or specialization."`
}

func (h *handlers) listDoctors(ctx context.Context, request *listDoctorsRequest) (*pageResponse[directoryDoctor], error) {
	found, err := h.service.Doctors(ctx, callerOf(ctx), request.Search, request.request)
	if err != nil {
		return nil, err
	}
	return answerPage(request.Paging, h.here(ctx), found, newDirectoryDoctor)
}

type verifyDoctorRequest struct {
	ID   int64 `path:"id" doc:"The doctor's id."`
	Body *struct {
		Verified *bool `json:"verified,omitempty" doc:"false takes it back." default:"true"`
	} `nameHint:"Verification"`
}

type verifyDoctorResponse struct {
	Body directoryDoctor
}

func (h *handlers) verifyDoctor(ctx context.Context, request *verifyDoctorRequest) (*verifyDoctorResponse, error) {
	verified := request.Body == nil || request.Body.Verified == nil || *request.Body.Verified
	d, err := h.service.VerifyDoctor(ctx, callerOf(ctx), request.ID, verified)
	if err != nil {
		return nil, err
	}
	return &verifyDoctorResponse{Body: newDirectoryDoctor(d)}, nil
}
