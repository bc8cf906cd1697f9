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
	placeLegalHoldNote = "While the hold lasts, neither retention nor an erasure removes the patient's data. The patient can still delete their own " +
		"records, which stay as deleted ones. If there is a hold already, it gets the new reason."
	liftLegalHoldNote  = "Retention, and erasures that are confirmed later, can then remove the patient's data."
	requestErasureNote = "Requests that all data of the patient be removed for good. Nothing is removed before another administrator confirms it; the other " +
		"administrators are notified. Do not put health data or names into the reason, because the certificate keeps it.\n\n" +
		"If the erasure was requested before, the answer is 409 with the code `erasure_requested`; under a legal hold, it is 409 with the code `legal_hold`."
	confirmErasureNote = "Removes the records of the patient with all versions and comments, empties everything else that was written about them, disables the " +
		"account, and ends all access, in one transaction. This cannot be undone. Ids and the audit log stay. The answer is the certificate.\n\n" +
		"Whoever requested the erasure cannot confirm it: the answer is 409 with the code `own_request`."
	withdrawErasureNote = "Withdraws a request that nobody has confirmed. Any administrator may do this."
	getErasureNote      = "Returns the request or, once it was confirmed, the certificate of what was removed."
	listErasuresNote    = "Newest request first, with those that wait for their confirmation."
)

type legalHold struct {
	PatientID int64     `json:"patient_id" doc:"The id of the profile, not of the user." example:"1"`
	Reason    string    `json:"reason" example:"lawsuit 2025-117"`
	PlacedBy  *int64    `json:"placed_by" doc:"Id of the administrator; null for a program." example:"1"`
	PlacedAt  time.Time `json:"placed_at" example:"2025-05-27T10:30:00Z"`
}

type legalHoldResponse struct {
	Body legalHold
}

func newLegalHold(hold clinic.LegalHold, err error) (*legalHoldResponse, error) {
	if err != nil {
		return nil, err
	}
	return &legalHoldResponse{Body: legalHold{
		PatientID: hold.PatientID, Reason: hold.Reason, PlacedBy: orNull(hold.PlacedBy), PlacedAt: hold.PlacedAt.UTC(),
	}}, nil
}

type erasure struct {
	ID            int64               `json:"id" doc:"The number of the certificate." example:"1"`
	PatientID     int64               `json:"patient_id" doc:"The id of the profile, not of the user." example:"1"`
	State         clinic.ErasureState `json:"state" enum:"requested,erased" example:"erased"`
	Reason        string              `json:"reason" doc:"Why it was requested, without health data and names." example:"the patient asked for it in writing"`
	RequestedBy   *int64              `json:"requested_by" doc:"Id of the administrator; null for a command." example:"1"`
	RequestedAt   time.Time           `json:"requested_at" example:"2025-05-27T10:30:00Z"`
	ConfirmedBy   *int64              `json:"confirmed_by" doc:"Id of the administrator; null for a command, or if nobody has confirmed it." example:"2"`
	ErasedAt      *time.Time          `json:"erased_at" doc:"null if nobody has confirmed it." example:"2025-05-28T10:30:00Z"`
	Removed       *removed            `json:"removed,omitempty" doc:"How much was removed or emptied. Omitted if nobody has confirmed it."`
	SchemaVersion *int64              `json:"schema_version" doc:"Version of the database's schema that the data was erased in; null if nobody has confirmed it." example:"39"`
}

// removed has the fields of clinic.Removed.
type removed struct {
	Records         int64 `json:"records" doc:"Health records, with those that were deleted before." example:"12"`
	RecordVersions  int64 `json:"record_versions" doc:"Earlier versions of records." example:"30"`
	Comments        int64 `json:"comments" example:"7"`
	CommentVersions int64 `json:"comment_versions" doc:"Texts of comments before they were corrected." example:"1"`
	Assignments     int64 `json:"assignments" doc:"Assignments whose reasons were emptied." example:"2"`
	Claims          int64 `json:"claims" doc:"Claims of assignments whose reasons were emptied." example:"3"`
	Sessions        int64 `json:"sessions" example:"1"`
	Notifications   int64 `json:"notifications" doc:"Notifications of the patient." example:"14"`
	KeptAnswers     int64 `json:"kept_answers" doc:"Answers that were kept for an Idempotency-Key of the patient." example:"0"`
	Names           int64 `json:"names" doc:"Names that the patient had, the last one too." example:"1"`
}

func newErasure(e clinic.Erasure) erasure {
	view := erasure{
		ID: e.ID, PatientID: e.PatientID, State: e.State(), Reason: e.Reason, RequestedBy: orNull(e.RequestedBy), RequestedAt: e.RequestedAt.UTC(),
		ConfirmedBy: orNull(e.ConfirmedBy), ErasedAt: optionalUTC(e.ErasedAt), SchemaVersion: orNull(e.SchemaVersion),
	}
	if e.Removed != nil {
		counts := removed(*e.Removed)
		view.Removed = &counts
	}
	return view
}

type erasureResponse struct {
	Body erasure
}

func answerErasure(e clinic.Erasure, err error) (*erasureResponse, error) {
	if err != nil {
		return nil, err
	}
	return &erasureResponse{Body: newErasure(e)}, nil
}

type patientIDRequest struct {
	ID int64 `path:"id" doc:"The id of the patient's profile, not of their user."`
}

type placeLegalHoldRequest struct {
	ID   int64 `path:"id" doc:"The id of the patient's profile, not of their user."`
	Body legalHoldInput
}

type legalHoldInput struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Administrators see it." example:"lawsuit 2025-117"`
}

// Resolve implements huma.Resolver.
func (i *legalHoldInput) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error { return clinic.ValidateReason(&i.Reason) })
}

type requestErasureRequest struct {
	ID   int64 `path:"id" doc:"The id of the patient's profile, not of their user."`
	Body erasureInput
}

type erasureInput struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"The certificate keeps it. Do not name the patient, and write no health data." example:"the patient asked for it in writing"`
}

// Resolve implements huma.Resolver.
func (i *erasureInput) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error { return clinic.ValidateReason(&i.Reason) })
}

func (h *handlers) getLegalHold(ctx context.Context, request *patientIDRequest) (*legalHoldResponse, error) {
	return newLegalHold(h.service.Erasures.Hold(ctx, web.CallerOf(ctx), request.ID))
}

func (h *handlers) placeLegalHold(ctx context.Context, request *placeLegalHoldRequest) (*legalHoldResponse, error) {
	return newLegalHold(h.service.Erasures.PlaceHold(ctx, web.CallerOf(ctx), request.ID, request.Body.Reason))
}

func (h *handlers) liftLegalHold(ctx context.Context, request *patientIDRequest) (*noContent, error) {
	return &noContent{}, h.service.Erasures.LiftHold(ctx, web.CallerOf(ctx), request.ID)
}

func (h *handlers) getErasure(ctx context.Context, request *patientIDRequest) (*erasureResponse, error) {
	return answerErasure(h.service.Erasures.Get(ctx, web.CallerOf(ctx), request.ID))
}

func (h *handlers) requestErasure(ctx context.Context, request *requestErasureRequest) (*erasureResponse, error) {
	return answerErasure(h.service.Erasures.Request(ctx, web.CallerOf(ctx), request.ID, request.Body.Reason))
}

func (h *handlers) confirmErasure(ctx context.Context, request *patientIDRequest) (*erasureResponse, error) {
	return answerErasure(h.service.Erasures.Confirm(ctx, web.CallerOf(ctx), request.ID))
}

func (h *handlers) withdrawErasure(ctx context.Context, request *patientIDRequest) (*noContent, error) {
	return &noContent{}, h.service.Erasures.Withdraw(ctx, web.CallerOf(ctx), request.ID)
}

type listErasuresRequest struct {
	web.Paging
}

func (h *handlers) listErasures(ctx context.Context, request *listErasuresRequest) (*web.PageResponse[erasure], error) {
	found, err := h.service.Erasures.List(ctx, web.CallerOf(ctx), request.PageRequest())
	if err != nil {
		return nil, err
	}
	return web.AnswerPage(request.Paging, h.here(ctx), found, newErasure)
}
