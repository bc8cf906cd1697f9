package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// Start keeps the hash of a login's first refresh token and returns the
// session's id. It ends the user's oldest sessions beyond most. It fails with
// CodeUnauthenticated when the user is no longer active, or their credentials have changed since
// they were checked.
func (h Sessions) Start(ctx context.Context, c Credentials, hash []byte, lifetime time.Duration, most int) (id int64, err error) {
	device, address := usedBy(ctx)
	id, err = h.q.StartSession(ctx, h.db, dbsqlc.StartSessionParams{
		UserID: c.User.ID, CredentialsVersion: c.Version, TokenHash: hash, Lifetime: lifetime.Seconds(),
		Most: int32(most), Device: device, Address: address, //nolint:gosec // a setting with an upper bound
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, clinic.Unauthenticated("this account is no longer active, or its password was changed; log in again").WithReason("account_inactive")
	}
	if err != nil {
		return 0, fmt.Errorf("starting a session: %w", translate(err))
	}
	return id, nil
}

// usedBy returns the columns of the client that uses a session now; nil where they are unknown.
func usedBy(ctx context.Context) (device *string, address *netip.Addr) {
	if client := clinic.ClientOf(ctx); client.Device != "" {
		device = &client.Device
	}
	return device, addressOf(ctx)
}

// Rotation trades a used refresh token for its successor.
type Rotation struct {
	Used          []byte // hash of the token
	Successor     []byte // hash of its successor
	SuccessorSalt []byte // from which the successor was derived
	Lifetime      time.Duration
	Longest       time.Duration // of the session, since its login
}

// Refreshed is the session of a refresh token.
type Refreshed struct {
	User          clinic.User
	SessionID     int64
	SecondFactor  bool // whether the user has one now
	SuccessorSalt []byte
}

// Rotate carries out the rotation. It fails with CodeNotFound when the token
// is unknown, used or expired, or the user is not active.
func (h Sessions) Rotate(ctx context.Context, r Rotation) (Refreshed, error) {
	device, address := usedBy(ctx)
	row, err := h.q.RotateRefreshToken(ctx, h.db, dbsqlc.RotateRefreshTokenParams{
		UsedHash: r.Used, SuccessorSalt: r.SuccessorSalt, TokenHash: r.Successor, Lifetime: r.Lifetime.Seconds(),
		Longest: r.Longest.Seconds(), Device: device, Address: address,
	})
	if err != nil {
		return Refreshed{}, fmt.Errorf("rotating a refresh token: %w", orNotFound(err, "refresh token"))
	}
	return Refreshed{
		User: userOf(row.Account), SessionID: row.SessionID, SecondFactor: row.SecondFactor, SuccessorSalt: r.SuccessorSalt,
	}, nil
}

// RepeatRefresh finds the successor of a token that was rotated within the grace period. It
// fails with CodeNotFound for every other token, also when its successor was used.
func (h Sessions) RepeatRefresh(ctx context.Context, hash []byte, grace time.Duration) (Refreshed, error) {
	row, err := h.q.RepeatRefresh(ctx, h.db, dbsqlc.RepeatRefreshParams{TokenHash: hash, Grace: grace.Seconds()})
	if err != nil {
		return Refreshed{}, fmt.Errorf("repeating a refresh: %w", orNotFound(err, "refresh token"))
	}
	return Refreshed{
		User: userOf(row.Account), SessionID: row.SessionID, SecondFactor: row.SecondFactor, SuccessorSalt: row.SuccessorSalt,
	}, nil
}

// EndOfUsedToken ends the session of a token that was used already and
// returns the user. It fails with CodeNotFound when no such token exists.
func (h Sessions) EndOfUsedToken(ctx context.Context, hash []byte) (userID int64, err error) {
	userID, err = h.q.EndSessionOfUsedToken(ctx, h.db, hash)
	if err != nil {
		return 0, fmt.Errorf("ending a session: %w", orNotFound(err, "refresh token"))
	}
	return userID, nil
}

// EndOfToken ends the session of a refresh token, if there is one.
func (h Sessions) EndOfToken(ctx context.Context, hash []byte) error {
	if err := h.q.EndSessionOfToken(ctx, h.db, hash); err != nil {
		return fmt.Errorf("ending a session: %w", translate(err))
	}
	return nil
}

// End ends one of the caller's own sessions. It fails with CodeNotFound when they have none with the id.
func (h Sessions) End(ctx context.Context, id int64) error {
	n, err := h.q.EndSession(ctx, h.db, dbsqlc.EndSessionParams{ID: id, Caller: h.Who.UserID})
	if err != nil {
		return fmt.Errorf("ending a session: %w", translate(err))
	}
	if n == 0 {
		return clinic.NotFound("session")
	}
	return nil
}

// EndOthers ends all of the caller's sessions except the one of this call.
func (h Sessions) EndOthers(ctx context.Context) error {
	err := h.q.EndOtherSessions(ctx, h.db, dbsqlc.EndOtherSessionsParams{Caller: h.Who.UserID, Kept: h.Who.SessionID})
	if err != nil {
		return fmt.Errorf("ending sessions: %w", translate(err))
	}
	return nil
}

// List lists the caller's own sessions, the newest login first.
func (h Sessions) List(ctx context.Context, request clinic.PageRequest) (clinic.Page[clinic.ActiveSession], error) {
	page, err := readPage(listing[*dbsqlc.ListSessionsRow, clinic.ActiveSession]{
		page: request,
		read: func(w window) ([]*dbsqlc.ListSessionsRow, error) {
			return h.q.ListSessions(ctx, h.reading(w), dbsqlc.ListSessionsParams{
				Caller: h.Who.UserID, BeyondID: w.beyondID(w.Back), Most: w.Limit, Skip: w.Offset,
			})
		},
		item: func(r *dbsqlc.ListSessionsRow) (clinic.ActiveSession, error) {
			return clinic.ActiveSession{
				ID: r.ID, CreatedAt: r.CreatedAt, LastUsedAt: r.LastUsedAt, ExpiresAt: r.ExpiresAt, Current: r.ID == h.Who.SessionID,
				Login:   clinic.Client{Device: orZero(r.Device), Address: orZero(r.Address)},
				LastUse: clinic.Client{Device: orZero(r.LastDevice), Address: orZero(r.LastAddress)},
			}, nil
		},
		total: func(r *dbsqlc.ListSessionsRow) counted { return exactly(r.Total) },
		count: func() (counted, error) {
			rows, err := h.q.CountSessions(ctx, h.db, h.Who.UserID)
			return exactly(rows), err
		},
		position: byID(func(s clinic.ActiveSession) int64 { return s.ID }),
	})
	if err != nil {
		return clinic.Page[clinic.ActiveSession]{}, fmt.Errorf("listing sessions: %w", err)
	}
	return page, nil
}

// Trim deletes expired refresh tokens and sessions, up to most of
// each, and returns how many rows it deleted.
func (h Sessions) Trim(ctx context.Context, most int) (int, error) {
	tokens, errTokens := h.q.TrimRefreshTokens(ctx, h.db, int64(most))
	sessions, errSessions := h.q.TrimSessions(ctx, h.db, int64(most))
	if err := errors.Join(errTokens, errSessions); err != nil {
		return int(tokens + sessions), fmt.Errorf("trimming sessions: %w", translate(err))
	}
	return int(tokens + sessions), nil
}
