package web

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestTheAccessLogIsASample also checks that every failure has its line.
func TestTheAccessLogIsASample(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	observer, err := NewObserver(ObserverOptions{Log: slog.New(slog.NewTextHandler(&log, nil)), LogSample: 10})
	testkit.Must(t, err)
	handler := observer.Observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			ProblemOf(r.Context(), clinic.NotFound("path")).Write(w)
		}
	}))
	for range 21 {
		for _, path := range []string{"/", "/missing"} {
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		}
	}
	for status, want := range map[string]int{"status=200": 3, "status=404": 21} {
		if got := strings.Count(log.String(), status); got != want {
			t.Errorf("%d lines with %s, want %d", got, status, want)
		}
	}
}

func TestTheLogCountsTheRefusalsThatItLeavesOut(t *testing.T) {
	t.Parallel()
	var l accessLog
	now := time.Now()
	for _, step := range []struct {
		after    time.Duration
		unlogged int
		due      bool
	}{{0, 0, true}, {1, 0, false}, {refusalPause - 1, 0, false}, {refusalPause, 2, true}, {2 * refusalPause, 0, true}} {
		if unlogged, due := l.refusal(now.Add(step.after)); unlogged != step.unlogged || due != step.due {
			t.Errorf("after %s: %d, %t, want %d, %t", step.after, unlogged, due, step.unlogged, step.due)
		}
	}
}
