package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/telemetry"
)

const flushGrace = 5 * time.Second // for spans that are not exported yet

// process is what every long-running part has: its log, metrics, traces and
// admin port.
type process struct {
	log      *slog.Logger
	registry *prometheus.Registry
	gatherer prometheus.Gatherer // what the admin port shows: the registry, and the controller's own
	traces   telemetry.Traces
	admin    settings.Admin
}

// newProcess makes logger, registry and tracer of the part called name; its
// logger becomes the default one, for the libraries too.
func newProcess(ctx context.Context, name string, stderr io.Writer, common settings.Common, admin settings.Admin) (*process, error) {
	log := telemetry.NewLogger(stderr, common.LogLevel, common.LogFormat)
	slog.SetDefault(log)
	redis.SetLogger(redisLog{log})
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler())) // for the process, once: setting it twice at a time is a race
	traces, err := telemetry.NewTraces(ctx, telemetry.TraceOptions{Service: "healthrecords-" + name, Version: Version(), Log: log})
	if err != nil {
		return nil, fmt.Errorf("setting up traces: %w", err)
	}
	registry := telemetry.NewRegistry(Version())
	return &process{log: log, registry: registry, gatherer: registry, traces: traces, admin: admin}, nil
}

// run runs the parts until ctx ends or one fails, lets all drain, and keeps the
// admin port open until then, so that readiness and metrics tell of the drain.
func (p *process) run(ctx context.Context, checks []telemetry.Check, parts ...func(context.Context) error) error {
	defer p.flush(ctx)
	admin, err := telemetry.NewAdmin(ctx, telemetry.AdminOptions{
		Address:  p.admin.Address,
		Gatherer: p.gatherer,
		Checks:   append(checks, telemetry.Draining(ctx)),
		Log:      p.log,
	})
	if err != nil {
		return err
	}
	adminCtx, stopAdmin := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAdmin()
	group, groupCtx := errgroup.WithContext(ctx)
	work, workCtx := errgroup.WithContext(groupCtx)
	for _, part := range parts {
		work.Go(func() error { return part(workCtx) })
	}
	group.Go(func() error {
		defer stopAdmin()
		return work.Wait()
	})
	group.Go(func() error { return admin.Start(adminCtx) })
	p.log.InfoContext(ctx, "started", "version", Version(), "admin_address", admin.Address())
	err = group.Wait()
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil // told to stop, and stopped
	}
	p.log.InfoContext(ctx, "stopped")
	return err
}

func (p *process) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushGrace)
	defer cancel()
	if err := p.traces.Shutdown(ctx); err != nil {
		p.log.WarnContext(ctx, "exporting the last traces failed", "error", err)
	}
}

// redisLog takes what the Redis client says of its connections. It says so for
// each one that fails; whoever needs Redis tells of an outage once.
type redisLog struct{ log *slog.Logger }

// Printf logs a message for those who debug.
func (r redisLog) Printf(ctx context.Context, format string, v ...any) {
	r.log.DebugContext(ctx, "redis client", "message", fmt.Sprintf(format, v...))
}
