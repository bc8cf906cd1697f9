package cache

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"
)

// TestAnAnswerOfBeforeDoesNotEndThePause: one of two concurrent calls fails, and
// the other one, which began before the failure, gets its answer late.
func TestAnAnswerOfBeforeDoesNotEndThePause(t *testing.T) {
	t.Parallel()
	b := newBreaker("test", time.Minute, time.Hour, slog.New(slog.DiscardHandler))
	asked, answered, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		ended <- b.call(t.Context(), func(context.Context) error {
			close(asked)
			<-answered
			return nil
		})
	}()
	<-asked
	errAway := errors.New("away")
	if err := b.call(t.Context(), func(context.Context) error { return errAway }); !errors.Is(err, errAway) {
		t.Fatal(err)
	}
	close(answered)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := b.call(t.Context(), func(context.Context) error { return nil }); !errors.Is(err, errPaused) {
		t.Errorf("Redis is called in the pause: %v", err)
	}
	b.resume.Store(1) // the pause is over
	for range 2 {
		if err := b.call(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	}
}
