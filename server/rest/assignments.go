package rest

import (
	"context"
	"net/http"
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
		"with the code `self_assignment_off`. All administrators are notified when a doctor assigns themselves.\n\nIf the doctor is already " +
		"assigned to the patient, the answer is the existing assignment. Its end does not change, unless an administrator assigns a doctor whom only " +
		"DoctorAssignment objects have assigned: then it lasts until both the objects and the API have ended it."
	listAssignmentsNote = "Newest first. Administrators see all assignments; doctors and patients see their own. The list includes ended assignments."
	getAssignmentNote   = "Administrators see all assignments, with their claims; doctors and patients see their own."
	endAssignmentNote   = "The doctor loses access with their next request, and the answer is 204. If DoctorAssignment objects declare the assignment, too, " +
		"only the claim of the API ends: the answer is 200 with the assignment, whose `claims` show the objects. If only objects declare it, the answer is " +
		"409, which names them: change or delete them.\n\n`force` ends the claims of all, for an emergency or for a lost cluster. The objects do not " +
		"declare the assignment again until their spec changes, or `DELETE /api/assignments/{id}/hold/` lets them."
	liftHoldNote = "Lets DoctorAssignment objects declare an assignment again that was ended with `force`: the controller creates it within 30 " +
		"seconds. Repeating the call changes nothing. `id` is any assignment of the doctor to the patient."
)

type assignment struct {
	ID          int64                   `json:"id" example:"1"`
	Patient     patient                 `json:"patient"`
	Doctor      directoryDoctor         `json:"doctor"`
	Source      clinic.AssignmentSource `json:"source" enum:"rest,kubernetes,break_glass" doc:"How the assignment was created." example:"rest"`
	DeclaredBy  *string                 `json:"declared_by" doc:"namespace/name of the DoctorAssignment object that declares the assignment, or null." example:"clinic/primary-care"`
	RequestedBy *string                 `json:"requested_by" doc:"Username of the person who requested the assignment or, if an object declares it, the Kubernetes user who asked for that; null if it is unknown." example:"admin"`
	Reason      string                  `json:"reason" example:"primary care"`
	IsActive    bool                    `json:"is_active" doc:"Whether the assignment gives access now." example:"true"`
	StartsAt    time.Time               `json:"starts_at" example:"2025-05-27T10:00:00Z"`
	EndsAt      *time.Time              `json:"ends_at" doc:"When the assignment ends; null if it is open-ended." example:"2025-06-27T10:00:00Z"`
	CreatedAt   time.Time               `json:"created_at" example:"2025-05-27T10:00:00Z"`
	Claims      []claim                 `json:"claims" nullable:"true" doc:"For administrators who read or end one assignment: who wants it. It lasts while any claim does. At most 50: first those that count now, then those that are held, then the newest. null in all other answers."`
}

type claim struct {
	Source      clinic.AssignmentSource `json:"source" enum:"rest,kubernetes" doc:"Who wants the assignment." example:"kubernetes"`
	DeclaredBy  *string                 `json:"declared_by" doc:"namespace/name of the DoctorAssignment object, or null." example:"clinic/primary-care"`
	RequestedBy *string                 `json:"requested_by" doc:"Username of the person or, for an object, the Kubernetes user; null if it is unknown." example:"jane@example.com"`
	Reason      string                  `json:"reason" example:"primary care"`
	Since       time.Time               `json:"since" example:"2025-05-27T10:00:00Z"`
	Until       *time.Time              `json:"until" doc:"When the claim ends or ended; null if it is open-ended." example:"2025-06-27T10:00:00Z"`
	Held        bool                    `json:"held" doc:"Whether an administrator ended the claim with force, and its object may not claim again." example:"false"`
}

func newClaim(c clinic.Claim) claim {
	return claim{
		Source: c.Source, DeclaredBy: orNull(c.DeclaredBy), RequestedBy: orNull(c.RequestedBy), Reason: c.Reason,
		Since: c.Since.UTC(), Until: optionalUTC(c.Until), Held: c.Held,
	}
}

func newAssignment(a clinic.Assignment) assignment {
	view := assignment{
		ID: a.ID, Patient: newPatient(a.Patient), Doctor: newDirectoryDoctor(a.Doctor), Source: a.Source,
		DeclaredBy: orNull(a.DeclaredBy), Reason: a.Reason, IsActive: a.Active,
		StartsAt: a.StartsAt.UTC(), EndsAt: optionalUTC(a.EndsAt), CreatedAt: a.CreatedAt.UTC(), RequestedBy: orNull(a.Requester),
	}
	if a.Claims != nil { // otherwise null: they are not shown
		view.Claims = []claim{}
	}
	for _, c := range a.Claims {
		view.Claims = append(view.Claims, newClaim(c))
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
	Force bool  `query:"force" doc:"Also end the claims of DoctorAssignment objects, and keep the objects from claiming again until their spec changes or the hold is lifted."`
}

type endAssignmentResponse struct {
	Status int
	Body   assignment
}

func (h *handlers) endAssignment(ctx context.Context, request *endAssignmentRequest) (*endAssignmentResponse, error) {
	a, err := h.service.Assignments.End(ctx, web.CallerOf(ctx), request.ID, request.Force)
	if err != nil {
		return nil, err
	}
	if a.Ended {
		return &endAssignmentResponse{Status: http.StatusNoContent}, nil
	}
	return &endAssignmentResponse{Status: http.StatusOK, Body: newAssignment(a)}, nil
}

func (h *handlers) liftHold(ctx context.Context, request *assignmentIDRequest) (*noContent, error) {
	return &noContent{}, h.service.Assignments.LiftHold(ctx, web.CallerOf(ctx), request.ID)
}
