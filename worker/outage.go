package worker

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// outage slows a loop down while what it depends on fails, and logs when that
// begins and when it is over rather than each failure.
type outage struct {
	log   *slog.Logger
	what  string // what the loop does, e.g. "publishing events"
	delay time.Duration
}

// wait pauses, about twice as long each time, up to five seconds.
func (o *outage) wait(ctx context.Context, err error) {
	if o.delay == 0 && ctx.Err() == nil {
		o.log.WarnContext(ctx, "work is interrupted", "doing", o.what, "code", clinic.CodeOf(err), "error", err)
	}
	o.delay = min(max(2*o.delay, minBackoff), maxBackoff)
	pause(ctx, o.delay/2+rand.N(o.delay/2)) //nolint:gosec // spreads load, hides nothing
}

// over says that it works.
func (o *outage) over(ctx context.Context) {
	if o.delay > 0 {
		o.log.InfoContext(ctx, "work goes on", "doing", o.what)
		o.delay = 0
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// every calls do at once and then each interval until ctx ends; while it fails,
// less often.
func every(ctx context.Context, interval time.Duration, o *outage, do func(context.Context) error) {
	for ctx.Err() == nil {
		if err := do(ctx); err != nil {
			o.wait(ctx, err)
			continue
		}
		o.over(ctx)
		pause(ctx, interval)
	}
}
