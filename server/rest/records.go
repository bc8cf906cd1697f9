package rest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// mergePatchNote is about every PATCH.
const mergePatchNote = "The body is a JSON merge patch (RFC 7396): omitted fields keep their values, and null clears a field. "

// writeBackNote is about every PUT and PATCH of an object that can be read.
const writeBackNote = "You can send back the object as you have read it, with your changes: fields that are only read are ignored. " +
	"With the header `If-Match`, the change is refused (412) if the object has changed since. "

// The notes on these operations.
const (
	listRecordsNote = "Patients see their own records; doctors see the records of their current patients. By default, the latest visit comes first. " +
		"Deleted records, and those that were entered in error, are left out unless you ask for them."
	getRecordNote = "Patients see their own records; doctors see the records of their current patients. Private comments are shown to doctors only."

	replaceRecordNote = "Patients can replace only their own records. `record_type`, `title` and `visit_date` are required. An omitted text " +
		"keeps its value; an empty text or null clears it. " + writeBackNote
	changeRecordNote = "Patients can change only their own records. " + mergePatchNote + writeBackNote
	deleteRecordNote = "Patients can delete only their own records. The record disappears from lists and cannot be changed, but everybody who can read " +
		"it now still finds it, its comments and its versions with `deleted=true`, until the operator's retention removes them. The patient can restore it."
)

type healthRecord struct {
	ID             int64             `json:"id" example:"1"`
	Patient        int64             `json:"patient" doc:"The id of the patient's profile." example:"1"`
	RecordType     clinic.RecordType `json:"record_type" enum:"CHECKUP,DIAGNOSIS,PRESCRIPTION,LAB_RESULT,EMERGENCY" example:"CHECKUP"`
	Title          string            `json:"title" example:"Annual Physical"`
	Description    string            `json:"description" example:"Routine annual physical examination"`
	Symptoms       string            `json:"symptoms" example:"No specific symptoms"`
	Diagnosis      string            `json:"diagnosis" example:"Patient appears healthy"`
	Treatment      string            `json:"treatment" example:"Continue current lifestyle"`
	Medications    string            `json:"medications" example:"None"`
	VisitDate      time.Time         `json:"visit_date" example:"2025-05-27T10:00:00Z"`
	Language       *clinic.Language  `json:"language,omitempty" enum:"en,de,fr,es,ru,simple" doc:"The language of the texts, for the search; omitted if it is that of the installation." example:"en"`
	CreatedBy      user              `json:"created_by"`
	DoctorComments []comment         `json:"doctor_comments" nullable:"false" doc:"Oldest first. Private comments are shown to doctors only."`
	EnteredInError bool              `json:"entered_in_error,omitempty" doc:"The patient marked the record as entered in error. Missing if they did not." example:"true"`
	ErrorReason    string            `json:"error_reason,omitempty" doc:"Why the record was marked as entered in error." example:"Belongs to another person"`
	CreatedAt      time.Time         `json:"created_at" example:"2025-05-27T10:30:00Z"`
	UpdatedAt      time.Time         `json:"updated_at" example:"2025-05-27T10:30:00Z"`
	DeletedAt      *time.Time        `json:"deleted_at,omitempty" doc:"When the record was deleted. Missing if it was not." example:"2025-06-01T09:00:00Z"`
}

func newHealthRecord(r clinic.Record) healthRecord {
	return healthRecord{
		ID: r.ID, Patient: r.PatientID, RecordType: r.Type, Title: r.Title, Description: r.Description, Symptoms: r.Symptoms,
		Diagnosis: r.Diagnosis, Treatment: r.Treatment, Medications: r.Medications, VisitDate: r.VisitDate.UTC(), Language: orNull(r.Language),
		CreatedBy: newUser(r.CreatedBy), DoctorComments: web.Views(r.Comments, newComment),
		EnteredInError: r.ErrorReason != "", ErrorReason: r.ErrorReason,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), DeletedAt: optionalUTC(r.DeletedAt),
	}
}

// recordInput is a whole record as a patient writes it.
type recordInput struct {
	RecordType  clinic.RecordType `json:"record_type" enum:"CHECKUP,DIAGNOSIS,PRESCRIPTION,LAB_RESULT,EMERGENCY" example:"CHECKUP"`
	Title       string            `json:"title" minLength:"1" maxLength:"200" example:"Annual Physical"`
	Description string            `json:"description,omitempty" maxLength:"10000" example:"Routine annual physical examination"`
	Symptoms    string            `json:"symptoms,omitempty" maxLength:"10000" example:"No specific symptoms"`
	Diagnosis   string            `json:"diagnosis,omitempty" maxLength:"10000" example:"Patient appears healthy"`
	Treatment   string            `json:"treatment,omitempty" maxLength:"10000" example:"Continue current lifestyle"`
	Medications string            `json:"medications,omitempty" maxLength:"10000" example:"None"`
	VisitDate   time.Time         `json:"visit_date" example:"2025-05-27T10:00:00Z"`
	Language    *clinic.Language  `json:"language,omitempty" enum:"en,de,fr,es,ru,simple" doc:"The language of the texts, for the search; null means that of the installation." example:"en"`
}

// Resolve implements huma.Resolver.
func (r *recordInput) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error {
		f := r.fields()
		return f.Validate()
	})
}

func (r recordInput) fields() clinic.RecordFields {
	var language clinic.Language
	if r.Language != nil {
		language = *r.Language
	}
	return clinic.RecordFields{
		Type: r.RecordType, Title: r.Title, Description: r.Description, Symptoms: r.Symptoms, Diagnosis: r.Diagnosis,
		Treatment: r.Treatment, Medications: r.Medications, VisitDate: r.VisitDate.UTC(),
		Language: language,
	}
}

type listRecordsRequest struct {
	web.Paging
	RecordType clinic.RecordType  `query:"record_type" enum:"CHECKUP,DIAGNOSIS,PRESCRIPTION,LAB_RESULT,EMERGENCY"`
	Patient    int64              `query:"patient" minimum:"1" doc:"Only the records of this patient."`
	From       string             `query:"from" maxLength:"35" doc:"Only visits at or after this time or day, such as 2025-01-01."`
	To         string             `query:"to" maxLength:"35" doc:"Only visits before this time, or up to the end of this day."`
	Ordering   clinic.RecordOrder `query:"ordering" enum:"-visit_date,visit_date,-created_at,created_at" doc:"A minus sign means newest first. The default is -visit_date."`
	InError    bool               `query:"entered_in_error" doc:"List only the records that were entered in error, in place of those that were not."`
	Deleted    bool               `query:"deleted" doc:"List only the records that are deleted, in place of those that are not."`
}

func (h *handlers) listRecords(ctx context.Context, request *listRecordsRequest) (*web.PageResponse[healthRecord], error) {
	filter := clinic.RecordFilter{
		Type: request.RecordType, PatientID: request.Patient, Order: request.Ordering, EnteredInError: request.InError, Deleted: request.Deleted,
	}
	var err error
	if filter.From, err = parseBound("from", request.From, 0); err != nil {
		return nil, err
	}
	if filter.To, err = parseBound("to", request.To, 1); err != nil {
		return nil, err
	}
	found, err := h.service.Records.List(ctx, web.CallerOf(ctx), filter, request.PageRequest())
	if err != nil {
		return nil, err
	}
	return web.AnswerPage(request.Paging, h.here(ctx), found, newHealthRecord)
}

type recordResponse struct {
	ETag string `header:"ETag" doc:"Identifies the current version of the record, for If-Match and If-None-Match."`
	Body healthRecord
}

func answerRecord(r clinic.Record, err error) (*recordResponse, error) {
	if err != nil {
		return nil, err
	}
	return &recordResponse{ETag: web.ETag(r.Revision()), Body: newHealthRecord(r)}, nil
}

type createRecordRequest struct {
	web.Repeatable
	Body recordInput
}

type createRecordResponse struct {
	ETag     string `header:"ETag" doc:"Identifies the current version of the record, for If-Match and If-None-Match."`
	Location string `header:"Location" doc:"The URL of the record."`
	Body     healthRecord
}

func (h *handlers) createRecord(ctx context.Context, request *createRecordRequest) (*createRecordResponse, error) {
	once, err := request.Once(ctx, request.Body)
	if err != nil {
		return nil, err
	}
	r, err := h.service.Records.Create(ctx, web.CallerOf(ctx), request.Body.fields(), once)
	if err != nil {
		return nil, err
	}
	return &createRecordResponse{
		ETag: web.ETag(r.Revision()), Location: h.link(ctx, fmt.Sprintf("/health-records/%d/", r.ID)), Body: newHealthRecord(r),
	}, nil
}

type getRecordRequest struct {
	ID          int64  `path:"id" doc:"The record's id."`
	Deleted     bool   `query:"deleted" doc:"Get a record that is deleted. Without it, such a record is not found."`
	IfNoneMatch string `header:"If-None-Match" doc:"The ETags that the client has. If one of them is current, the answer is 304."`
}

type getRecordResponse struct {
	Status int
	ETag   string `header:"ETag" doc:"Identifies the current version of the record, for If-Match and If-None-Match."`
	Body   healthRecord
}

func (h *handlers) getRecord(ctx context.Context, request *getRecordRequest) (*getRecordResponse, error) {
	get := h.service.Records.Get
	if request.Deleted {
		get = h.service.Records.GetDeleted
	}
	r, err := get(ctx, web.CallerOf(ctx), request.ID)
	if err != nil {
		return nil, err
	}
	response := &getRecordResponse{Status: http.StatusOK, ETag: web.ETag(r.Revision()), Body: newHealthRecord(r)}
	if web.NotModified(request.IfNoneMatch, response.ETag) {
		response.Status = http.StatusNotModified
	}
	return response, nil
}

// Conditional is embedded in requests that change a record. It is exported
// because huma ignores the fields of embedded types that are not.
type Conditional struct {
	ID      int64  `path:"id" doc:"The record's id."`
	IfMatch string `header:"If-Match" doc:"The ETag that the client has read. If the record has changed since, the answer is 412."`
}

type replaceRecordRequest struct {
	Conditional
	Body recordReplacement
}

// RecordTexts are the texts of a record that need not be sent. The type is
// exported because huma ignores the fields of embedded types that are not.
type RecordTexts struct {
	Description patch[string] `json:"description,omitzero" maxLength:"10000" example:"Routine annual physical examination"`
	Symptoms    patch[string] `json:"symptoms,omitzero" maxLength:"10000" example:"No specific symptoms"`
	Diagnosis   patch[string] `json:"diagnosis,omitzero" maxLength:"10000" example:"Patient appears healthy"`
	Treatment   patch[string] `json:"treatment,omitzero" maxLength:"10000" example:"Continue current lifestyle"`
	Medications patch[string] `json:"medications,omitzero" maxLength:"10000" example:"None"`

	Language patch[clinic.Language] `json:"language,omitzero" enum:"en,de,fr,es,ru,simple" doc:"The language of the texts, for the search; null means that of the installation." example:"en"`
}

func (t RecordTexts) change() clinic.RecordChange {
	return clinic.RecordChange{
		Description: t.Description.change(), Symptoms: t.Symptoms.change(), Diagnosis: t.Diagnosis.change(),
		Treatment: t.Treatment.change(), Medications: t.Medications.change(), Language: t.Language.change(),
	}
}

type recordReplacement struct {
	RecordType clinic.RecordType `json:"record_type" enum:"CHECKUP,DIAGNOSIS,PRESCRIPTION,LAB_RESULT,EMERGENCY" example:"CHECKUP"`
	Title      string            `json:"title" minLength:"1" maxLength:"200" example:"Annual Physical"`
	VisitDate  time.Time         `json:"visit_date" example:"2025-05-27T10:00:00Z"`
	RecordTexts
}

// TransformSchema implements huma.SchemaTransformer.
func (recordReplacement) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	return readBack[healthRecord](r, s)
}

// Resolve implements huma.Resolver.
func (r *recordReplacement) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error {
		change := r.change()
		return change.Validate()
	})
}

func (r recordReplacement) change() clinic.RecordChange {
	change := r.RecordTexts.change()
	change.Type, change.Title, change.VisitDate = &r.RecordType, &r.Title, &r.VisitDate
	return change
}

func (h *handlers) replaceRecord(ctx context.Context, request *replaceRecordRequest) (*recordResponse, error) {
	return h.updateRecord(ctx, request.Conditional, request.Body.change())
}

type changeRecordRequest struct {
	Conditional
	Body recordPatch
}

type recordPatch struct {
	RecordType patch[clinic.RecordType] `json:"record_type,omitzero" enum:"CHECKUP,DIAGNOSIS,PRESCRIPTION,LAB_RESULT,EMERGENCY" nullable:"false" example:"CHECKUP"`
	Title      patch[string]            `json:"title,omitzero" minLength:"1" maxLength:"200" nullable:"false" example:"Annual Physical"`
	VisitDate  patch[time.Time]         `json:"visit_date,omitzero" nullable:"false" example:"2025-05-27T10:00:00Z"`
	RecordTexts
}

// TransformSchema implements huma.SchemaTransformer.
func (recordPatch) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	return readBack[healthRecord](r, s)
}

// Resolve implements huma.Resolver.
func (r *recordPatch) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error {
		change := r.change()
		return change.Validate()
	})
}

func (r recordPatch) change() clinic.RecordChange {
	change := r.RecordTexts.change()
	change.Type, change.Title, change.VisitDate = r.RecordType.change(), r.Title.change(), r.VisitDate.change()
	return change
}

func (h *handlers) changeRecord(ctx context.Context, request *changeRecordRequest) (*recordResponse, error) {
	return h.updateRecord(ctx, request.Conditional, request.Body.change())
}

func (h *handlers) updateRecord(ctx context.Context, c Conditional, change clinic.RecordChange) (*recordResponse, error) {
	expected, err := web.Expect(ctx, c.IfMatch)
	if err != nil {
		return nil, err
	}
	return answerRecord(h.service.Records.Update(ctx, web.CallerOf(ctx), c.ID, change, expected))
}

type deleteRecordRequest struct {
	Conditional
}

func (h *handlers) deleteRecord(ctx context.Context, request *deleteRecordRequest) (*noContent, error) {
	expected, err := web.Expect(ctx, request.IfMatch)
	if err != nil {
		return nil, err
	}
	if err := h.service.Records.Delete(ctx, web.CallerOf(ctx), request.ID, expected); err != nil {
		return nil, err
	}
	return &noContent{}, nil
}
