package service

import (
	"context"
	"errors"
	"strings"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// guess compares a secret of the account that somebody wants to get into, unless
// there were too many wrong ones. compare must be CodeUnauthenticated when, and
// only when, this one is wrong. Whatever asks a stranger for a password goes
// through here.
func (s *Service) guess(ctx context.Context, username string, compare func() error) error {
	done, err := s.throttle.Login(ctx, strings.ToLower(username)) // as the database compares names
	if err != nil {
		return err
	}
	err = compare()
	done(ctx, err)
	return err
}

// confirm is guess for a secret of the caller's own, which they give again within
// their session: what others guess elsewhere does not keep them from it. The
// error is wrong where the secret is. That is no CodeUnauthenticated, which
// clients answer by renewing the access token and trying the same again.
func (s *Service) confirm(ctx context.Context, caller clinic.Caller, wrong *clinic.Error, compare func() (right bool, err error)) error {
	done, err := s.throttle.Confirm(ctx, caller)
	var refusal *clinic.Error
	if errors.As(err, &refusal) && refusal.Code == clinic.CodeTooMany {
		refusal.Message = "too many wrong passwords or codes were sent in this session; wait, or log in again and end the sessions that are not yours"
	}
	if err != nil {
		return err
	}
	right, err := compare()
	switch {
	case err != nil:
		done(ctx, err)
		return err
	case !right:
		done(ctx, errBadCredentials())
		return wrong
	}
	done(ctx, nil)
	return nil
}

// unthrottled is the Throttle of who has none: tests, and the command line.
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
