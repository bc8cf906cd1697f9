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
	listRecordVersionsNote = "Every change of a record makes a version, and none is lost. The latest one comes first. Everybody who can read the record " +
		"can read its versions, also if the record is deleted. Versions that were replaced before the platform kept them are missing."
	getRecordVersionNote    = "Everybody who can read the record can read its versions, also if the record is deleted."
	getRecordDifferenceNote = "Lists the fields that have different values in the two versions."
	restoreRecordNote       = "Patients can restore only their own records. The content of the version becomes a new version, and no version is lost. " +
		"A deleted record exists again, with its comments; `version` may then be omitted, and is the one that was deleted. " +
		"With the header `If-Match`, a record that is not deleted is restored only if it has not changed since (412)."
	markEnteredInErrorNote = "Patients can mark only their own records. The record stays, with its reason in `error_reason`; lists and the search leave it out " +
		"unless they are asked for it (`entered_in_error=true`)."
	unmarkEnteredInErrorNote = "Takes the mark and its reason back."
	listCommentVersionsNote  = "Shows what a comment said before its author corrected it. The latest text comes first. Everybody who can read the comment " +
		"can read its versions, also if the record is deleted."
)

type recordVersion struct {
	Version        int64             `json:"version" example:"2"`
	RecordType     clinic.RecordType `json:"record_type" enum:"CHECKUP,DIAGNOSIS,PRESCRIPTION,LAB_RESULT,EMERGENCY" example:"CHECKUP"`
	Title          string            `json:"title" example:"Annual Physical"`
	Description    string            `json:"description" example:"Routine annual physical examination"`
	Symptoms       string            `json:"symptoms" example:"No specific symptoms"`
	Diagnosis      string            `json:"diagnosis" example:"Patient appears healthy"`
	Treatment      string            `json:"treatment" example:"Continue current lifestyle"`
	Medications    string            `json:"medications" example:"None"`
	VisitDate      time.Time         `json:"visit_date" example:"2025-05-27T10:00:00Z"`
	Language       *clinic.Language  `json:"language,omitempty" enum:"en,de,fr,es,ru,simple" doc:"The language of the texts, for the search; omitted if it is that of the installation." example:"en"`
	EnteredInError bool              `json:"entered_in_error,omitempty" doc:"The record was marked as entered in error. Missing if it was not." example:"true"`
	ErrorReason    string            `json:"error_reason,omitempty" doc:"Why the record was marked as entered in error." example:"Belongs to another person"`
	ChangedAt      time.Time         `json:"changed_at" doc:"When the version began." example:"2025-05-27T10:30:00Z"`
	ChangedBy      *user             `json:"changed_by,omitempty" doc:"Who made the version; of the first one, whoever the record is created by. Missing if an import changed the record, and where an earlier release did not keep it."`
	ChangedFields  []string          `json:"changed_fields" nullable:"false" doc:"The fields that differ from the version before."`
	DeletedAt      *time.Time        `json:"deleted_at,omitempty" doc:"When the record was deleted in this version. Missing if it was not." example:"2025-06-01T09:00:00Z"`
	RestoredAt     *time.Time        `json:"restored_at,omitempty" doc:"When it was restored then. Missing if it was not." example:"2025-06-02T09:00:00Z"`
}

func newRecordVersion(v clinic.RecordVersion) recordVersion {
	view := recordVersion{
		Version: v.Version, RecordType: v.Type, Title: v.Title, Description: v.Description, Symptoms: v.Symptoms, Diagnosis: v.Diagnosis,
		Treatment: v.Treatment, Medications: v.Medications, VisitDate: v.VisitDate.UTC(), Language: orNull(v.Language),
		EnteredInError: v.ErrorReason != "", ErrorReason: v.ErrorReason, ChangedAt: v.ChangedAt.UTC(), ChangedFields: append([]string{}, v.Changed...),
		DeletedAt: optionalUTC(v.DeletedAt), RestoredAt: optionalUTC(v.RestoredAt),
	}
	if v.ChangedBy != nil {
		by := newUser(*v.ChangedBy)
		view.ChangedBy = &by
	}
	return view
}

type listRecordVersionsRequest struct {
	web.Paging
	ID int64 `path:"id" doc:"The record's id."`
}

func (h *handlers) listRecordVersions(ctx context.Context, request *listRecordVersionsRequest) (*web.PageResponse[recordVersion], error) {
	found, err := h.service.Records.Versions(ctx, web.CallerOf(ctx), request.ID, request.PageRequest())
	if err != nil {
		return nil, err
	}
	return web.AnswerPage(request.Paging, h.here(ctx), found, newRecordVersion)
}

type getRecordVersionRequest struct {
	ID      int64 `path:"id" doc:"The record's id."`
	Version int64 `path:"version" minimum:"1" doc:"The number of the version."`
}

type recordVersionResponse struct {
	Body recordVersion
}

func (h *handlers) getRecordVersion(ctx context.Context, request *getRecordVersionRequest) (*recordVersionResponse, error) {
	v, err := h.service.Records.Version(ctx, web.CallerOf(ctx), request.ID, request.Version)
	if err != nil {
		return nil, err
	}
	return &recordVersionResponse{Body: newRecordVersion(v)}, nil
}

type getRecordDifferenceRequest struct {
	ID   int64 `path:"id" doc:"The record's id."`
	From int64 `query:"from" required:"true" minimum:"1" doc:"The number of a version." example:"1"`
	To   int64 `query:"to" required:"true" minimum:"1" doc:"The number of the version to compare it with." example:"2"`
}

type fieldChange struct {
	Field string `json:"field" example:"diagnosis"`
	From  string `json:"from" example:"Influenza"`
	To    string `json:"to" example:"Common cold"`
}

type recordDifference struct {
	From    int64         `json:"from" example:"1"`
	To      int64         `json:"to" example:"2"`
	Changes []fieldChange `json:"changes" nullable:"false"`
}

type getRecordDifferenceResponse struct {
	Body recordDifference
}

func (h *handlers) getRecordDifference(ctx context.Context, request *getRecordDifferenceRequest) (*getRecordDifferenceResponse, error) {
	changes, err := h.service.Records.Compare(ctx, web.CallerOf(ctx), request.ID, request.From, request.To)
	if err != nil {
		return nil, err
	}
	return &getRecordDifferenceResponse{Body: recordDifference{
		From: request.From, To: request.To, Changes: web.Views(changes, func(c clinic.FieldChange) fieldChange { return fieldChange(c) }),
	}}, nil
}

type restoreRecordRequest struct {
	Conditional
	Body recordRestoration
}

type recordRestoration struct {
	Version int64 `json:"version,omitempty" minimum:"1" doc:"The number of the version. May be omitted if the record is deleted." example:"1"`
}

func (h *handlers) restoreRecord(ctx context.Context, request *restoreRecordRequest) (*recordResponse, error) {
	expected, err := web.Expect(ctx, request.IfMatch)
	if err != nil {
		return nil, err
	}
	return answerRecord(h.service.Records.Restore(ctx, web.CallerOf(ctx), request.ID, request.Body.Version, expected))
}

type markEnteredInErrorRequest struct {
	Conditional
	Body errorMark
}

type errorMark struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Shown to everybody who can read the record." example:"Belongs to another person"`
}

// Resolve implements huma.Resolver.
func (m *errorMark) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error { return clinic.ValidateErrorReason(&m.Reason) })
}

func (h *handlers) markEnteredInError(ctx context.Context, request *markEnteredInErrorRequest) (*recordResponse, error) {
	return h.setErrorReason(ctx, request.Conditional, request.Body.Reason)
}

type unmarkEnteredInErrorRequest struct {
	Conditional
}

func (h *handlers) unmarkEnteredInError(ctx context.Context, request *unmarkEnteredInErrorRequest) (*recordResponse, error) {
	return h.setErrorReason(ctx, request.Conditional, "")
}

func (h *handlers) setErrorReason(ctx context.Context, c Conditional, reason string) (*recordResponse, error) {
	expected, err := web.Expect(ctx, c.IfMatch)
	if err != nil {
		return nil, err
	}
	return answerRecord(h.service.Records.MarkInError(ctx, web.CallerOf(ctx), c.ID, reason, expected))
}

type commentVersion struct {
	Version   int64     `json:"version" example:"1"`
	Comment   string    `json:"comment" example:"Patient shows good health indicators."`
	ChangedAt time.Time `json:"changed_at" doc:"When the comment got this text." example:"2025-05-27T11:00:00Z"`
}

type listCommentVersionsRequest struct {
	web.Paging
	ID int64 `path:"id" doc:"The comment's id."`
}

func (h *handlers) listCommentVersions(ctx context.Context, request *listCommentVersionsRequest) (*web.PageResponse[commentVersion], error) {
	found, err := h.service.Comments.Versions(ctx, web.CallerOf(ctx), request.ID, request.PageRequest())
	if err != nil {
		return nil, err
	}
	return web.AnswerPage(request.Paging, h.here(ctx), found, func(v clinic.CommentVersion) commentVersion {
		return commentVersion{Version: v.Version, Comment: v.Text, ChangedAt: v.ChangedAt.UTC()}
	})
}
