package service

import (
	"context"
	"errors"
	"strings"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// AuthenticatorOptions are the parts of an Authenticator. DB and Passwords are required.
type AuthenticatorOptions struct {
	DB        *store.DB
	Passwords *token.Hasher
	Throttle  Throttle    // nil: no limits
	TOTP      *token.TOTP // nil: second factors are not available
}

func (o *AuthenticatorOptions) setDefaults() {
	if o.Throttle == nil {
		o.Throttle = unthrottled{}
	}
}

func (o *AuthenticatorOptions) validate() error {
	if o.DB == nil || o.Passwords == nil {
		return errors.New("the authenticator needs a database and a password hasher")
	}
	return nil
}

// Authenticator checks passwords and second factors, at a login and when callers
// confirm a request with them. Every such check goes through it, and so
// through the throttle.
type Authenticator struct {
	db        *store.DB
	passwords *token.Hasher
	throttle  Throttle
	totp      *token.TOTP // nil: no key for second factors is set
}

// NewAuthenticator checks the options and returns the authenticator.
func NewAuthenticator(opts AuthenticatorOptions) (*Authenticator, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Authenticator{db: opts.DB, passwords: opts.Passwords, throttle: opts.Throttle, totp: opts.TOTP}, nil
}

// throttled compares a secret of the account, unless there were too many wrong attempts.
// compare must fail with CodeUnauthenticated when, and
// only when, this one is wrong. Every check of a stranger's password goes
// through here.
func (s *Authenticator) throttled(ctx context.Context, username string, compare func() error) error {
	done, err := s.throttle.Login(ctx, strings.ToLower(username)) // as the database compares names
	if err != nil {
		return err
	}
	err = compare()
	done(ctx, err)
	return err
}

// confirm is throttled for a secret of the caller's own, which confirms a request within
// their session: guesses of others do not block it. It returns the
// error wrong for a wrong secret. That has another code than CodeUnauthenticated, which
// makes clients renew the access token and send the same request again.
func (s *Authenticator) confirm(ctx context.Context, caller clinic.Caller, wrong *clinic.Error, compare func() (right bool, err error)) error {
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

// confirmPassword compares the password that confirms a request, the field of that name, with the
// caller's own. It is for requests for which an access token must not be enough.
func (s *Authenticator) confirmPassword(ctx context.Context, caller clinic.Caller, field, password string) (store.Credentials, error) {
	known, err := s.db.As(caller).Accounts().Credentials(ctx)
	if err != nil {
		return store.Credentials{}, err
	}
	wrong := clinic.Invalid(field, "the password is wrong").WithReason("wrong_password")
	return known, s.confirm(ctx, caller, wrong, func() (bool, error) {
		right, _, err := s.passwords.Verify(ctx, known.PasswordHash, password)
		return right, err
	})
}

// checkPassword fails with CodeUnauthenticated unless the password is that of the account.
func (s *Authenticator) checkPassword(ctx context.Context, known store.Credentials, password string) error {
	ok, _, err := s.passwords.Verify(ctx, known.PasswordHash, password)
	if err == nil && !ok {
		err = errBadCredentials()
	}
	return err
}
