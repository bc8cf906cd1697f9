package server

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

type assignment struct {
	ID          int64                   `json:"id" example:"1"`
	Patient     patient                 `json:"patient"`
	Doctor      directoryDoctor         `json:"doctor"`
	Source      clinic.AssignmentSource `json:"source" enum:"rest,kubernetes,break_glass" doc:"By which way it came to be." example:"rest"`
	DeclaredBy  *string                 `json:"declared_by" doc:"namespace/name of the DoctorAssignment object that declares it; else null." example:"clinic/primary-care"`
	RequestedBy *string                 `json:"requested_by" doc:"Username of who asked for it; null for a declared one." example:"admin"`
	Reason      string                  `json:"reason" example:"primary care"`
	IsActive    bool                    `json:"is_active" doc:"It gives access now." example:"true"`
	StartsAt    time.Time               `json:"starts_at" example:"2025-05-27T10:00:00Z"`
	EndsAt      *time.Time              `json:"ends_at" doc:"null: open-ended." example:"2025-06-27T10:00:00Z"`
	CreatedAt   time.Time               `json:"created_at" example:"2025-05-27T10:00:00Z"`
}

func newAssignment(a clinic.Assignment) assignment {
	view := assignment{
		ID: a.ID, Patient: newPatient(a.Patient), Doctor: newDirectoryDoctor(a.Doctor), Source: a.Source,
		DeclaredBy: orNull(a.DeclaredBy), Reason: a.Reason, IsActive: a.Active(time.Now()),
		StartsAt: a.StartsAt.UTC(), EndsAt: optionalUTC(a.EndsAt), CreatedAt: a.CreatedAt.UTC(),
	}
	if a.RequestedBy != nil {
		view.RequestedBy = &a.RequestedBy.Username
	}
	return view
}

type assignDoctorRequest struct {
	Repeatable
	Body assignmentRequest
}

type assignmentRequest struct {
	PatientID int64      `json:"patient_id" minimum:"1" example:"1"`
	DoctorID  int64      `json:"doctor_id,omitempty" minimum:"1" doc:"A doctor may leave it out, and may name nobody else." example:"1"`
	Reason    string     `json:"reason,omitempty" maxLength:"500" doc:"Required of a doctor who has to confirm." example:"primary care"`
	EndsAt    *time.Time `json:"ends_at,omitempty" doc:"When access ends, in the future. Left out: open-ended, or 90 days from now for a doctor who has to confirm, who may name at most a year." example:"2025-08-25T10:00:00Z"`
	Password  string     `json:"password,omitempty" maxLength:"128" doc:"A doctor's own, again, or else totp_code, where they have to confirm." example:"securepass123"`
	TOTPCode  string     `json:"totp_code,omitempty" maxLength:"6" doc:"Of the doctor's authenticator, instead of password. Each code is taken once." example:"123456"`
}

// identity is what makes it another request under an Idempotency-Key: no fast hash
// of a password is kept, and a repetition brings the next code.
func (r assignmentRequest) identity() assignmentRequest {
	r.Password, r.TOTPCode = "", ""
	return r
}

type assignDoctorResponse struct {
	Body struct {
		Message    string     `json:"message" example:"Doctor assigned successfully"`
		Patient    patient    `json:"patient"`
		Assignment assignment `json:"assignment"`
	} `nameHint:"Assigned"`
}

func (h *handlers) assignDoctor(ctx context.Context, request *assignDoctorRequest) (*assignDoctorResponse, error) {
	once, err := request.once(ctx, request.Body.identity())
	if err != nil {
		return nil, err
	}
	a, begun, err := h.service.Assignments.Assign(ctx, callerOf(ctx), clinic.AssignmentRequest{
		PatientID: request.Body.PatientID, DoctorID: request.Body.DoctorID, Reason: request.Body.Reason,
		EndsAt: request.Body.EndsAt, Password: request.Body.Password, TOTPCode: request.Body.TOTPCode,
	}, once)
	if err != nil {
		return nil, err
	}
	response := &assignDoctorResponse{}
	response.Body.Message = "Doctor assigned successfully"
	if !begun {
		response.Body.Message = "Doctor was assigned already"
	}
	response.Body.Patient, response.Body.Assignment = newPatient(a.Patient), newAssignment(a)
	return response, nil
}

type listAssignmentsRequest struct {
	Paging
	Patient int64  `query:"patient" minimum:"1" doc:"Only this patient's."`
	Doctor  int64  `query:"doctor" minimum:"1" doc:"Only this doctor's."`
	Active  string `query:"is_active" enum:"true,false" doc:"Only those that give access now, or only those that do not."`
}

func (h *handlers) listAssignments(ctx context.Context, request *listAssignmentsRequest) (*pageResponse[assignment], error) {
	filter := clinic.AssignmentFilter{PatientID: request.Patient, DoctorID: request.Doctor, Active: parseBool(request.Active)}
	found, err := h.service.Assignments.List(ctx, callerOf(ctx), filter, request.request)
	if err != nil {
		return nil, err
	}
	return answerPage(request.Paging, h.here(ctx), found, newAssignment)
}

type assignmentIDRequest struct {
	ID int64 `path:"id" doc:"The assignment's id."`
}

type assignmentResponse struct {
	Body assignment
}

func (h *handlers) getAssignment(ctx context.Context, request *assignmentIDRequest) (*assignmentResponse, error) {
	a, err := h.service.Assignments.Get(ctx, callerOf(ctx), request.ID)
	if err != nil {
		return nil, err
	}
	return &assignmentResponse{Body: newAssignment(a)}, nil
}

type noContent struct{}

type endAssignmentRequest struct {
	ID    int64 `path:"id" doc:"The assignment's id."`
	Force bool  `query:"force" doc:"End also what a DoctorAssignment object declares. Where the object is still there it is declared again at its next reconcile."`
}

func (h *handlers) endAssignment(ctx context.Context, request *endAssignmentRequest) (*noContent, error) {
	if err := h.service.Assignments.End(ctx, callerOf(ctx), request.ID, request.Force); err != nil {
		return nil, err
	}
	return &noContent{}, nil
}

// parseBool reads a parameter that the schema has checked; "" is nil.
func parseBool(s string) *bool {
	if s == "" {
		return nil
	}
	b := s == "true"
	return &b
}
