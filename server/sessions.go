package server

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

type logoutRequest struct {
	Authorization string `header:"Authorization" hidden:"true"`
	Body          *struct {
		Refresh string `json:"refresh" pattern:"^[A-Za-z0-9_-]{43}$"`
	} `nameHint:"Logout"`
}

// logout takes the refresh token alone, too: the access token of whoever leaves
// may have expired.
func (h *handlers) logout(ctx context.Context, request *logoutRequest) (*noContent, error) {
	if request.Body != nil {
		return &noContent{}, h.service.Sessions.LogoutByRefresh(ctx, request.Body.Refresh)
	}
	caller, err := bearer(request.Authorization, h.verifier)
	if err != nil {
		return nil, err
	}
	exchangeOf(ctx).user = caller.UserID
	return &noContent{}, h.service.Sessions.Logout(ctx, caller)
}

type activeSession struct {
	ID         int64     `json:"id" example:"1"`
	CreatedAt  time.Time `json:"created_at" doc:"When it began, by logging in." example:"2025-05-27T10:30:00Z"`
	LastUsedAt time.Time `json:"last_used_at" doc:"When its refresh token was last used." example:"2025-05-27T10:30:00Z"`
	ExpiresAt  time.Time `json:"expires_at" doc:"When it ends unless it is refreshed." example:"2025-06-03T10:30:00Z"`
	Current    bool      `json:"current" doc:"The one that asks." example:"true"`
}

func newActiveSession(s clinic.ActiveSession) activeSession {
	return activeSession{
		ID: s.ID, CreatedAt: s.CreatedAt.UTC(), LastUsedAt: s.LastUsedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(), Current: s.Current,
	}
}

type listSessionsRequest struct {
	Paging
}

func (h *handlers) listSessions(ctx context.Context, request *listSessionsRequest) (*pageResponse[activeSession], error) {
	found, err := h.service.Sessions.List(ctx, callerOf(ctx), request.request)
	if err != nil {
		return nil, err
	}
	return answerPage(request.Paging, h.here(ctx), found, newActiveSession)
}

type endSessionRequest struct {
	ID int64 `path:"id" doc:"The session's id."`
}

func (h *handlers) endSession(ctx context.Context, request *endSessionRequest) (*noContent, error) {
	return &noContent{}, h.service.Sessions.End(ctx, callerOf(ctx), request.ID)
}
