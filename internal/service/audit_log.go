package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// AuditLog lists the audit log, newest first, from below the row with the id
// before on; administrators only.
func (s *Service) AuditLog(ctx context.Context, caller clinic.Caller, filter clinic.AuditFilter, before int64, size int) (clinic.Log[clinic.AuditEvent], error) {
	if err := s.admit(ctx, caller, clinic.Object{Kind: clinic.ObjectAudit}, "only administrators read the audit log", clinic.RoleAdmin); err != nil {
		return clinic.Log[clinic.AuditEvent]{}, err
	}
	return s.db.As(caller).AuditLog(ctx, filter, before, size)
}

// AccessLog lists who saw or changed the calling patient's data, newest first.
func (s *Service) AccessLog(ctx context.Context, caller clinic.Caller, before int64, size int) (clinic.Log[clinic.Access], error) {
	if err := s.admit(ctx, caller, clinic.Object{Kind: clinic.ObjectAccessLog}, "only a patient has an access log", clinic.RolePatient); err != nil {
		return clinic.Log[clinic.Access]{}, err
	}
	return s.db.As(caller).AccessLog(ctx, before, size)
}
