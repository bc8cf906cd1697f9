package rest

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// The notes on these operations.
const (
	assignDoctorNote = "An administrator sends `patient_id` and `doctor_id`. A doctor can only assign themselves, and may omit `doctor_id`.\n\n" +
		"By default, doctors must confirm with `password` or `totp_code` and give a `reason`. Their assignment ends at `ends_at`, which may be " +
		"at most a year away, or else after 90 days. The operator can drop these requirements, or forbid doctors to assign themselves.\n\n" +
		"Without a confirmation, the answer is 422 with the code `confirmation_required`. If doctors may not assign themselves, it is 403 " +
		"with the code `self_assignment_off`. All administrators are notified when a doctor assigns themselves. If the doctor is already " +
		"assigned to the patient, the answer is the existing assignment, whose end does not change."
	listAssignmentsNote = "Newest first. Administrators see all assignments; doctors and patients see their own. The list includes ended assignments."
	getAssignmentNote   = "Administrators see all assignments; doctors and patients see their own."
	endAssignmentNote   = "The doctor loses access with their next request. To end an assignment that a DoctorAssignment object declares, change or " +
		"delete the object: the answer to this operation is 409, unless `force` is true. Use `force` in an emergency, or when the object no longer exists."
)

type assignment struct {
	ID          int64                   `json:"id" example:"1"`
	Patient     patient                 `json:"patient"`
	Doctor      directoryDoctor         `json:"doctor"`
	Source      clinic.AssignmentSource `json:"source" enum:"rest,kubernetes,break_glass" doc:"How the assignment was created." example:"rest"`
	DeclaredBy  *string                 `json:"declared_by" doc:"namespace/name of the DoctorAssignment object that declares the assignment, or null." example:"clinic/primary-care"`
	RequestedBy *string                 `json:"requested_by" doc:"Username of the person who requested the assignment; null if an object declares it." example:"admin"`
	Reason      string                  `json:"reason" example:"primary care"`
	IsActive    bool                    `json:"is_active" doc:"Whether the assignment gives access now." example:"true"`
	StartsAt    time.Time               `json:"starts_at" example:"2025-05-27T10:00:00Z"`
	EndsAt      *time.Time              `json:"ends_at" doc:"When the assignment ends; null if it is open-ended." example:"2025-06-27T10:00:00Z"`
	CreatedAt   time.Time               `json:"created_at" example:"2025-05-27T10:00:00Z"`
}

func newAssignment(a clinic.Assignment) assignment {
	view := assignment{
		ID: a.ID, Patient: newPatient(a.Patient), Doctor: newDirectoryDoctor(a.Doctor), Source: a.Source,
		DeclaredBy: orNull(a.DeclaredBy), Reason: a.Reason, IsActive: a.Active,
		StartsAt: a.StartsAt.UTC(), EndsAt: optionalUTC(a.EndsAt), CreatedAt: a.CreatedAt.UTC(),
	}
	if a.RequestedBy != nil {
		view.RequestedBy = &a.RequestedBy.Username
	}
	return view
}

type assignDoctorRequest struct {
	web.Repeatable
	Body assignmentRequest
}

type assignmentRequest struct {
	PatientID int64      `json:"patient_id" minimum:"1" example:"1"`
	DoctorID  int64      `json:"doctor_id,omitempty" minimum:"1" doc:"Required for administrators. A doctor may omit it, or send their own." example:"1"`
	Reason    string     `json:"reason,omitempty" maxLength:"500" doc:"Required for a doctor who must confirm." example:"primary care"`
	EndsAt    *time.Time `json:"ends_at,omitempty" doc:"When access ends; must be in the future. Without it, the assignment is open-ended. For a doctor who must confirm, the default is 90 days from now and the maximum is a year." example:"2025-08-25T10:00:00Z"`
	Password  string     `json:"password,omitempty" maxLength:"128" doc:"The caller's password. A doctor who must confirm sends either this or totp_code." example:"securepass123"`
	TOTPCode  string     `json:"totp_code,omitempty" maxLength:"6" doc:"The current code from the caller's authenticator app, in place of password. Each code works once." example:"123456"`
}

// Resolve implements huma.Resolver.
func (r *assignmentRequest) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error {
		request := r.domain()
		return request.Validate(time.Now())
	})
}

func (r assignmentRequest) domain() clinic.AssignmentRequest {
	return clinic.AssignmentRequest{
		PatientID: r.PatientID, DoctorID: r.DoctorID, Reason: r.Reason, EndsAt: r.EndsAt, Password: r.Password, TOTPCode: r.TOTPCode,
	}
}

// identity returns the part of the request that an Idempotency-Key identifies. It
// has no password, so that no fast hash of one is stored, and no code, because a
// repeated request contains the next code.
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
	once, err := request.Once(ctx, request.Body.identity())
	if err != nil {
		return nil, err
	}
	a, begun, err := h.service.Assignments.Assign(ctx, web.CallerOf(ctx), request.Body.domain(), once)
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
	web.Paging
	Patient int64  `query:"patient" minimum:"1" doc:"Only the assignments of this patient."`
	Doctor  int64  `query:"doctor" minimum:"1" doc:"Only the assignments of this doctor."`
	Active  string `query:"is_active" enum:"true,false" doc:"true: only assignments that give access now. false: only those that do not."`

	Source clinic.AssignmentSource `query:"source" enum:"rest,kubernetes,break_glass" doc:"Only the assignments that were created in this way."`
}

func (h *handlers) listAssignments(ctx context.Context, request *listAssignmentsRequest) (*web.PageResponse[assignment], error) {
	filter := clinic.AssignmentFilter{PatientID: request.Patient, DoctorID: request.Doctor, Active: parseBool(request.Active), Source: request.Source}
	found, err := h.service.Assignments.List(ctx, web.CallerOf(ctx), filter, request.PageRequest())
	if err != nil {
		return nil, err
	}
	return web.AnswerPage(request.Paging, h.here(ctx), found, newAssignment)
}

type assignmentIDRequest struct {
	ID int64 `path:"id" doc:"The assignment's id."`
}

type assignmentResponse struct {
	Body assignment
}

func (h *handlers) getAssignment(ctx context.Context, request *assignmentIDRequest) (*assignmentResponse, error) {
	a, err := h.service.Assignments.Get(ctx, web.CallerOf(ctx), request.ID)
	if err != nil {
		return nil, err
	}
	return &assignmentResponse{Body: newAssignment(a)}, nil
}

type endAssignmentRequest struct {
	ID    int64 `path:"id" doc:"The assignment's id."`
	Force bool  `query:"force" doc:"Also end an assignment that a DoctorAssignment object declares. If the object still exists, the controller soon creates the assignment again."`
}

func (h *handlers) endAssignment(ctx context.Context, request *endAssignmentRequest) (*noContent, error) {
	if err := h.service.Assignments.End(ctx, web.CallerOf(ctx), request.ID, request.Force); err != nil {
		return nil, err
	}
	return &noContent{}, nil
}
