package worker

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// refusal is a state in which Redis answers reads and refuses writes.
type refusal struct {
	answer       string // the beginning of its error
	begin, cease func(t *testing.T, client *redis.Client)
}

func configure(name, value string) func(*testing.T, *redis.Client) {
	return func(t *testing.T, client *redis.Client) {
		t.Helper()
		if err := client.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func replicaOf(host, port string) func(*testing.T, *redis.Client) {
	return func(t *testing.T, client *redis.Client) {
		t.Helper()
		if err := client.ReplicaOf(t.Context(), host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// failToSave makes a snapshot impossible by creating a directory in its place.
func failToSave(t *testing.T, client *redis.Client) {
	t.Helper()
	directory := client.ConfigGet(t.Context(), "dir").Val()["dir"]
	if err := os.MkdirAll(filepath.Join(directory, "dump.rdb", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	configure("save", "3600 1")(t, client)
	if err := client.BgSave(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the snapshot has failed", func() bool {
		return strings.Contains(client.Info(t.Context(), "persistence").Val(), "rdb_last_bgsave_status:err")
	})
}

// TestRedisThatRefusesWritesUsesNoAttempts lets Redis refuse the relay's writes for a while. Two attempts are an hour apart,
// so an event that had used up an attempt would arrive too late.
func TestRedisThatRefusesWritesUsesNoAttempts(t *testing.T) {
	t.Parallel()
	for _, r := range []refusal{
		{"NOREPLICAS", configure("min-replicas-to-write", "1"), configure("min-replicas-to-write", "0")},
		{"OOM", configure("maxmemory", "1"), configure("maxmemory", "0")},
		{"MISCONF", failToSave, configure("save", "")},
		{"READONLY", replicaOf("127.0.0.1", "1"), replicaOf("no", "one")},
	} {
		t.Run(r.answer, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, testkit.NewDatabase(t, rights.Migrate))
			if err := p.createRecords(t.Context(), 3); err != nil {
				t.Fatal(err)
			}
			p.db.Exec(`UPDATE outbox SET attempts = 9`) // another failure would be the last
			client := newClient(t, testkit.StartRedis(t).URL(0))
			r.begin(t, client)
			claims := &claiming{Outbox: p.outbox, claimed: make(chan struct{}, 100)}
			w, err := New(Options{
				Outbox: claims, Cleanup: p.cleanup, Stream: newStream(t, client), Log: slog.New(slog.DiscardHandler), RetryAfter: time.Hour,
			})
			if err != nil {
				t.Fatal(err)
			}
			start(t, w)
			receive(t, "a claim", claims.claimed)
			receive(t, "the same events' next claim", claims.claimed)
			if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "x", Values: []string{"x", "y"}}).Err(); err == nil || !strings.HasPrefix(err.Error(), r.answer) {
				t.Fatalf("Redis answers %v", err)
			}
			r.cease(t, client)
			eventually(t, "every event is finished", func() bool { return p.openEvents() == 0 })
			// The consumer group is new, so that even the next attempt may not count.
			if got := p.db.Count(`SELECT count(*) FROM outbox WHERE outcome = 'done' AND attempts <= 10`); got != 3 {
				t.Errorf("%d events are done by their next attempt, want 3", got)
			}
		})
	}
}

// claiming sends a value for each claim that returned events.
type claiming struct {
	Outbox
	claimed chan struct{}
}

func (c *claiming) Claim(ctx context.Context, limit int, retryAfter time.Duration) ([]clinic.Event, error) {
	events, err := c.Outbox.Claim(ctx, limit, retryAfter)
	if len(events) > 0 {
		c.claimed <- struct{}{}
	}
	return events, err
}
