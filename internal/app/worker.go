package app

import (
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/trace"

	"github.com/healthrecords/healthrecords/internal/auditlog"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/stream"
	"github.com/healthrecords/healthrecords/internal/telemetry"
	"github.com/healthrecords/healthrecords/internal/token"
	"github.com/healthrecords/healthrecords/worker"
)

func newWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "worker",
		Short: "Turn events into notifications",
		Long:  "Publish the events of the outbox and turn them into notifications until SIGTERM, then finish the current batches.\n\n" + settings.Usage(&settings.Worker{}),
		Args:  takesNoArguments,
		RunE:  runWorker,
	}
}

func runWorker(cmd *cobra.Command, _ []string) error {
	ctx := cmd.Context()
	var cfg settings.Worker
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	p, err := newProcess(ctx, "worker", cmd.ErrOrStderr(), cfg.Common, cfg.Admin)
	if err != nil {
		return err
	}
	db, err := openDB(ctx, schema.PartWorker, cfg.Database, p.traces.Provider)
	if err != nil {
		return err
	}
	defer db.Close()
	redisClient, err := openWorkerRedis(cfg, p.traces.Provider)
	if err != nil {
		return err
	}
	defer func() { _ = redisClient.Close() }()
	events, err := stream.New(stream.Options{Client: redisClient, KeyPrefix: cfg.Redis.KeyPrefix})
	if err != nil {
		return fmt.Errorf("setting up the stream: %w", err)
	}
	keys, err := token.OpenKeys(token.KeysOptions{Dir: cfg.AuditKeysDir, Log: p.log})
	if err != nil {
		return fmt.Errorf("loading the audit keys: %w", err)
	}
	sealer, err := auditlog.NewSealer(auditlog.SealerOptions{DB: db, Key: keys.SigningKey})
	if err != nil {
		return fmt.Errorf("setting up the sealer: %w", err)
	}
	w, err := worker.New(worker.Options{
		Outbox: service.NewOutbox(db), Cleanup: service.NewCleanup(db), Stream: events, Sealer: sealer,
		Search: service.NewSearchIndex(db, clinic.Language(cfg.Search.Language)), Log: p.log,
		Registerer: p.registry, Tracer: p.traces.Provider,
		Concurrency: cfg.Concurrency, BatchSize: cfg.BatchSize, MaxBacklog: cfg.MaxBacklog, MaxAttempts: cfg.MaxAttempts,
		PollInterval: cfg.PollInterval, RetryAfter: cfg.RetryAfter, KeepFinished: cfg.KeepFinished, Retention: cfg.Retention,
	})
	if err != nil {
		return fmt.Errorf("setting up the worker: %w", err)
	}
	check := databaseCheck(db) // with an outdated schema, an attempt could fail for good
	return p.run(ctx, []telemetry.Check{check}, keys.Watch, check.Before(p.log, w.Start))
}

// openWorkerRedis returns a client with enough connections for everything that the
// worker does at the same time.
func openWorkerRedis(cfg settings.Worker, traces trace.TracerProvider) (redis.UniversalClient, error) {
	options := cfg.Redis.Options()
	options.PoolSize = worker.Connections(cfg.Concurrency)
	return openRedis(options, traces)
}
