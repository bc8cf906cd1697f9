package service

import (
	"context"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// SetPassword gives any account another password, and ends its sessions and its reset code. Its user and the
// administrators are notified. It fails with CodeNotFound when no account has the name, and with
// CodeConflict and reason "account_disabled" when it is not active.
func (s *Administrators) SetPassword(ctx context.Context, username, password string) (clinic.User, error) {
	known, err := s.find(ctx, username)
	if err != nil {
		return clinic.User{}, err
	}
	if err := clinic.ValidatePassword("password", password, known.Username, known.Email); err != nil {
		return clinic.User{}, err
	}
	hash, err := s.passwords.Hash(ctx, password)
	if err != nil {
		return clinic.User{}, err
	}
	return known, s.change(ctx, "setPassword", known, func(h store.Handle) error {
		if err := h.Resets().Lock(ctx, known.ID); err != nil {
			return err
		}
		if err := h.Resets().DropCode(ctx, known.ID); err != nil {
			return err
		}
		return setPassword(ctx, h, known.ID, hash)
	})
}

// ResetSecondFactor removes the second factor of any account and ends its sessions. Its user and the
// administrators are notified. It fails as SetPassword does, and with CodeConflict and reason
// "totp_not_enrolled" when there is no factor.
func (s *Administrators) ResetSecondFactor(ctx context.Context, username string) (clinic.User, error) {
	known, err := s.find(ctx, username)
	if err != nil {
		return clinic.User{}, err
	}
	return known, s.change(ctx, "resetSecondFactor", known, func(h store.Handle) error {
		if err := h.Resets().Lock(ctx, known.ID); err != nil {
			return err
		}
		if err := h.Resets().RemoveSecondFactor(ctx, known.ID); err != nil {
			return err
		}
		if err := h.Resets().EndSessions(ctx, known.ID); err != nil {
			return err
		}
		return h.Resets().AddEvent(ctx, clinic.EventSecondFactorReset, known.ID)
	})
}

// Codes says for whom IssueCodes issues codes, and who keeps them.
type Codes struct {
	Usernames []string // of the accounts; empty: all imported accounts that never had a password
	Replace   bool     // without Usernames: also the valid codes that accounts have already
	Lifetime  time.Duration
	// Keep stores a code where it is not lost. It is called at the end of the transaction that makes the code
	// valid: when it fails, the code does not become valid.
	Keep func(clinic.ResetCode) error
}

// IssueCodes issues codes, one account after the other, and returns for how many. It fails before the first one
// when an account does not exist or is disabled. A code for a named account notifies its user and
// the administrators. For accounts without a password there is one notification in all,
// because nobody could log in to them, and thousands of notifications would hide the others. Those that got a password, or
// without Replace a code, since the command began, are left out.
func (s *Administrators) IssueCodes(ctx context.Context, codes Codes) (issued int, err error) {
	event := func(h store.Handle, user clinic.User) error {
		return h.Resets().AddEvent(ctx, clinic.EventResetCodeIssued, user.ID)
	}
	next, err := s.named(ctx, codes.Usernames)
	if len(codes.Usernames) == 0 {
		next, err = s.withoutPassword(codes.Replace), nil
		event = func(h store.Handle, _ clinic.User) error {
			if issued > 0 {
				return nil
			}
			return h.Resets().AddEvent(ctx, clinic.EventResetCodesIssued, 0)
		}
	}
	if err != nil {
		return 0, err
	}
	for {
		users, err := next(ctx)
		if err != nil || len(users) == 0 {
			return issued, err
		}
		for _, user := range users {
			err := s.change(ctx, "issueResetCode", user, func(h store.Handle) error {
				if len(codes.Usernames) == 0 {
					if err := lockWaiting(ctx, h, user, codes.Replace); err != nil {
						return err
					}
				}
				code, err := issueCode(ctx, h, user, codes.Lifetime)
				if err == nil {
					err = event(h, user)
				}
				if err != nil {
					return err
				}
				return codes.Keep(code)
			})
			switch {
			case err == nil:
				issued++
			case len(codes.Usernames) == 0 && clinic.CodeOf(err) == clinic.CodeConflict: // it changed since it was listed
			default:
				return issued, err
			}
		}
	}
}

// named returns a function that returns the named accounts once, each of them once: a second code
// would make the first one invalid.
func (s *Administrators) named(ctx context.Context, usernames []string) (func(context.Context) ([]clinic.User, error), error) {
	var users []clinic.User
	seen := map[int64]bool{}
	for i, name := range usernames {
		user, err := s.find(ctx, name)
		if err == nil && !user.Active {
			err = clinic.AccountDisabled()
		}
		if err != nil {
			return nil, fmt.Errorf("username %d: %w", i+1, err)
		}
		if !seen[user.ID] {
			users = append(users, user)
		}
		seen[user.ID] = true
	}
	return func(context.Context) ([]clinic.User, error) {
		rest := users
		users = nil
		return rest, nil
	}, nil
}

// withoutPassword returns a function that returns the next accounts that never had a password.
func (s *Administrators) withoutPassword(replace bool) func(context.Context) ([]clinic.User, error) {
	const page = 100
	var last int64
	return func(ctx context.Context) ([]clinic.User, error) {
		users, err := s.db.System().Resets().WithoutPassword(ctx, last, !replace, page)
		if len(users) > 0 {
			last = users[len(users)-1].ID
		}
		return users, err
	}
}

// lockWaiting locks an account that was listed, and fails with CodeConflict unless it would still be listed.
func lockWaiting(ctx context.Context, h store.Handle, user clinic.User, replace bool) error {
	if err := h.Resets().Lock(ctx, user.ID); err != nil {
		return err
	}
	next, err := h.Resets().WithoutPassword(ctx, user.ID-1, !replace, 1)
	if err == nil && (len(next) == 0 || next[0].ID != user.ID) {
		err = &clinic.Error{Code: clinic.CodeConflict, Message: "this account got a password or a code meanwhile"}
	}
	return err
}

// find returns the account with the name.
func (s *Administrators) find(ctx context.Context, username string) (clinic.User, error) {
	unknown := &clinic.Error{Code: clinic.CodeNotFound, Message: "no account has this username"}
	if !clinic.ValidUsername(username) {
		return clinic.User{}, unknown
	}
	known, err := s.db.Account(store.ByUsername(username)).Accounts().Credentials(ctx)
	if clinic.CodeOf(err) == clinic.CodeNotFound {
		return clinic.User{}, unknown
	}
	return known.User, err
}

// change runs a command's change of an account, with its audit row.
func (s *Administrators) change(ctx context.Context, operation string, user clinic.User, fn func(store.Handle) error) error {
	actor := clinic.Caller{Role: clinic.ActorCommand, Request: clinic.Request{Operation: operation}}
	return s.db.Audited(ctx, actor, clinic.Object{Kind: clinic.ObjectUser, ID: user.ID}, fn)
}
