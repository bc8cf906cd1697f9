package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Users are the use cases that list accounts.
type Users struct{ db *store.DB }

// NewUsers returns the use cases.
func NewUsers(db *store.DB) *Users { return &Users{db: db} }

// List lists accounts by id; administrators only.
func (s *Users) List(ctx context.Context, caller clinic.Caller, filter clinic.UserFilter, page clinic.PageRequest) (clinic.Page[clinic.ListedUser], error) {
	if err := admit(ctx, s.db, caller, clinic.Object{Kind: clinic.ObjectUser}, require(caller, "only administrators list users", clinic.RoleAdmin)); err != nil {
		return clinic.Page[clinic.ListedUser]{}, err
	}
	if err := clinic.ValidateSearch(&filter.Search); err != nil {
		return clinic.Page[clinic.ListedUser]{}, err
	}
	return s.db.As(caller).Users().List(ctx, filter, page)
}
