package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// SessionsOptions are the parts of Sessions. DB, Authenticator and Tokens are required.
type SessionsOptions struct {
	DB            *store.DB
	Authenticator *Authenticator
	Tokens        *token.Signer
	TOTPRequired  []clinic.Role // users of these roles may only enroll a second factor until they have one
	PerUser       int           // a login ends the user's oldest sessions beyond these; 0: 20
	Log           *slog.Logger  // nil: slog.Default()
}

func (o *SessionsOptions) setDefaults() {
	o.PerUser = cmp.Or(o.PerUser, 20)
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

func (o *SessionsOptions) validate() error {
	if o.DB == nil || o.Authenticator == nil || o.Tokens == nil {
		return errors.New("sessions need a database, an authenticator and a token signer")
	}
	return nil
}

// Sessions are the use cases of logins and the sessions that they start.
type Sessions struct {
	db       *store.DB
	auth     *Authenticator
	tokens   *token.Signer
	required []clinic.Role // to have a second factor
	perUser  int
	log      *slog.Logger
}

// NewSessions checks the options and returns the use cases.
func NewSessions(opts SessionsOptions) (*Sessions, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Sessions{db: opts.DB, auth: opts.Authenticator, tokens: opts.Tokens, required: opts.TOTPRequired, perUser: opts.PerUser, log: opts.Log}, nil
}

// Login checks the password and starts a session. An unknown name, a wrong
// password and an account that is not active fail with the same CodeUnauthenticated
// and reason "bad_credentials", after the same work. After too many wrong guesses all
// of them fail with CodeTooMany. Only a caller with the right
// password learns that a second factor is required.
func (s *Sessions) Login(ctx context.Context, username, password string, second clinic.SecondFactor) (clinic.Tokens, error) {
	var known store.Credentials
	err := s.auth.throttled(ctx, username, func() (err error) {
		known, err = s.login(ctx, username, password)
		return err
	})
	if err != nil {
		return clinic.Tokens{}, err
	}
	if err := s.auth.checkSecondFactor(ctx, known, second); err != nil {
		return clinic.Tokens{}, err
	}
	return s.start(ctx, s.db.Account(store.ByUserID(known.User.ID)), known)
}

// login returns the account with this name and password.
func (s *Sessions) login(ctx context.Context, username, password string) (store.Credentials, error) {
	known, err := s.credentials(ctx, username)
	if err != nil {
		return store.Credentials{}, err
	}
	ok, rehash, err := s.auth.passwords.Verify(ctx, known.PasswordHash, password)
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

// credentials finds a user by name; the zero Credentials when no account has it.
func (s *Sessions) credentials(ctx context.Context, username string) (store.Credentials, error) {
	if !clinic.ValidUsername(username) {
		return store.Credentials{}, nil
	}
	known, err := s.db.Account(store.ByUsername(username)).Accounts().Credentials(ctx)
	if clinic.CodeOf(err) == clinic.CodeNotFound {
		return store.Credentials{}, nil
	}
	return known, err
}

// upgradeHash gives the password a hash of the present costs. A failure does not
// refuse the login: the next one tries again.
func (s *Sessions) upgradeHash(ctx context.Context, known store.Credentials, password string) {
	hash, err := s.auth.passwords.Hash(ctx, password)
	if err == nil {
		err = s.db.Account(store.ByUserID(known.User.ID)).Accounts().UpgradePasswordHash(ctx, known.User.ID, known.PasswordHash, hash)
	}
	if err != nil {
		s.log.WarnContext(ctx, "a password hash was not upgraded", "user_id", known.User.ID, "error", err)
	}
}

// start keeps a new refresh token and signs an access token.
func (s *Sessions) start(ctx context.Context, h store.Handle, known store.Credentials) (clinic.Tokens, error) {
	refresh, hash := token.NewRefresh()
	id, err := h.Sessions().Start(ctx, known, hash, token.RefreshLifetime, s.perUser)
	if err != nil {
		return clinic.Tokens{}, err
	}
	return s.issue(store.Refreshed{User: known.User, SessionID: id, SecondFactor: known.SecondFactor}, refresh)
}

// issue signs the access token. Without the second factor that their role
// requires, the user may only enroll one with it.
func (s *Sessions) issue(r store.Refreshed, refresh string) (clinic.Tokens, error) {
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
// and one of an account that is not active, fails with CodeUnauthenticated and reason
// "refresh_token_invalid". Using one again within token.RefreshGrace, while its
// successor was not used, gives the same successor. Later it ends the session,
// because one of the two users of the token is not its owner.
func (s *Sessions) Refresh(ctx context.Context, refresh string) (clinic.Tokens, error) {
	rotation := store.Rotation{Used: token.HashRefresh(refresh), SuccessorSalt: token.NewSalt(), Lifetime: token.RefreshLifetime, Longest: token.SessionLifetime}
	h := s.db.Account(store.ByRefreshToken(rotation.Used))
	var successor string
	successor, rotation.Successor = token.Successor(refresh, rotation.SuccessorSalt)
	r, err := h.Sessions().Rotate(ctx, rotation)
	if clinic.CodeOf(err) == clinic.CodeNotFound {
		r, err = h.Sessions().RepeatRefresh(ctx, rotation.Used, token.RefreshGrace)
		successor, _ = token.Successor(refresh, r.SuccessorSalt)
	}
	if clinic.CodeOf(err) == clinic.CodeNotFound {
		return clinic.Tokens{}, s.refuseRefresh(ctx, rotation.Used)
	}
	if err != nil {
		return clinic.Tokens{}, err
	}
	return s.issue(r, successor)
}

// refuseRefresh ends the session of a token that was used before.
func (s *Sessions) refuseRefresh(ctx context.Context, hash []byte) error {
	userID, err := s.db.System().Sessions().EndOfUsedToken(ctx, hash)
	switch clinic.CodeOf(err) {
	case "":
		s.log.WarnContext(ctx, "a refresh token was used twice and its session ended", "user_id", userID)
	case clinic.CodeNotFound:
	default:
		return fmt.Errorf("refusing a refresh token: %w", err)
	}
	return clinic.Unauthenticated("the refresh token is not valid").WithReason("refresh_token_invalid")
}

// Logout ends the caller's session. It succeeds too where the session ends at the same moment for
// another reason.
func (s *Sessions) Logout(ctx context.Context, caller clinic.Caller) error {
	err := s.db.As(caller).Sessions().End(ctx, caller.SessionID)
	if clinic.CodeOf(err) == clinic.CodeNotFound {
		return nil
	}
	return err
}

// LogoutByRefresh ends the session of a refresh token, whether or not it was
// used. A token without a session is no error: the session has ended (RFC 7009 section 2.2).
func (s *Sessions) LogoutByRefresh(ctx context.Context, refresh string) error {
	return s.db.System().Sessions().EndOfToken(ctx, token.HashRefresh(refresh))
}

// List lists the caller's own sessions, the newest login first.
func (s *Sessions) List(ctx context.Context, caller clinic.Caller, page clinic.PageRequest) (clinic.Page[clinic.ActiveSession], error) {
	return s.db.As(caller).Sessions().List(ctx, page)
}

// End ends one of the caller's own sessions: its access tokens are refused from
// the next request on.
func (s *Sessions) End(ctx context.Context, caller clinic.Caller, id int64) error {
	return s.db.As(caller).Sessions().End(ctx, id)
}

func errBadCredentials() error {
	return clinic.Unauthenticated("the username or the password is wrong").WithReason("bad_credentials")
}
