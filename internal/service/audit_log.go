package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// AuditLog has the use cases that read the audit log.
type AuditLog struct{ db *store.DB }

// NewAuditLog returns the use cases.
func NewAuditLog(db *store.DB) *AuditLog { return &AuditLog{db: db} }

// List lists the audit log, newest first; administrators only. It begins below the row with
// the id before; 0 begins at the newest.
func (s *AuditLog) List(ctx context.Context, caller clinic.Caller, filter clinic.AuditFilter, before int64, size int) (clinic.Log[clinic.AuditEvent], error) {
	if err := admit(ctx, s.db, caller, clinic.Object{Kind: clinic.ObjectAudit}, require(caller, "only administrators read the audit log", clinic.RoleAdmin)); err != nil {
		return clinic.Log[clinic.AuditEvent]{}, err
	}
	return s.db.As(caller).AuditLog().List(ctx, filter, before, size)
}

// ListAccesses lists who saw or changed the calling patient's data, newest first.
func (s *AuditLog) ListAccesses(ctx context.Context, caller clinic.Caller, before int64, size int) (clinic.Log[clinic.Access], error) {
	if err := admit(ctx, s.db, caller, clinic.Object{Kind: clinic.ObjectAccessLog}, require(caller, "only a patient has an access log", clinic.RolePatient)); err != nil {
		return clinic.Log[clinic.Access]{}, err
	}
	return s.db.As(caller).AuditLog().ListAccesses(ctx, before, size)
}
