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

const flushGrace = 5 * time.Second // for exporting the last spans

// process is the log, the metrics, the traces and the admin port of a
// long-running part.
type process struct {
	log      *slog.Logger
	registry *prometheus.Registry
	gatherer prometheus.Gatherer // the metrics on the admin port: the registry, and that of controller-runtime in the controller
	traces   telemetry.Traces
	admin    settings.Admin
}

// newProcess creates the logger, the registry and the tracer of the part with the
// name. The logger becomes the default, also for libraries.
func newProcess(ctx context.Context, name string, stderr io.Writer, common settings.Common, admin settings.Admin) (*process, error) {
	log := telemetry.NewLogger(stderr, common.LogLevel, common.LogFormat)
	slog.SetDefault(log)
	redis.SetLogger(redisLog{log})
	for _, near := range settings.Misspelled() {
		log.WarnContext(ctx, "an environment variable has nearly the name of a setting, and no effect", "variable", near.Variable, "setting", near.Setting)
	}
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler())) // global, and set only once: setting it concurrently is a data race
	traces, err := telemetry.NewTraces(ctx, telemetry.TraceOptions{Service: "healthrecords-" + name, Version: Version(), Log: log})
	if err != nil {
		return nil, fmt.Errorf("setting up traces: %w", err)
	}
	registry := telemetry.NewRegistry(Version())
	return &process{log: log, registry: registry, gatherer: registry, traces: traces, admin: admin}, nil
}

// run runs the parts until ctx ends or one fails, and then lets all of them drain.
// The admin port stays open until then, so that readiness and metrics show the drain.
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
		err = nil // a requested stop is not an error
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

// redisLog receives the messages of the Redis client about each failed connection.
// They are for debugging only: the parts that need Redis log an outage once.
type redisLog struct{ log *slog.Logger }

// Printf logs a message at the debug level.
func (r redisLog) Printf(ctx context.Context, format string, v ...any) {
	r.log.DebugContext(ctx, "redis client", "message", fmt.Sprintf(format, v...))
}
