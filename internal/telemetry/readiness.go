package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	checkTimeout  = 3 * time.Second
	awaitInterval = time.Second
)

// Check is one condition of readiness. Run gets a few seconds; its error is
// logged when it begins, and never part of an answer.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// Await runs the check until it passes. When ctx ends first, it returns the context's
// error.
func (c Check) Await(ctx context.Context, log *slog.Logger) error {
	for attempt := 0; ; attempt++ {
		bounded, cancel := context.WithTimeout(ctx, checkTimeout)
		err := c.Run(bounded)
		cancel()
		if err == nil {
			return nil
		}
		if attempt == 0 && ctx.Err() == nil {
			log.WarnContext(ctx, "waiting until a check passes", "check", c.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(awaitInterval):
		}
	}
}

// Before returns a part that starts once the check passes, and never when its
// context ends earlier.
func (c Check) Before(log *slog.Logger, part func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := c.Await(ctx, log); err != nil {
			return nil //nolint:nilerr // the process stops before the part starts
		}
		return part(ctx)
	}
}

// Latched returns a check that keeps passing after it has passed once.
func (c Check) Latched() Check {
	var passed atomic.Bool
	return Check{Name: c.Name, Run: func(ctx context.Context) error {
		if passed.Load() {
			return nil
		}
		err := c.Run(ctx)
		if err == nil {
			passed.Store(true)
		}
		return err
	}}
}

// Draining is a check that fails once ctx ends, so that a process that is
// stopping gets no new work.
func Draining(ctx context.Context) Check {
	return Check{Name: "draining", Run: func(context.Context) error { return ctx.Err() }}
}

type readiness struct {
	checks []Check
	log    *slog.Logger

	mutex   sync.Mutex
	failing map[string]bool
}

// ServeHTTP runs all checks at once and answers 200 when they pass and 503
// otherwise, with a line for each.
func (r *readiness) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	ctx, cancel := context.WithTimeout(request.Context(), checkTimeout)
	defer cancel()
	results := make([]error, len(r.checks))
	var group sync.WaitGroup
	for i, check := range r.checks {
		group.Go(func() { results[i] = check.Run(ctx) })
	}
	group.Wait()

	var body strings.Builder
	status := http.StatusOK
	for i, check := range r.checks {
		result := "ok"
		if results[i] != nil {
			result, status = "failed", http.StatusServiceUnavailable
		}
		_, _ = fmt.Fprintf(&body, "%s %s\n", check.Name, result)
		if request.Context().Err() == nil { // otherwise the client has given up
			r.tell(ctx, check.Name, results[i])
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body.String()))
}

// tell logs a check's result when it differs from the last one.
func (r *readiness) tell(ctx context.Context, name string, err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.failing[name] == (err != nil) {
		return
	}
	r.failing[name] = err != nil
	if err != nil {
		r.log.WarnContext(ctx, "readiness check fails", "check", name, "error", err)
		return
	}
	r.log.InfoContext(ctx, "readiness check passes again", "check", name)
}
