package app

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestEveryConsumerHasAConnection lets as many readers wait for Redis as the worker has. They must not take the connections of
// each other, or of the calls that acknowledge and publish.
func TestEveryConsumerHasAConnection(t *testing.T) {
	t.Parallel()
	const concurrency = 200 // more than the client's own pool has
	url, prefix := testkit.NewRedis(t)
	client, err := openWorkerRedis(settings.Worker{Redis: settings.Redis{URL: settings.Secret(url)}, Concurrency: concurrency}, nil)
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
