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

// outage slows a loop down while a service that it depends on fails. It logs the
// beginning and the end of the outage instead of each failure.
type outage struct {
	log   *slog.Logger
	what  string // the work of the loop, such as "publishing events"
	delay time.Duration
}

// wait pauses. Each pause is about twice as long as the previous one, up to five seconds.
func (o *outage) wait(ctx context.Context, err error) {
	if o.delay == 0 && ctx.Err() == nil {
		o.log.WarnContext(ctx, "work interrupted", "doing", o.what, "code", clinic.CodeOf(err), "error", err)
	}
	o.delay = min(max(2*o.delay, minBackoff), maxBackoff)
	pause(ctx, o.delay/2+rand.N(o.delay/2)) //nolint:gosec // spreads load, and protects no secret
}

// over ends the outage, if there is one.
func (o *outage) over(ctx context.Context) {
	if o.delay > 0 {
		o.log.InfoContext(ctx, "work resumed", "doing", o.what)
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

// every calls do at once and then at each interval until ctx ends. While do fails,
// it is called less often.
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
