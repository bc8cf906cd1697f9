package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Throttle bounds how often somebody may try. It never fails but for having seen
// too much: CodeTooMany.
type Throttle interface {
	// Login must be asked before a stranger's guess at a secret of the account is
	// compared, whether there is such an account or not; done is called with what
	// came of it. It counts by the account and by clinic.AddressOf.
	Login(ctx context.Context, account string) (done func(context.Context, error), err error)
	// Confirm is Login for a secret that the caller gives again within their session.
	// It counts by the session, and by the account over all of its sessions.
	Confirm(ctx context.Context, caller clinic.Caller) (done func(context.Context, error), err error)
	// Register must be asked before somebody registers.
	Register(ctx context.Context) error
}

// unthrottled is the Throttle where none is given.
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
