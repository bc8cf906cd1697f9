package rest

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

const breakGlassNote = "Gives a verified doctor access to the records of any patient. The doctor confirms with their " +
	"password. They can read the records, but not comment on them, until `ends_at` or until an administrator ends the access. The patient and all " +
	"administrators are notified at once.\n\n" +
	"If the doctor already has emergency access to the patient, the answer is that assignment: it is not extended, and nobody is notified again. " +
	"The answer to a wrong password is 422 with the code `wrong_password`, not 401, because the access token is valid."

type breakGlassRequest struct {
	web.Repeatable
	Body breakGlass
}

type breakGlass struct {
	PatientID int64  `json:"patient_id" minimum:"1" example:"1"`
	Reason    string `json:"reason" minLength:"1" maxLength:"500" doc:"The patient and the administrators see it." example:"unconscious in the emergency room"`
	Password  string `json:"password" maxLength:"128" doc:"The caller's password." example:"securepass123"`
}

// Resolve implements huma.Resolver.
func (b *breakGlass) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error {
		request := clinic.BreakGlassRequest{Reason: b.Reason}
		return request.Validate()
	})
}

func (h *handlers) openBreakGlass(ctx context.Context, request *breakGlassRequest) (*assignmentResponse, error) {
	body := request.Body
	once, err := request.Once(ctx, body.PatientID, body.Reason) // without the password, so that no fast hash of it is stored
	if err != nil {
		return nil, err
	}
	a, opened, err := h.service.Assignments.OpenBreakGlass(ctx, web.CallerOf(ctx), clinic.BreakGlassRequest{
		PatientID: body.PatientID, Reason: body.Reason, Password: body.Password,
	}, once)
	if err != nil {
		return nil, err
	}
	if opened {
		h.breakGlass.Inc()
	}
	return &assignmentResponse{Body: newAssignment(a)}, nil
}
