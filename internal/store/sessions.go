package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// StartSession keeps the hash of a login's first refresh token. It is
// CodeUnauthenticated when the user is not active.
func (h Handle) StartSession(ctx context.Context, userID int64, hash []byte, lifetime time.Duration) error {
	n, err := h.q.StartSession(ctx, h.db, dbsqlc.StartSessionParams{UserID: userID, TokenHash: hash, Lifetime: lifetime.Seconds()})
	if err != nil {
		return fmt.Errorf("starting a session: %w", translate(err))
	}
	if n == 0 {
		return clinic.Unauthenticated("this account is not active any more").WithReason("account_inactive")
	}
	return nil
}

// RotateRefreshToken marks the token with the hash used as used, keeps its
// successor's hash, and returns the user. It is CodeNotFound when the token is
// unknown, used or expired, or the user is not active.
func (h Handle) RotateRefreshToken(ctx context.Context, used, successor []byte, lifetime time.Duration) (clinic.User, error) {
	row, err := h.q.RotateRefreshToken(ctx, h.db, dbsqlc.RotateRefreshTokenParams{
		UsedHash: used, TokenHash: successor, Lifetime: lifetime.Seconds(),
	})
	if err != nil {
		return clinic.User{}, fmt.Errorf("rotating a refresh token: %w", orNotFound(err, "refresh token"))
	}
	return userOf(*row), nil
}

// EndSessionOfUsedToken ends the session of a token that was used already and
// returns the user; CodeNotFound when there is no such token.
func (h Handle) EndSessionOfUsedToken(ctx context.Context, hash []byte) (userID int64, err error) {
	userID, err = h.q.EndSessionOfUsedToken(ctx, h.db, hash)
	if err != nil {
		return 0, fmt.Errorf("ending a session: %w", orNotFound(err, "refresh token"))
	}
	return userID, nil
}

// TrimSessions deletes expired refresh tokens and sessions, up to most of
// each, and says how many rows went.
func (h Handle) TrimSessions(ctx context.Context, most int) (int, error) {
	tokens, errTokens := h.q.TrimRefreshTokens(ctx, h.db, int64(most))
	sessions, errSessions := h.q.TrimSessions(ctx, h.db, int64(most))
	if err := errors.Join(errTokens, errSessions); err != nil {
		return int(tokens + sessions), fmt.Errorf("trimming sessions: %w", translate(err))
	}
	return int(tokens + sessions), nil
}
