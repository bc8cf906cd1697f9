package service

import (
	"context"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// Login checks the password and starts a session. An unknown name, a wrong
// password and an account that is not active are the same CodeUnauthenticated
// with reason "bad_credentials", after the same work.
func (s *Service) Login(ctx context.Context, username, password string) (clinic.Session, error) {
	known, err := s.credentials(ctx, username)
	if err != nil {
		return clinic.Session{}, err
	}
	ok, rehash, err := s.passwords.Verify(ctx, known.PasswordHash, password)
	if err != nil {
		return clinic.Session{}, err
	}
	if !ok || !known.User.Active {
		return clinic.Session{}, errBadCredentials()
	}
	if rehash {
		s.upgradeHash(ctx, known, password)
	}
	return s.startSession(ctx, s.db.Account(store.ByUserID(known.User.ID)), known.User)
}

// credentials finds a user by name; the zero Credentials when there is none.
func (s *Service) credentials(ctx context.Context, username string) (store.Credentials, error) {
	if !clinic.ValidUsername(username) {
		return store.Credentials{}, nil
	}
	known, err := s.db.Account(store.ByUsername(username)).Credentials(ctx)
	if clinic.CodeOf(err) == clinic.CodeNotFound {
		return store.Credentials{}, nil
	}
	return known, err
}

// upgradeHash gives the password a hash of today's costs. A failure is no reason
// to refuse the login: the next one tries again.
func (s *Service) upgradeHash(ctx context.Context, known store.Credentials, password string) {
	hash, err := s.passwords.Hash(ctx, password)
	if err == nil {
		err = s.db.Account(store.ByUserID(known.User.ID)).UpgradePasswordHash(ctx, known.User.ID, known.PasswordHash, hash)
	}
	if err != nil {
		s.log.WarnContext(ctx, "a password hash was not upgraded", "user_id", known.User.ID, "error", err)
	}
}

// startSession keeps a new refresh token and signs an access token.
func (s *Service) startSession(ctx context.Context, h store.Handle, user clinic.User) (clinic.Session, error) {
	refresh, hash := token.NewRefresh()
	if err := h.StartSession(ctx, user.ID, hash, token.RefreshLifetime); err != nil {
		return clinic.Session{}, err
	}
	return s.session(user, refresh)
}

func (s *Service) session(user clinic.User, refresh string) (clinic.Session, error) {
	access, err := s.tokens.Issue(clinic.Caller{UserID: user.ID, Role: user.Role})
	if err != nil {
		return clinic.Session{}, err
	}
	return clinic.Session{User: user, Access: access, Refresh: refresh}, nil
}

// Refresh trades a refresh token for a new pair. A used, expired or unknown one,
// and one of an account that is not active, is CodeUnauthenticated with reason
// "refresh_token_invalid". Using one twice ends its session: one of the two who
// have it is not its owner.
func (s *Service) Refresh(ctx context.Context, refresh string) (clinic.Session, error) {
	successor, hash := token.NewRefresh()
	used := token.HashRefresh(refresh)
	h := s.db.Account(store.ByRefreshToken(used))
	user, err := h.RotateRefreshToken(ctx, used, hash, token.RefreshLifetime)
	if err == nil {
		return s.session(user, successor)
	}
	if clinic.CodeOf(err) != clinic.CodeNotFound {
		return clinic.Session{}, err
	}
	userID, err := h.EndSessionOfUsedToken(ctx, used)
	switch clinic.CodeOf(err) {
	case "":
		s.log.WarnContext(ctx, "a refresh token was used twice and its session ended", "user_id", userID)
	case clinic.CodeNotFound:
	default:
		return clinic.Session{}, fmt.Errorf("refusing a refresh token: %w", err)
	}
	return clinic.Session{}, clinic.Unauthenticated("the refresh token is not valid").WithReason("refresh_token_invalid")
}

func errBadCredentials() error {
	return clinic.Unauthenticated("the username or the password is wrong").WithReason("bad_credentials")
}
