package app

import (
	"context"
	"fmt"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"

	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/telemetry"
)

// openDB opens the pool, with tracing unless traces is nil. Spans carry the statement's name and
// text, never its parameters.
func openDB(ctx context.Context, part schema.Part, cfg settings.Database, traces trace.TracerProvider) (*store.DB, error) {
	var tracer pgx.QueryTracer
	if traces != nil {
		tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(traces))
	}
	db, err := store.Open(ctx, store.Options{
		URL:      cfg.ConnString().Reveal(),
		Settings: part.Settings(),
		MaxConns: cfg.MaxConns,
		Tracer:   tracer,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return db, nil
}

// openMigratedDB opens the pool of a command that runs once. It fails if
// `healthrecords migrate` has not run.
func openMigratedDB(ctx context.Context, cfg settings.Database) (*store.DB, error) {
	db, err := openDB(ctx, "", cfg, nil)
	if err != nil {
		return nil, err
	}
	if err := schema.Check(ctx, db); err != nil {
		db.Close()
		return nil, fmt.Errorf("checking the database: %w", err)
	}
	return db, nil
}

// openRedis returns a client, with tracing unless traces is nil. The client connects when it is first
// used, so that a part can start without Redis.
func openRedis(options *redis.UniversalOptions, traces trace.TracerProvider) (redis.UniversalClient, error) {
	client := redis.NewUniversalClient(options)
	if traces == nil {
		return client, nil
	}
	err := redisotel.InstrumentTracing(client, redisotel.WithTracerProvider(traces), redisotel.WithDBStatement(false))
	if err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("tracing Redis: %w", err)
	}
	return client, nil
}

// databaseCheck succeeds if Postgres accepts writes and `healthrecords migrate` has run.
func databaseCheck(db *store.DB) telemetry.Check {
	return telemetry.Check{Name: "database", Run: func(ctx context.Context) error {
		if err := db.Ready(ctx); err != nil {
			return err
		}
		return schema.Check(ctx, db)
	}}
}
