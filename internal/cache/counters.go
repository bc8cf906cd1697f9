package cache

import (
	"context"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"
)

// takeScript takes attempts from a bucket, or returns them, in one step. The
// bucket is the time at which it is full again (the generic cell rate algorithm's
// theoretical arrival time), in seconds since 2017, so that a double has
// room for microseconds. A full bucket has no key.
//
//	KEYS[1]  the bucket
//	ARGV     seconds to one more attempt; attempts of a full bucket; attempts to take, negative to return
//	returns  seconds until they can be taken; 0: they were taken
const takeScript = `
local interval, burst, n = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] - 1483228800 + clock[2] / 1000000
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + interval * n
local wait = full - interval * burst - now
if n > 0 and wait > 0 then
	return tostring(wait)
end
if full > now then
	redis.call('SET', KEYS[1], full, 'EX', math.ceil(full - now))
else
	redis.call('DEL', KEYS[1])
end
return '0'
`

// sharedCounter counts in Redis.
type sharedCounter struct {
	client     redis.UniversalClient
	prefix     string
	takeScript *redis.Script
	redis      *breaker
}

func newSharedCounter(client redis.UniversalClient, prefix string, b *breaker) sharedCounter {
	return sharedCounter{client: client, prefix: prefix, takeScript: redis.NewScript(takeScript), redis: b}
}

func (c sharedCounter) take(ctx context.Context, b bucket, n int) (wait time.Duration, err error) {
	err = c.redis.call(ctx, func(ctx context.Context) error {
		interval := b.period / time.Duration(b.attempts)
		seconds, err := c.takeScript.Run(ctx, c.client, []string{c.prefix + "rate:" + b.key}, interval.Seconds(), b.attempts, n).Float64()
		wait = time.Duration(seconds * float64(time.Second))
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

const localEntries = 10_000 // of each kind; the least recently used ones are dropped

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
	missing := 1 - min(limiter.TokensAt(now), 0.99) // another call may have returned one just now
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
