package web

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// accessLog has a line for each request, with two exceptions. The operator may choose to log only a sample of the successful
// requests. Of the requests that a full pool refuses, one a second has a line: under overload, writing a line for each would
// cost more than refusing it.
type accessLog struct {
	*slog.Logger
	sample    int64 // one of this many successful requests has a line
	succeeded atomic.Int64

	mutex    sync.Mutex
	next     time.Time // when a refusal may have a line again
	unlogged int       // refusals since the last one with a line
}

// refusalPause is the least time between the lines of two refusals.
const refusalPause = time.Second

// line is what the log says about a request besides its exchange.
type line struct {
	method string
	status int
	took   time.Duration
}

func (l *accessLog) write(ctx context.Context, x *Exchange, about line) {
	if !l.Enabled(ctx, slog.LevelInfo) {
		return
	}
	unlogged, due := 0, true
	switch {
	case x.refused:
		unlogged, due = l.refusal(time.Now())
	case about.status < http.StatusBadRequest:
		due = (l.succeeded.Add(1)-1)%l.sample == 0
	}
	if !due {
		return
	}
	attributes := make([]slog.Attr, 0, 7)
	attributes = append(attributes,
		slog.String("method", about.method), slog.String("route", x.Route), slog.Int("status", about.status),
		slog.Duration("duration", about.took), slog.String("request_id", x.ID),
	)
	if x.Caller.UserID != 0 {
		attributes = append(attributes, slog.Int64("user_id", x.Caller.UserID))
	}
	if unlogged > 0 {
		attributes = append(attributes, slog.Int("unlogged", unlogged))
	}
	l.LogAttrs(ctx, slog.LevelInfo, "request", attributes...)
}

// refusal reports whether a refusal at the time has a line, and how many before it had none.
func (l *accessLog) refusal(now time.Time) (unlogged int, due bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if now.Before(l.next) {
		l.unlogged++
		return 0, false
	}
	unlogged, l.unlogged = l.unlogged, 0
	l.next = now.Add(refusalPause)
	return unlogged, true
}
