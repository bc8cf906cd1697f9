package rest

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// The notes on these operations.
const (
	logoutNote = "Ends the session of the refresh token in the body or, without a body, of the access token. " +
		"Access tokens of the session are refused from the next request on. Logging out of a session that has already ended is not an error."
	listSessionsNote = "Newest first. Each login starts a session. A user has at most 20 sessions, unless the operator has set another limit; a login " +
		"beyond it ends the oldest. Only you see where your sessions were used, and it is deleted with the session."
	endSessionNote = "The session's refresh token stops working, and its access tokens are refused from the next request on."
)

type logoutRequest struct {
	Authorization string `header:"Authorization" hidden:"true"`
	Body          *struct {
		Refresh string `json:"refresh" pattern:"^[A-Za-z0-9_-]{43}$" doc:"The refresh token of the session." example:"paste-here-the-refresh-token-from-the-login"`
	} `nameHint:"Logout"`
}

// logout also works with the refresh token alone, because the caller's access
// token may have expired.
func (h *handlers) logout(ctx context.Context, request *logoutRequest) (*noContent, error) {
	if request.Body != nil {
		return &noContent{}, h.service.Sessions.LogoutByRefresh(ctx, request.Body.Refresh)
	}
	caller, err := h.verify.Bearer(request.Authorization)
	if err != nil {
		return nil, err
	}
	web.ExchangeOf(ctx).Caller = caller
	return &noContent{}, h.service.Sessions.Logout(ctx, caller)
}

type activeSession struct {
	ID         int64         `json:"id" example:"1"`
	CreatedAt  time.Time     `json:"created_at" doc:"When the user logged in." example:"2025-05-27T10:30:00Z"`
	LastUsedAt time.Time     `json:"last_used_at" doc:"When the session was last refreshed." example:"2025-05-27T10:30:00Z"`
	ExpiresAt  time.Time     `json:"expires_at" doc:"When the session ends if it is not refreshed." example:"2025-06-03T10:30:00Z"`
	Login      sessionClient `json:"login" doc:"Where the user logged in."`
	LastUse    sessionClient `json:"last_use" doc:"Where the session was last refreshed, or where the user logged in."`
	Current    bool          `json:"current" doc:"Whether this request belongs to the session." example:"true"`
}

type sessionClient struct {
	Device  string `json:"device" doc:"How the client describes itself, from its User-Agent header; empty if unknown." example:"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"`
	Address string `json:"address" doc:"The client's IP address; empty if unknown." example:"192.0.2.7"`
}

func newSessionClient(c clinic.Client) sessionClient {
	view := sessionClient{Device: c.Device}
	if c.Address.IsValid() {
		view.Address = c.Address.String()
	}
	return view
}

func newActiveSession(s clinic.ActiveSession) activeSession {
	return activeSession{
		ID: s.ID, CreatedAt: s.CreatedAt.UTC(), LastUsedAt: s.LastUsedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(), Current: s.Current,
		Login: newSessionClient(s.Login), LastUse: newSessionClient(s.LastUse),
	}
}

type listSessionsRequest struct {
	web.Paging
}

func (h *handlers) listSessions(ctx context.Context, request *listSessionsRequest) (*web.PageResponse[activeSession], error) {
	found, err := h.service.Sessions.List(ctx, web.CallerOf(ctx), request.PageRequest())
	if err != nil {
		return nil, err
	}
	return web.AnswerPage(request.Paging, h.here(ctx), found, newActiveSession)
}

type endSessionRequest struct {
	ID int64 `path:"id" doc:"The session's id."`
}

func (h *handlers) endSession(ctx context.Context, request *endSessionRequest) (*noContent, error) {
	return &noContent{}, h.service.Sessions.End(ctx, web.CallerOf(ctx), request.ID)
}
