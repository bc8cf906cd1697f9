package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const canary = "canary-8d1f"

type sqlError struct{}

func (sqlError) Error() string    { return "duplicate key value: (" + canary + ")" }
func (sqlError) SQLState() string { return "23505" }

func TestLogFailureTellsNoDriversWords(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		fmt.Errorf("creating a record: %w", clinic.Internal(sqlError{})),
		errors.Join(clinic.Internal(nil), sqlError{}),
		fmt.Errorf("saving %s: %w", canary, sqlError{}),
		sqlError{},
	} {
		var log bytes.Buffer
		logFailure(t.Context(), slog.New(slog.NewJSONHandler(&log, nil)), err)
		if strings.Contains(log.String(), canary) {
			t.Errorf("the log quotes the row: %s", log.String())
		}
		if !strings.Contains(log.String(), "23505") {
			t.Errorf("the log lacks the SQLSTATE: %s", log.String())
		}
	}
}

func TestProblemsTellNoCause(t *testing.T) {
	t.Parallel()
	for _, err := range []error{clinic.Internal(sqlError{}), clinic.Unavailable(sqlError{}), sqlError{}, fmt.Errorf("%s: %w", canary, sqlError{})} {
		answer := httptest.NewRecorder()
		ProblemOf(t.Context(), err).Write(answer)
		if strings.Contains(answer.Body.String(), canary) {
			t.Errorf("the answer quotes the row: %s", answer.Body)
		}
		if answer.Code < 500 {
			t.Errorf("status = %d, want 5xx", answer.Code)
		}
	}
}

func TestAContextThatEndedIsUnavailableNotAFault(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p := ProblemOf(ctx, ctx.Err()); p.Status != http.StatusServiceUnavailable || p.header.Get("Retry-After") == "" {
		t.Errorf("problem = %+v, want 503 with Retry-After", p)
	}
}

// A closed connection explains canceled work, but no other failure.
func TestOnlyWorkThatWasBrokenOffCountsAsLeft(t *testing.T) {
	t.Parallel()
	gone, leave := context.WithCancel(t.Context())
	leave()
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for _, test := range []struct {
		name string
		ctx  func() context.Context
		err  error
		left bool
	}{
		{"broken off", func() context.Context { return gone }, clinic.Unavailable(context.Canceled), true},
		{"broken off, without a code", func() context.Context { return gone }, context.Canceled, true},
		{"a fault, as the client left", func() context.Context { return gone }, clinic.Internal(sqlError{}), false},
		{"the time was over", func() context.Context { return late }, clinic.Unavailable(context.DeadlineExceeded), false},
		{"Postgres is away", t.Context, clinic.Unavailable(sqlError{}), false},
	} {
		x := &Exchange{}
		ctx := context.WithValue(test.ctx(), exchangeKey{}, x)
		_ = ProblemOf(ctx, test.err)
		var log bytes.Buffer
		logFailure(ctx, slog.New(slog.NewJSONHandler(&log, nil)), test.err)
		if x.clientClosed != test.left || (log.Len() == 0) != test.left {
			t.Errorf("%s: left is %t, and the log %q", test.name, x.clientClosed, log.String())
		}
	}
}

func TestPanicsAnswer500AndAreLoggedWithoutTheirText(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]any{"text": canary, "error": sqlError{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			o, err := NewObserver(ObserverOptions{Log: slog.New(slog.NewJSONHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			handler := o.Observe(o.Recover(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(cause) })))
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			if answer.Code != http.StatusInternalServerError || answer.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("answer = %d %s", answer.Code, answer.Header())
			}
			for where, text := range map[string]string{"answer": answer.Body.String(), "log": log.String()} {
				if strings.Contains(text, canary) {
					t.Errorf("the %s has the panic's text: %s", where, text)
				}
			}
			if strings.Contains(answer.Body.String(), "goroutine") || !strings.Contains(log.String(), "goroutine") {
				t.Error("the stack belongs into the log and nowhere else")
			}
			if id := answer.Header().Get("X-Request-ID"); !strings.Contains(answer.Body.String(), id) || !strings.Contains(log.String(), id) {
				t.Error("the request id is to be in the answer and in the log")
			}
		})
	}
}

func TestSaneRequestID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"0f8c2a51-7b1e-4f3c-9a55-2f1c7b8f3d10": true, "req_1.2": true,
		"": false, strings.Repeat("a", 65): false, "a b": false, "a\nb": false, "ä": false, `"`: false,
	} {
		if got := saneRequestID(id); got != want {
			t.Errorf("saneRequestID(%q) = %t, want %t", id, got, want)
		}
	}
}
