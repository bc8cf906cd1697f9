package service

import (
	"context"
	"strings"
)

// guess compares a secret of the account, unless there were too many wrong ones.
// compare must be CodeUnauthenticated when, and only when, this one is wrong.
// Whatever asks for a password or a code goes through here.
func (s *Service) guess(ctx context.Context, username string, compare func() error) error {
	done, err := s.throttle.Guess(ctx, strings.ToLower(username)) // as the database compares names
	if err != nil {
		return err
	}
	err = compare()
	done(ctx, err)
	return err
}

// unthrottled is the Throttle of who has none: tests, and the command line.
type unthrottled struct{}

// Guess implements Throttle.
func (unthrottled) Guess(context.Context, string) (func(context.Context, error), error) {
	return func(context.Context, error) {}, nil
}

// Register implements Throttle.
func (unthrottled) Register(context.Context) error { return nil }
