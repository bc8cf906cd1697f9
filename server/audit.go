package server

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// LogPaging is the part of a log's request that says which page. A log is read
// by keyset alone: it is too long to be counted. It is exported for huma.
type LogPaging struct {
	PageSize int    `query:"page_size" minimum:"1" maximum:"100" default:"20"`
	Cursor   string `query:"cursor" maxLength:"200" doc:"Follow next; without it, the newest."`

	before int64
}

// Resolve implements huma.Resolver: it decodes the cursor.
func (p *LogPaging) Resolve(huma.Context) []error {
	cursor, err := decodeCursor(p.Cursor)
	if err != nil || cursor.Back || cursor.Key != "" {
		return []error{&huma.ErrorDetail{Location: "query.cursor", Message: "this is not a cursor of this list"}}
	}
	p.before = cursor.ID
	return nil
}

// log is the body of a page of a log.
type log[T any] struct {
	Next    *string `json:"next" doc:"Cursor of the next page; null on the last one." example:"eyJpIjo0Mn0"`
	Results []T     `json:"results" nullable:"false"`
}

type logResponse[T any] struct {
	Body log[T]
}

func answerLog[T, V any](found clinic.Log[T], view func(T) V) *logResponse[V] {
	answer := log[V]{Results: convert(found.Items, view)}
	if found.Next != 0 {
		next := encodeCursor(clinic.Cursor{ID: found.Next})
		answer.Next = &next
	}
	return &logResponse[V]{Body: answer}
}

// logUser is who did something, as they were known then.
type logUser struct {
	ID            int64   `json:"id" example:"2"`
	Username      string  `json:"username" example:"doctor1"`
	Name          string  `json:"name" doc:"At the time of the entry." example:"Jane Smith"`
	LicenseNumber *string `json:"license_number" doc:"A doctor's, at the time of the entry; else null." example:"DOC000001"`
}

func newLogUser(p *clinic.Person) *logUser {
	if p == nil {
		return nil
	}
	return &logUser{ID: p.ID, Username: p.Username, Name: p.FullName(), LicenseNumber: orNull(p.LicenseNumber)}
}

type accessEntry struct {
	ID         int64               `json:"id" example:"42"`
	At         time.Time           `json:"at" example:"2025-05-27T10:30:00Z"`
	User       *logUser            `json:"user" doc:"null: a program, or an account that is gone."`
	Role       clinic.Role         `json:"role" doc:"Also CONTROLLER and IMPORT, for programs." example:"DOCTOR"`
	Operation  string              `json:"operation" doc:"The operationId of the API, or a program's use case." example:"getRecord"`
	Object     clinic.ObjectKind   `json:"object" example:"record"`
	ObjectID   *int64              `json:"object_id" doc:"null: a list." example:"1"`
	Decision   string              `json:"decision" doc:"allowed, or the code of the refusal." example:"allowed"`
	Reason     clinic.AccessReason `json:"reason" enum:"own,assignment,break_glass,role,refused" doc:"Why access was given." example:"assignment"`
	Assignment *int64              `json:"assignment" doc:"The assignment that gave access; null where none did." example:"1"`
	Purpose    string              `json:"purpose" doc:"What the assignment is for." example:"primary care"`
}

func newAccessEntry(a clinic.Access) accessEntry {
	return accessEntry{
		ID: a.ID, At: a.At.UTC(), User: newLogUser(a.User), Role: a.Role, Operation: a.Operation, Object: a.Object.Kind,
		ObjectID: orNull(a.Object.ID), Decision: a.Decision, Reason: a.Reason, Assignment: orNull(a.AssignmentID), Purpose: a.Purpose,
	}
}

type accessLogRequest struct {
	LogPaging
}

func (h *handlers) getAccessLog(ctx context.Context, request *accessLogRequest) (*logResponse[accessEntry], error) {
	found, err := h.service.AuditLog.ListAccesses(ctx, callerOf(ctx), request.before, request.PageSize)
	if err != nil {
		return nil, err
	}
	return answerLog(found, newAccessEntry), nil
}

type auditEntry struct {
	ID          int64               `json:"id" example:"42"`
	At          time.Time           `json:"at" example:"2025-05-27T10:30:00Z"`
	User        *logUser            `json:"user" doc:"null: a program, or an account that is gone."`
	UserID      *int64              `json:"user_id" doc:"null: a program." example:"2"`
	Role        clinic.Role         `json:"role" doc:"Also CONTROLLER and IMPORT, for programs." example:"DOCTOR"`
	Operation   string              `json:"operation" doc:"The operationId of the API, or a program's use case." example:"getRecord"`
	Object      clinic.ObjectKind   `json:"object" example:"record"`
	ObjectID    *int64              `json:"object_id" doc:"null: a list." example:"1"`
	Patients    []int64             `json:"patients" nullable:"false" doc:"Ids of the patients whose data was read or changed." example:"[1]"`
	Assignments []int64             `json:"assignments" nullable:"false" doc:"What gave access to the patient at the same place; 0: no assignment." example:"[1]"`
	Decision    string              `json:"decision" doc:"allowed, or the code of the refusal." example:"allowed"`
	Reason      clinic.AccessReason `json:"reason" enum:"own,assignment,break_glass,role,refused" doc:"Why access was given." example:"assignment"`
	RequestID   string              `json:"request_id" example:"0f8c2a51-7b1e-4f3c-9a55-2f1c7b8f3d10"`
	Address     string              `json:"address" doc:"Of the client, as the server saw it." example:"192.0.2.1"`
}

func newAuditEntry(e clinic.AuditEvent) auditEntry {
	return auditEntry{
		ID: e.ID, At: e.At.UTC(), User: newLogUser(e.User), UserID: orNull(e.UserID), Role: e.Role, Operation: e.Operation,
		Object: e.Object.Kind, ObjectID: orNull(e.Object.ID), Patients: e.Patients, Assignments: e.Assignments,
		Decision: e.Decision, Reason: e.Reason, RequestID: e.RequestID, Address: e.Address,
	}
}

type auditRequest struct {
	LogPaging
	User      int64  `query:"user" minimum:"1" doc:"Only what this user did."`
	Patient   int64  `query:"patient" minimum:"1" doc:"Only what concerns this patient."`
	Operation string `query:"operation" maxLength:"64" pattern:"^[A-Za-z]*$" doc:"Only this operationId."`
	Decision  string `query:"decision" enum:"allowed,not_found,gone,forbidden,invalid,conflict,precondition_failed,too_many_attempts"`
	From      string `query:"from" maxLength:"35" doc:"At or after this time or day, such as 2025-01-01."`
	To        string `query:"to" maxLength:"35" doc:"Before this time, or up to the end of this day."`
}

func (h *handlers) getAudit(ctx context.Context, request *auditRequest) (*logResponse[auditEntry], error) {
	filter := clinic.AuditFilter{UserID: request.User, PatientID: request.Patient, Operation: request.Operation, Decision: request.Decision}
	var err error
	if filter.From, err = parseBound("from", request.From, 0); err != nil {
		return nil, err
	}
	if filter.To, err = parseBound("to", request.To, 1); err != nil {
		return nil, err
	}
	found, err := h.service.AuditLog.List(ctx, callerOf(ctx), filter, request.before, request.PageSize)
	if err != nil {
		return nil, err
	}
	return answerLog(found, newAuditEntry), nil
}
