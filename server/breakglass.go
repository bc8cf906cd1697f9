package server

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

type breakGlassRequest struct {
	Repeatable
	Body struct {
		PatientID int64  `json:"patient_id" minimum:"1" example:"1"`
		Reason    string `json:"reason" minLength:"1" maxLength:"500" doc:"The patient and the administrators read it." example:"unconscious in the emergency room"`
		Password  string `json:"password" maxLength:"128" doc:"The caller's own, again." example:"securepass123"`
	} `nameHint:"BreakGlass"`
}

func (h *handlers) openBreakGlass(ctx context.Context, request *breakGlassRequest) (*assignmentResponse, error) {
	body := request.Body
	once, err := request.once(ctx, body.PatientID, body.Reason) // no fast hash of a password is kept
	if err != nil {
		return nil, err
	}
	a, opened, err := h.service.Assignments.OpenBreakGlass(ctx, callerOf(ctx), clinic.BreakGlassRequest{
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
