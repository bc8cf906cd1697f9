package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Throttle bounds the number of attempts. It fails only after too many of
// them, with CodeTooMany.
type Throttle interface {
	// Login must be called before a stranger's guess at a secret of the account is
	// compared, whether the account exists or not. done must be called with the
	// result. It counts by the account and by clinic.AddressOf.
	Login(ctx context.Context, account string) (done func(context.Context, error), err error)
	// Confirm is Login for a secret with which callers confirm a request within their session.
	// It counts by the session, and by the account over all of its sessions.
	Confirm(ctx context.Context, caller clinic.Caller) (done func(context.Context, error), err error)
	// Register must be called before a registration.
	Register(ctx context.Context) error
}

// unthrottled is the Throttle for options without one.
type unthrottled struct{}

// Login implements Throttle.
func (unthrottled) Login(context.Context, string) (func(context.Context, error), error) {
	return func(context.Context, error) {}, nil
}

// Confirm implements Throttle.
func (unthrottled) Confirm(context.Context, clinic.Caller) (func(context.Context, error), error) {
	return func(context.Context, error) {}, nil
}

// Register implements Throttle.
func (unthrottled) Register(context.Context) error { return nil }
