package service

import (
	"context"
	"fmt"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// Login checks the password and starts a session. An unknown name, a wrong
// password and an account that is not active are the same CodeUnauthenticated
// with reason "bad_credentials", after the same work. It is CodeTooMany, for all
// of them alike, when too many guesses were wrong. Only who has the right
// password learns that a second factor is asked for.
func (s *Service) Login(ctx context.Context, username, password string, second clinic.SecondFactor) (clinic.Tokens, error) {
	var known store.Credentials
	err := s.guess(ctx, username, func() (err error) {
		known, err = s.login(ctx, username, password)
		return err
	})
	if err != nil {
		return clinic.Tokens{}, err
	}
	if err := s.checkSecondFactor(ctx, known, second); err != nil {
		return clinic.Tokens{}, err
	}
	return s.startSession(ctx, s.db.Account(store.ByUserID(known.User.ID)), known)
}

// login returns whose name and password these are.
func (s *Service) login(ctx context.Context, username, password string) (store.Credentials, error) {
	known, err := s.credentials(ctx, username)
	if err != nil {
		return store.Credentials{}, err
	}
	ok, rehash, err := s.passwords.Verify(ctx, known.PasswordHash, password)
	if err != nil {
		return store.Credentials{}, err
	}
	if !ok || !known.User.Active {
		return store.Credentials{}, errBadCredentials()
	}
	if rehash {
		s.upgradeHash(ctx, known, password)
	}
	return known, nil
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
func (s *Service) startSession(ctx context.Context, h store.Handle, known store.Credentials) (clinic.Tokens, error) {
	refresh, hash := token.NewRefresh()
	id, err := h.StartSession(ctx, known, hash, token.RefreshLifetime)
	if err != nil {
		return clinic.Tokens{}, err
	}
	return s.session(store.Refreshed{User: known.User, SessionID: id, SecondFactor: known.SecondFactor}, refresh)
}

// session signs the access token. Without the second factor that his role
// requires, the user may do nothing by it but enrol one.
func (s *Service) session(r store.Refreshed, refresh string) (clinic.Tokens, error) {
	access, err := s.tokens.Issue(clinic.Caller{
		UserID: r.User.ID, Role: r.User.Role, SessionID: r.SessionID,
		Enrolling: !r.SecondFactor && slices.Contains(s.required, r.User.Role),
	})
	if err != nil {
		return clinic.Tokens{}, err
	}
	return clinic.Tokens{User: r.User, Access: access, Refresh: refresh}, nil
}

// Refresh trades a refresh token for a new pair. A used, expired or unknown one,
// and one of an account that is not active, is CodeUnauthenticated with reason
// "refresh_token_invalid". Using one again within token.RefreshGrace, while its
// successor was not used, gives the same successor; later it ends the session:
// one of the two who have it is not its owner.
func (s *Service) Refresh(ctx context.Context, refresh string) (clinic.Tokens, error) {
	rotation := store.Rotation{Used: token.HashRefresh(refresh), SuccessorSalt: token.NewSalt(), Lifetime: token.RefreshLifetime, Longest: token.SessionLifetime}
	h := s.db.Account(store.ByRefreshToken(rotation.Used))
	var successor string
	successor, rotation.Successor = token.Successor(refresh, rotation.SuccessorSalt)
	r, err := h.RotateRefreshToken(ctx, rotation)
	if clinic.CodeOf(err) == clinic.CodeNotFound {
		r, err = h.RepeatRefresh(ctx, rotation.Used, token.RefreshGrace)
		successor, _ = token.Successor(refresh, r.SuccessorSalt)
	}
	if clinic.CodeOf(err) == clinic.CodeNotFound {
		return clinic.Tokens{}, s.refuseRefresh(ctx, rotation.Used)
	}
	if err != nil {
		return clinic.Tokens{}, err
	}
	return s.session(r, successor)
}

// refuseRefresh ends the session of a token that was used before.
func (s *Service) refuseRefresh(ctx context.Context, hash []byte) error {
	userID, err := s.db.System().EndSessionOfUsedToken(ctx, hash)
	switch clinic.CodeOf(err) {
	case "":
		s.log.WarnContext(ctx, "a refresh token was used twice and its session ended", "user_id", userID)
	case clinic.CodeNotFound:
	default:
		return fmt.Errorf("refusing a refresh token: %w", err)
	}
	return clinic.Unauthenticated("the refresh token is not valid").WithReason("refresh_token_invalid")
}

// Logout ends the caller's session. That it ends at the same moment for another
// reason is no fault.
func (s *Service) Logout(ctx context.Context, caller clinic.Caller) error {
	err := s.db.As(caller).EndSession(ctx, caller.SessionID)
	if clinic.CodeOf(err) == clinic.CodeNotFound {
		return nil
	}
	return err
}

// LogoutByRefresh ends the session of a refresh token, whether or not it was
// used. A token of no session is no fault: it has ended (RFC 7009 section 2.2).
func (s *Service) LogoutByRefresh(ctx context.Context, refresh string) error {
	return s.db.System().EndSessionOfToken(ctx, token.HashRefresh(refresh))
}

// Sessions lists the caller's own, the newest login first.
func (s *Service) Sessions(ctx context.Context, caller clinic.Caller, page clinic.PageRequest) (clinic.Page[clinic.ActiveSession], error) {
	return s.db.As(caller).Sessions(ctx, page)
}

// EndSession ends one of the caller's own: its access tokens are refused from
// the next request on.
func (s *Service) EndSession(ctx context.Context, caller clinic.Caller, id int64) error {
	return s.db.As(caller).EndSession(ctx, id)
}

func errBadCredentials() error {
	return clinic.Unauthenticated("the username or the password is wrong").WithReason("bad_credentials")
}
