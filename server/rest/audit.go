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
	getAccessLogNote = "Newest first. Each entry says who read or changed the data, when, and what gave them access. Reading the log adds an " +
		"entry, too. Names and license numbers are those that people had at the time. The names of other patients are empty."
	getAuditNote = "Newest first. Entries contain ids and no health data; those of the controller also name the Kubernetes user who asked. Reading the " +
		"log adds an entry, too."
)

// logUser is the user of an entry, with the name that they had at the time.
type logUser struct {
	ID            int64   `json:"id" example:"2"`
	Username      string  `json:"username" example:"doctor1"`
	Name          string  `json:"name" doc:"The user's name at the time of the entry." example:"Jane Smith"`
	LicenseNumber *string `json:"license_number" doc:"A doctor's license number at the time of the entry; null for other users." example:"DOC000001"`
}

func newLogUser(p *clinic.Person) *logUser {
	if p == nil {
		return nil
	}
	return &logUser{ID: p.ID, Username: p.Username, Name: p.FullName(), LicenseNumber: orNull(p.LicenseNumber)}
}

// orNobody lets the user of an entry be null, which huma does not for objects.
func orNobody(entry *huma.Schema) *huma.Schema {
	user := entry.Properties["user"]
	entry.Properties["user"] = &huma.Schema{Description: user.Description, AnyOf: []*huma.Schema{{Ref: user.Ref}, {Type: "null"}}}
	return entry
}

// TransformSchema implements huma.SchemaTransformer.
func (accessEntry) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema { return orNobody(s) }

// TransformSchema implements huma.SchemaTransformer.
func (auditEntry) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema { return orNobody(s) }

type accessEntry struct {
	ID          int64               `json:"id" example:"42"`
	At          time.Time           `json:"at" example:"2025-05-27T10:30:00Z"`
	User        *logUser            `json:"user" doc:"null for a program, and for an account that no longer exists."`
	Role        clinic.Role         `json:"role" doc:"The user's role; CONTROLLER, IMPORT or COMMAND for a program." example:"DOCTOR"`
	Operation   string              `json:"operation" doc:"The operationId in this document or, for a program, the name of its use case." example:"getRecord"`
	Object      clinic.ObjectKind   `json:"object" example:"record"`
	ObjectID    *int64              `json:"object_id" doc:"null for a list." example:"1"`
	Decision    string              `json:"decision" doc:"allowed, or the error code of the refusal." example:"allowed"`
	Reason      clinic.AccessReason `json:"reason" enum:"own,assignment,break_glass,role,refused" doc:"Why access was given, or refused if it was not." example:"assignment"`
	Assignment  *int64              `json:"assignment" doc:"The assignment that gave access; null if access did not depend on one." example:"1"`
	RequestedBy *string             `json:"requested_by" doc:"For an entry of the role CONTROLLER, the Kubernetes user who asked for the change; null for people, and if the user is unknown." example:"jane@example.com"`
	Purpose     string              `json:"purpose" doc:"The reason that was given for the assignment." example:"primary care"`
}

func newAccessEntry(a clinic.Access) accessEntry {
	return accessEntry{
		ID: a.ID, At: a.At.UTC(), User: newLogUser(a.User), Role: a.Role, Operation: a.Operation, Object: a.Object.Kind,
		ObjectID: orNull(a.Object.ID), Decision: a.Decision, Reason: a.Reason, Assignment: orNull(a.AssignmentID), RequestedBy: orNull(a.RequestedBy),
		Purpose: a.Purpose,
	}
}

type accessLogRequest struct {
	web.LogPaging
}

func (h *handlers) getAccessLog(ctx context.Context, request *accessLogRequest) (*web.LogResponse[accessEntry], error) {
	found, err := h.service.AuditLog.ListAccesses(ctx, web.CallerOf(ctx), request.Before(), request.PageSize)
	if err != nil {
		return nil, err
	}
	return web.AnswerLog(found, newAccessEntry), nil
}

type auditEntry struct {
	ID          int64               `json:"id" example:"42"`
	At          time.Time           `json:"at" example:"2025-05-27T10:30:00Z"`
	User        *logUser            `json:"user" doc:"null for a program, and for an account that no longer exists."`
	UserID      *int64              `json:"user_id" doc:"null for a program." example:"2"`
	Role        clinic.Role         `json:"role" doc:"The user's role; CONTROLLER, IMPORT or COMMAND for a program." example:"DOCTOR"`
	Operation   string              `json:"operation" doc:"The operationId in this document or, for a program, the name of its use case." example:"getRecord"`
	Object      clinic.ObjectKind   `json:"object" example:"record"`
	ObjectID    *int64              `json:"object_id" doc:"null for a list." example:"1"`
	Patients    []int64             `json:"patients" nullable:"false" doc:"Ids of the patients whose data was read or changed." example:"[1]"`
	Assignments []int64             `json:"assignments" nullable:"false" doc:"For each patient, in the order of patients, the id of the assignment that gave access; 0 if access did not depend on one." example:"[1]"`
	Records     []int64             `json:"records,omitempty" nullable:"false" doc:"Ids of the health records that a search showed; omitted for other operations." example:"[1]"`
	Decision    string              `json:"decision" doc:"allowed, or the error code of the refusal." example:"allowed"`
	Reason      clinic.AccessReason `json:"reason" enum:"own,assignment,break_glass,role,refused" doc:"Why access was given, or refused if it was not." example:"assignment"`
	RequestedBy *string             `json:"requested_by" doc:"For an entry of the role CONTROLLER, the Kubernetes user who asked for the change; null for people, and if the user is unknown." example:"jane@example.com"`
	RequestID   string              `json:"request_id" example:"0f8c2a51-7b1e-4f3c-9a55-2f1c7b8f3d10"`
	Address     string              `json:"address" doc:"The client's IP address, as the server saw it." example:"192.0.2.1"`
}

func newAuditEntry(e clinic.AuditEvent) auditEntry {
	return auditEntry{
		ID: e.ID, At: e.At.UTC(), User: newLogUser(e.User), UserID: orNull(e.UserID), Role: e.Role, Operation: e.Operation,
		Object: e.Object.Kind, ObjectID: orNull(e.Object.ID), Patients: e.Patients, Assignments: e.Assignments, Records: e.Records,
		Decision: e.Decision, Reason: e.Reason, RequestID: e.RequestID, Address: e.Address,
		RequestedBy: orNull(clinic.RequesterOf(e.Role, e.RequestID)),
	}
}

type auditRequest struct {
	web.LogPaging
	User      int64  `query:"user" minimum:"1" doc:"Only entries of requests that this user sent."`
	Patient   int64  `query:"patient" minimum:"1" doc:"Only entries about this patient."`
	Operation string `query:"operation" maxLength:"64" pattern:"^[A-Za-z]*$" doc:"Only entries of the operation with this operationId."`
	Decision  string `query:"decision" enum:"allowed,not_found,gone,forbidden,invalid,conflict,precondition_failed,too_many_attempts"`
	From      string `query:"from" maxLength:"35" doc:"Only entries at or after this time or day, such as 2025-01-01."`
	To        string `query:"to" maxLength:"35" doc:"Only entries before this time, or up to the end of this day."`
}

func (h *handlers) getAudit(ctx context.Context, request *auditRequest) (*web.LogResponse[auditEntry], error) {
	filter := clinic.AuditFilter{UserID: request.User, PatientID: request.Patient, Operation: request.Operation, Decision: request.Decision}
	var err error
	if filter.From, err = parseBound("from", request.From, 0); err != nil {
		return nil, err
	}
	if filter.To, err = parseBound("to", request.To, 1); err != nil {
		return nil, err
	}
	found, err := h.service.AuditLog.List(ctx, web.CallerOf(ctx), filter, request.Before(), request.PageSize)
	if err != nil {
		return nil, err
	}
	return web.AnswerLog(found, newAuditEntry), nil
}
