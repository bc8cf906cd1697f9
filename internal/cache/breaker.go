package cache

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// breaker calls Redis with a timeout, and pauses after a failure.
type breaker struct {
	part    string        // what uses Redis, for the log
	timeout time.Duration // of a call
	pause   time.Duration // after a failure
	log     *slog.Logger
	resume  atomic.Int64 // Unix nanoseconds until which Redis is not called; 0: it answers
}

// newBreaker sets defaults for zero values: 100 ms, 5 s, slog.Default().
func newBreaker(part string, timeout, pause time.Duration, log *slog.Logger) *breaker {
	if log == nil {
		log = slog.Default()
	}
	return &breaker{
		part: part, timeout: cmp.Or(timeout, 100*time.Millisecond), pause: cmp.Or(pause, 5*time.Second), log: log,
	}
}

var errPaused = errors.New("redis failed a moment ago")

// call calls Redis, unless it failed a moment ago. The first failure and the
// recovery are logged.
func (b *breaker) call(ctx context.Context, ask func(context.Context) error) error {
	resume := b.resume.Load()
	if time.Now().UnixNano() < resume {
		return errPaused
	}
	short, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	err := ask(short)
	switch {
	case err == nil:
		// An answer to a call from before a failure proves nothing about Redis since.
		if resume != 0 && b.resume.CompareAndSwap(resume, 0) {
			b.log.InfoContext(ctx, "redis works again", "part", b.part)
		}
	case ctx.Err() == nil: // Redis failed, the caller did not leave
		if b.resume.Swap(time.Now().Add(b.pause).UnixNano()) == 0 {
			b.log.WarnContext(ctx, "redis does not work: continuing without it", "part", b.part, "error", err)
		}
	}
	return err
}
