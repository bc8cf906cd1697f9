package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// indexBatch is how many records a transaction indexes.
const indexBatch = 5000

// index does the work of the worker for the search, with as many connections as the machine has cores, and removes what waits
// for the worker.
func (s *stage) index(ctx context.Context, name string) error {
	start := time.Now()
	connection, err := pgx.Connect(ctx, s.postgres.DSN(name))
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer connection.Close(context.WithoutCancel(ctx))
	var upTo int64
	if err := connection.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM health_records").Scan(&upTo); err != nil {
		return fmt.Errorf("looking for the last record: %w", err)
	}
	batches := make(chan int64)
	group, working := errgroup.WithContext(ctx)
	for range runtime.NumCPU() {
		group.Go(func() error { return s.indexBatches(working, name, batches) })
	}
	group.Go(func() error {
		defer close(batches)
		for from := int64(1); from <= upTo; from += indexBatch {
			select {
			case batches <- from:
			case <-working.Done():
				return working.Err()
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	for _, statement := range []string{"TRUNCATE search_pending", "VACUUM (ANALYZE) record_search"} {
		if _, err := connection.Exec(ctx, statement); err != nil {
			return fmt.Errorf("finishing the index: %w", err)
		}
	}
	s.say("indexed %s in %.0f s", name, time.Since(start).Seconds())
	return nil
}

func (s *stage) indexBatches(ctx context.Context, name string, batches <-chan int64) error {
	connection, err := pgx.Connect(ctx, s.postgres.DSN(name))
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer connection.Close(context.WithoutCancel(ctx))
	for from := range batches {
		_, err := connection.Exec(ctx, `SELECT index_records(ARRAY(SELECT id FROM health_records WHERE id >= $1 AND id < $2 ORDER BY id), 'en')`,
			from, from+indexBatch)
		if err != nil {
			return fmt.Errorf("indexing records: %w", err)
		}
	}
	return nil
}
