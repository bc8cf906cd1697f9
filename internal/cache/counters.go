package cache

import (
	"context"
	"fmt"
	"time"

	"github.com/go-redis/redis_rate/v10"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"
)

// sharedCounter counts in Redis.
type sharedCounter struct {
	client  redis.UniversalClient
	prefix  string
	limiter *redis_rate.Limiter
	redis   *breaker
}

func newSharedCounter(client redis.UniversalClient, prefix string, b *breaker) sharedCounter {
	return sharedCounter{client: client, prefix: prefix, limiter: redis_rate.NewLimiter(prefixed{client, prefix}), redis: b}
}

func (c sharedCounter) take(ctx context.Context, b bucket, n int) (wait time.Duration, err error) {
	limit := redis_rate.Limit{Rate: b.attempts, Burst: b.attempts, Period: b.period}
	err = c.redis.call(ctx, func(ctx context.Context) error {
		result, err := c.limiter.AllowN(ctx, b.key, limit, n)
		if err == nil && result.Allowed == 0 {
			wait = result.RetryAfter
		}
		return err
	})
	return wait, err
}

func (c sharedCounter) usualKey(key string) string { return c.prefix + "usual:" + key }

func (c sharedCounter) usual(ctx context.Context, key string) (usual bool, err error) {
	err = c.redis.call(ctx, func(ctx context.Context) error {
		n, err := c.client.Exists(ctx, c.usualKey(key)).Result()
		usual = n > 0
		return err
	})
	return usual, err
}

func (c sharedCounter) remember(ctx context.Context, key string) error {
	return c.redis.call(ctx, func(ctx context.Context) error {
		return c.client.Set(ctx, c.usualKey(key), 1, usualFor).Err()
	})
}

// prefixed puts the prefix of all keys before the one that redis_rate puts
// before its own.
type prefixed struct {
	redis.UniversalClient
	prefix string
}

// Eval runs a script on one key.
func (p prefixed) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return p.UniversalClient.Eval(ctx, script, []string{p.prefix + keys[0]}, args...)
}

// EvalSha runs a script that Redis knows on one key.
func (p prefixed) EvalSha(ctx context.Context, sum string, keys []string, args ...any) *redis.Cmd {
	return p.UniversalClient.EvalSha(ctx, sum, []string{p.prefix + keys[0]}, args...)
}

const localEntries = 10_000 // of each kind; the least recently used makes room

// localCounter counts in this process. It cannot fail.
type localCounter struct {
	limiters *lru.Cache[string, *rate.Limiter]
	known    *lru.Cache[string, struct{}]
}

func newLocalCounter() (localCounter, error) {
	limiters, err := lru.New[string, *rate.Limiter](localEntries)
	if err != nil {
		return localCounter{}, fmt.Errorf("making the throttle's counts: %w", err)
	}
	known, err := lru.New[string, struct{}](localEntries)
	if err != nil {
		return localCounter{}, fmt.Errorf("making the throttle's usual addresses: %w", err)
	}
	return localCounter{limiters: limiters, known: known}, nil
}

func (c localCounter) take(_ context.Context, b bucket, n int) (wait time.Duration, err error) {
	limiter, ok := c.limiters.Get(b.key)
	if !ok {
		limiter = rate.NewLimiter(rate.Every(b.period/time.Duration(b.attempts)), b.attempts)
		if other, there, _ := c.limiters.PeekOrAdd(b.key, limiter); there {
			limiter = other
		}
	}
	now := time.Now()
	if limiter.AllowN(now, n) {
		return 0, nil
	}
	missing := 1 - min(limiter.TokensAt(now), 0.99) // another may have given one back just now
	return time.Duration(missing / float64(limiter.Limit()) * float64(time.Second)), nil
}

func (c localCounter) usual(_ context.Context, key string) (bool, error) {
	_, ok := c.known.Get(key)
	return ok, nil
}

func (c localCounter) remember(_ context.Context, key string) error {
	c.known.Add(key, struct{}{})
	return nil
}
