package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// ErrBehind means that `healthrecords migrate` has not run for this version
// yet. A newer schema is fine: migrations only expand what a running
// version needs.
var ErrBehind = errors.New("the database schema is older than this program: run `healthrecords migrate`")

// Database returns its schema's version: see store.DB.
type Database interface {
	// SchemaVersion returns the number of the newest migration that was applied; 0 before the first.
	SchemaVersion(ctx context.Context) (int64, error)
}

// Check fails with ErrBehind unless the database has the schema that this
// program needs. It only reads.
func Check(ctx context.Context, db Database) error {
	want, err := latestVersion()
	if err != nil {
		return err
	}
	have, err := db.SchemaVersion(ctx)
	if err == nil && have < want {
		return ErrBehind
	}
	return err
}

func latestVersion() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("reading the embedded migrations: %w", clinic.Internal(err))
	}
	version, err := goose.NumericComponent(names[len(names)-1])
	if err != nil {
		return 0, fmt.Errorf("reading the last migration's version: %w", err)
	}
	return version, nil
}
