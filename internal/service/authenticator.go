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
	Throttle  Throttle    // nil: nobody is slowed down
	TOTP      *token.TOTP // nil: nobody can enrol a second factor
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

// Authenticator checks passwords and second factors, at a login and when the caller
// gives them again within their session. Every such check goes through it, and so
// through the throttle.
type Authenticator struct {
	db        *store.DB
	passwords *token.Hasher
	throttle  Throttle
	totp      *token.TOTP // nil: there is no key for second factors
}

// NewAuthenticator checks the options and returns the authenticator.
func NewAuthenticator(opts AuthenticatorOptions) (*Authenticator, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Authenticator{db: opts.DB, passwords: opts.Passwords, throttle: opts.Throttle, totp: opts.TOTP}, nil
}

// throttled compares a secret of the account that somebody wants to get into, unless
// there were too many wrong ones. compare must be CodeUnauthenticated when, and
// only when, this one is wrong. Whatever asks a stranger for a password goes
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

// confirm is throttled for a secret of the caller's own, which they give again within
// their session: what others guess elsewhere does not keep them from it. The
// error is wrong where the secret is. That is no CodeUnauthenticated, which
// clients answer by renewing the access token and trying the same again.
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

// confirmPassword asks the caller for his password again, told as field, for
// what an access token alone must not be enough.
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

// checkPassword is CodeUnauthenticated unless the password is that of the account.
func (s *Authenticator) checkPassword(ctx context.Context, known store.Credentials, password string) error {
	ok, _, err := s.passwords.Verify(ctx, known.PasswordHash, password)
	if err == nil && !ok {
		err = errBadCredentials()
	}
	return err
}
