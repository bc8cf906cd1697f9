package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// ResetsOptions are the parts of Resets. DB and Authenticator are required.
type ResetsOptions struct {
	DB            *store.DB
	Authenticator *Authenticator
	Lifetime      time.Duration // of a code; 0: a day
}

func (o *ResetsOptions) setDefaults() { o.Lifetime = cmp.Or(o.Lifetime, 24*time.Hour) }

func (o *ResetsOptions) validate() error {
	if o.DB == nil || o.Authenticator == nil {
		return errors.New("resets need a database and an authenticator")
	}
	return nil
}

// Resets are the use cases with which users get a new password without the old one: an administrator issues a
// one-time code, and the user sends it with the password of their choice. No administrator knows that
// password, and the second factor stays (OWASP ASVS 5.0, 6.4.3 and 6.4.6).
type Resets struct {
	db       *store.DB
	auth     *Authenticator
	lifetime time.Duration
}

// NewResets checks the options and returns the use cases.
func NewResets(opts ResetsOptions) (*Resets, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Resets{db: opts.DB, auth: opts.Authenticator, lifetime: opts.Lifetime}, nil
}

// Issue issues a code for the account, which replaces a former one; administrators only. Until it is used, the
// password and the sessions stay. A disabled account fails with CodeConflict and reason
// "account_disabled", and the caller's own with reason "own_account": they know their password, and change it.
func (s *Resets) Issue(ctx context.Context, caller clinic.Caller, userID int64) (code clinic.ResetCode, err error) {
	object := clinic.Object{Kind: clinic.ObjectUser, ID: userID}
	refusal := require(caller, "only administrators issue codes for new passwords", clinic.RoleAdmin)
	if refusal == nil && caller.UserID == userID {
		refusal = clinic.Conflict("own_account", "you cannot issue a code for your own account; change your password at /api/auth/password/")
	}
	if err := admit(ctx, s.db, caller, object, refusal); err != nil {
		return clinic.ResetCode{}, err
	}
	err = s.db.Audited(ctx, caller, object, func(h store.Handle) error {
		if code, err = issueCode(ctx, h, clinic.User{ID: userID}, s.lifetime); err != nil {
			return err
		}
		return h.Resets().AddEvent(ctx, clinic.EventResetCodeIssued, userID)
	})
	if err != nil {
		return clinic.ResetCode{}, err
	}
	return code, nil
}

// issueCode is the only place where a code is made. Whoever calls it hands the code over: in an answer, in a
// file, or, in a later release, by email. Only the hash of the code is stored.
func issueCode(ctx context.Context, h store.Handle, user clinic.User, lifetime time.Duration) (clinic.ResetCode, error) {
	if err := h.Resets().Lock(ctx, user.ID); err != nil {
		return clinic.ResetCode{}, err
	}
	code, hash := token.NewResetCode()
	expiresAt, err := h.Resets().KeepCode(ctx, user.ID, hash, lifetime)
	if err != nil {
		return clinic.ResetCode{}, err
	}
	return clinic.ResetCode{User: user, Code: code, ExpiresAt: expiresAt}, nil
}

// Use sets the account's password, uses the code up and ends all of the account's sessions. It logs nobody in: the next
// login asks for the second factor. An unknown username, an account that is not active, and a code that is
// wrong, used, replaced or expired fail with the same CodeUnauthenticated and reason
// "reset_code_invalid", after the same work. It is throttled as a login.
func (s *Resets) Use(ctx context.Context, username, code, password string) error {
	if err := clinic.ValidatePassword("new_password", password, username, ""); err != nil {
		return err
	}
	return s.auth.throttled(ctx, username, func() error {
		passwordHash, err := s.auth.passwords.Hash(ctx, password) // first, in every case
		if err != nil {
			return err
		}
		err = s.use(ctx, username, token.HashResetCode(code), password, passwordHash)
		if clinic.CodeOf(err) == clinic.CodeNotFound || clinic.CodeOf(err) == clinic.CodeUnauthenticated || clinic.ReasonOf(err) == "account_disabled" {
			return clinic.Unauthenticated("the code is not valid for this username: it may be used, replaced or expired; ask an administrator for a new one").
				WithReason("reset_code_invalid")
		}
		return err
	})
}

// use fails with CodeNotFound, CodeUnauthenticated or reason "account_disabled" when the code is not valid. Only its
// holder learns that the password resembles the email address.
func (s *Resets) use(ctx context.Context, username string, codeHash []byte, password, passwordHash string) error {
	if !clinic.ValidUsername(username) {
		return clinic.NotFound("user")
	}
	known, err := s.db.Account(store.ByUsername(username)).Resets().Credentials(ctx, codeHash)
	if err != nil {
		return err
	}
	if err := clinic.ValidatePassword("new_password", password, known.User.Username, known.User.Email); err != nil {
		return err
	}
	caller := clinic.Caller{UserID: known.User.ID, Role: known.User.Role} // the code has proven who it is
	err = s.db.Tx(ctx, &caller, func(h store.Handle) error {
		if err := h.Resets().Lock(ctx, caller.UserID); err != nil {
			return err
		}
		taken, err := h.Resets().TakeCode(ctx, caller.UserID, codeHash)
		if err == nil && !taken { // used, replaced or expired a moment ago
			err = clinic.NotFound("reset code")
		}
		if err != nil {
			return err
		}
		return setPassword(ctx, h, caller.UserID, passwordHash)
	})
	if err != nil {
		return fmt.Errorf("resetting a password: %w", err)
	}
	return nil
}

// setPassword gives the locked account a new password, ends its sessions, and notifies its user and the
// administrators. The first password of an imported account notifies nobody: nobody could log in before.
func setPassword(ctx context.Context, h store.Handle, userID int64, passwordHash string) error {
	first, err := h.Resets().SetPassword(ctx, userID, passwordHash)
	if err != nil {
		return err
	}
	if err := h.Resets().EndSessions(ctx, userID); err != nil || first {
		return err
	}
	return h.Resets().AddEvent(ctx, clinic.EventPasswordReset, userID)
}
