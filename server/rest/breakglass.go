package rest

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

const breakGlassNote = "The doctor must be verified, and gives their password again. They read the patient's records, and comment on none, until ends_at; an " +
	"administrator may end it before. The patient and all administrators are told at once. While it is open a repetition " +
	"is answered with it: it neither lasts longer nor tells anybody again. A wrong password is 422, wrong_password: the " +
	"access token is good, so that another one is no remedy."

type breakGlassRequest struct {
	web.Repeatable
	Body struct {
		PatientID int64  `json:"patient_id" minimum:"1" example:"1"`
		Reason    string `json:"reason" minLength:"1" maxLength:"500" doc:"The patient and the administrators read it." example:"unconscious in the emergency room"`
		Password  string `json:"password" maxLength:"128" doc:"The caller's own, again." example:"securepass123"`
	} `nameHint:"BreakGlass"`
}

func (h *handlers) openBreakGlass(ctx context.Context, request *breakGlassRequest) (*assignmentResponse, error) {
	body := request.Body
	once, err := request.Once(ctx, body.PatientID, body.Reason) // no fast hash of a password is kept
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
