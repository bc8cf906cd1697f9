package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
)

// table is what COPY adds to a table.
type table struct {
	name    string
	columns []string
	count   int
	rows    iter.Seq[[]any]
}

// loader fills a database as its owner. The triggers run: names are kept by time, and assignments get their claims.
type loader struct {
	connection *pgx.Conn
	progress   io.Writer
}

func (l *loader) load(ctx context.Context, tables []table) error {
	for _, t := range tables {
		if err := l.copy(ctx, t); err != nil {
			return fmt.Errorf("loading %s: %w", t.name, err)
		}
	}
	if _, err := l.connection.Exec(ctx, "VACUUM (ANALYZE)"); err != nil {
		return fmt.Errorf("analyzing the tables: %w", err)
	}
	if _, err := l.connection.Exec(ctx, "SELECT pg_stat_force_next_flush()"); err != nil {
		return fmt.Errorf("finishing: %w", err)
	}
	return nil
}

// copy adds the rows, and continues the ids behind them. COPY refuses tables with row-level security, even for an owner who may
// do everything: so the owner is exempt from it within the transaction.
func (l *loader) copy(ctx context.Context, t table) error {
	name := pgx.Identifier{t.name}.Sanitize()
	return pgx.BeginFunc(ctx, l.connection, func(tx pgx.Tx) error {
		var secured bool
		if err := tx.QueryRow(ctx, "SELECT relforcerowsecurity FROM pg_class WHERE oid = $1::regclass", t.name).Scan(&secured); err != nil {
			return fmt.Errorf("looking for the table: %w", err)
		}
		if secured {
			if _, err := tx.Exec(ctx, "ALTER TABLE "+name+" NO FORCE ROW LEVEL SECURITY"); err != nil {
				return fmt.Errorf("exempting the owner from row-level security: %w", err)
			}
		}
		source := &rowSource{table: t, progress: l.progress}
		source.next, source.stop = iter.Pull(t.rows)
		defer source.stop()
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, source); err != nil {
			return fmt.Errorf("copying the rows: %w", err)
		}
		if secured {
			if _, err := tx.Exec(ctx, "ALTER TABLE "+name+" FORCE ROW LEVEL SECURITY"); err != nil {
				return fmt.Errorf("restoring row-level security: %w", err)
			}
		}
		if t.columns[0] != "id" {
			return nil
		}
		_, err := tx.Exec(ctx, fmt.Sprintf("SELECT setval(pg_get_serial_sequence($1, 'id'), (SELECT max(id) FROM %s))", name), t.name)
		if err != nil {
			return fmt.Errorf("continuing the ids: %w", err)
		}
		return nil
	})
}

const progressEvery = 5 * time.Second

// rowSource is a pgx.CopyFromSource that tells from time to time how far it is.
type rowSource struct {
	table    table
	progress io.Writer
	next     func() ([]any, bool)
	stop     func()
	row      []any
	done     int
	told     time.Time
}

// Next implements pgx.CopyFromSource.
func (s *rowSource) Next() (more bool) {
	s.row, more = s.next()
	if s.told.IsZero() {
		s.told = time.Now()
	}
	if more {
		s.done++
	}
	if s.done%1000 == 0 && time.Since(s.told) >= progressEvery {
		s.told = time.Now()
		_, _ = fmt.Fprintf(s.progress, "bench: loading %s: %d of about %d rows\n", s.table.name, s.done, s.table.count)
	}
	return more
}

// Values implements pgx.CopyFromSource.
func (s *rowSource) Values() ([]any, error) { return s.row, nil }

// Err implements pgx.CopyFromSource.
func (s *rowSource) Err() error { return nil }
