package testkit

import (
	"context"
	"fmt"
	"testing"

	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

type redisInstance struct {
	*services.Redis
	databases int
}

// NewRedis returns the connection URL of a logical database of the test's own in the shared instance, and a key prefix
// that no other test has, for channels and everything else that logical databases do not separate.
func NewRedis(t testing.TB) (url, prefix string) {
	t.Helper()
	instances.mutex.Lock()
	defer instances.mutex.Unlock()
	if instances.redis == nil {
		if err := instances.startRedis(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	server := instances.redis
	if server.databases == services.RedisDatabases {
		t.Fatalf("more than %d tests of this process asked for Redis", services.RedisDatabases)
	}
	database := server.databases
	server.databases++
	return server.URL(database), fmt.Sprintf("test-%d:", database)
}

// StartRedis starts an instance for one test alone, which may Stop, Kill and Start it again, empty each time. It ends
// with the test.
func StartRedis(t testing.TB) *services.Redis {
	t.Helper()
	server, err := services.StartRedis(t.Context(), services.RedisOptions{Dir: instances.newDir(t, "redis")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return server
}

func (s *shared) startRedis(ctx context.Context) error {
	dir, err := s.dir("redis")
	if err != nil {
		return err
	}
	server, err := services.StartRedis(ctx, services.RedisOptions{Dir: dir})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, server.Stop)
	s.redis = &redisInstance{Redis: server}
	return nil
}
