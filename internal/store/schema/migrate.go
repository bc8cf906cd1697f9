package schema

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/healthrecords/healthrecords/internal/store/postgres"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the schema at url to the version of this binary, one
// transaction per migration, under an advisory lock: a second Migrate waits
// for the first. A migration that gets no lock in time is tried again, so that no
// request waits behind it for long. It logs each migration to slog's default logger.
func Migrate(ctx context.Context, url string) error {
	config, err := ownerConfig(url)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config) // goose takes database/sql
	defer func() { _ = db.Close() }()
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	if err := postgres.RetryLocked(ctx, func() error { return up(ctx, provider) }); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return nil
}

// up logs the migrations that it applied, even when a later one fails.
func up(ctx context.Context, provider *goose.Provider) error {
	results, err := provider.Up(ctx)
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
	}
	for _, r := range results {
		slog.InfoContext(ctx, "migrated", "version", r.Source.Version, "duration", r.Duration.Round(time.Millisecond))
	}
	return err
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("reading the embedded migrations: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fmt.Errorf("making the migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return nil, fmt.Errorf("reading the migrations: %w", err)
	}
	return provider, nil
}

// ownerConfig reads the URL of a command that changes the schema as its owner. Each
// wait for a lock is short: see postgres.RetryLocked.
func ownerConfig(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, postgres.ErrBadURL
	}
	postgres.Configure(config)
	config.RuntimeParams["lock_timeout"] = postgres.LockTimeout
	return config, nil
}
