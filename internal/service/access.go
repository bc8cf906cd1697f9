package service

import (
	"context"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// admit is for operations on patients' data: a refusal, as require returns it, has an audit row.
func admit(ctx context.Context, db *store.DB, caller clinic.Caller, object clinic.Object, refusal error) error {
	if refusal == nil {
		return nil
	}
	return db.Refused(ctx, caller, object, refusal)
}

// explained adds to a page of patients' data why an unverified doctor finds nothing on it. The
// first page of another caller costs no statement.
func explained[T any](ctx context.Context, db *store.DB, caller clinic.Caller, page clinic.Page[T], err error) (clinic.Page[T], error) {
	if err != nil || caller.Role != clinic.RoleDoctor || page.Total > 0 {
		return page, err
	}
	who, err := db.Identify(ctx, caller)
	if err == nil && !who.Verified {
		page.Notice = clinic.Unverified()
	}
	return page, err
}

// require refuses a caller whose role may never do this (403); message says which roles may.
func require(caller clinic.Caller, message string, roles ...clinic.Role) error {
	if slices.Contains(roles, caller.Role) {
		return nil
	}
	return clinic.Forbidden(message)
}
