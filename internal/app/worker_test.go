package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/telemetry"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestEveryConsumerHasAConnection lets as many readers wait for Redis as the worker has: none of them may keep another one, or
// what acknowledges and publishes, from a connection.
func TestEveryConsumerHasAConnection(t *testing.T) {
	t.Parallel()
	const concurrency = 200 // more than the client's own pool has
	url, prefix := testkit.NewRedis(t)
	client, err := openWorkerRedis(settings.Worker{Redis: settings.Redis{URL: settings.Secret(url)}, Concurrency: concurrency}, noop.NewTracerProvider())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	ended := make(chan error, concurrency)
	for i := range concurrency {
		go func() { ended <- client.BLPop(ctx, time.Second, fmt.Sprint(prefix, i)).Err() }()
	}
	for range concurrency {
		if err := <-ended; !errors.Is(err, redis.Nil) {
			t.Errorf("a reader: %v", err)
		}
	}
	if stats := client.PoolStats(); stats.WaitCount != 0 {
		t.Errorf("%d of %d readers waited for a connection, %s together", stats.WaitCount, concurrency, time.Duration(stats.WaitDurationNs))
	}
}

// TestNothingWorksBeforeTheDatabaseIsReady holds a part back until its check passes.
func TestNothingWorksBeforeTheDatabaseIsReady(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	asked := make(chan struct{}, 1)
	check := telemetry.Check{Name: "database", Run: func(context.Context) error {
		select {
		case asked <- struct{}{}:
		default:
		}
		if !ready.Load() {
			return errors.New("the schema is behind")
		}
		return nil
	}}
	var log strings.Builder
	started := make(chan bool, 1)
	part := afterCheck(check, slog.New(slog.NewTextHandler(&log, nil)), func(context.Context) error {
		started <- ready.Load()
		return nil
	})
	ended := make(chan error, 1)
	go func() { ended <- part(t.Context()) }()
	for range 2 {
		<-asked
	}
	ready.Store(true)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if !<-started {
		t.Error("the part started before")
	}
	if strings.Count(log.String(), "the schema is behind") != 1 {
		t.Errorf("the log is %s", log.String())
	}
	ready.Store(false)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := part(stopped); err != nil || len(started) != 0 {
		t.Errorf("told to stop while it waits: %v, %d parts started", err, len(started))
	}
}
