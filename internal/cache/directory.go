package cache

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// DirectoryOptions describe the cache of the doctor directory.
type DirectoryOptions struct {
	// Client must have ContextTimeoutEnabled. The caller closes it.
	Client  redis.UniversalClient
	Prefix  string        // of every key
	TTL     time.Duration // of a page; 0: one minute
	Timeout time.Duration // of a call of Redis; 0: 100 ms
	Pause   time.Duration // how long Redis is not called after a failure; 0: 5 s
	Log     *slog.Logger  // nil: slog.Default()
}

func (o *DirectoryOptions) setDefaults() { o.TTL = cmp.Or(o.TTL, time.Minute) }

func (o *DirectoryOptions) validate() error {
	if o.Client == nil {
		return errors.New("the directory's cache needs a Redis client")
	}
	return nil
}

// Directory keeps pages of the doctor directory. Each is marked with the
// generation of the directory it was read from, a random name that changes with
// the directory: Get ignores pages of another generation. It implements
// service.DirectoryCache and is safe for concurrent use.
type Directory struct {
	opts    DirectoryOptions
	redis   *breaker
	changed atomic.Bool // a change that Redis does not know yet
}

// NewDirectory checks the options and returns the cache. It does not connect.
func NewDirectory(opts DirectoryOptions) (*Directory, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Directory{opts: opts, redis: newBreaker("directory", opts.Timeout, opts.Pause, opts.Log)}, nil
}

// The braces keep all keys in one slot of a Redis Cluster.
func (d *Directory) generationKey() string { return d.opts.Prefix + "{directory}:generation" }

func (d *Directory) pageKey(page string) string { return d.opts.Prefix + "{directory}:page:" + page }

// Get returns the page, or the generation to pass to Put and false.
func (d *Directory) Get(ctx context.Context, key string) (page []byte, version string, ok bool) {
	overdue := d.changed.Swap(false)
	err := d.redis.call(ctx, func(ctx context.Context) error {
		pipe := d.opts.Client.Pipeline()
		if overdue {
			pipe.Set(ctx, d.generationKey(), rand.Text(), 0)
		} else {
			pipe.SetNX(ctx, d.generationKey(), rand.Text(), 0) // Redis may have lost it
		}
		both := pipe.MGet(ctx, d.generationKey(), d.pageKey(key))
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		version, _ = both.Val()[0].(string)
		stored, _ := both.Val()[1].(string)
		page, ok = bytes.CutPrefix([]byte(stored), []byte(version+"\n"))
		return nil
	})
	if err != nil && overdue {
		d.changed.Store(true)
	}
	return page, version, ok && version != ""
}

// Put stores the page of that generation. Get ignores it when the directory has changed
// since.
func (d *Directory) Put(ctx context.Context, key, version string, page []byte) {
	if version == "" {
		return
	}
	_ = d.redis.call(ctx, func(ctx context.Context) error {
		return d.opts.Client.Set(ctx, d.pageKey(key), append([]byte(version+"\n"), page...), d.opts.TTL).Err()
	})
}

// Invalidate begins a new generation. When Redis cannot be reached, the next Get
// tries again; until then other processes may see a page up to its TTL.
func (d *Directory) Invalidate(ctx context.Context) {
	err := d.redis.call(ctx, func(ctx context.Context) error {
		return d.opts.Client.Set(ctx, d.generationKey(), rand.Text(), 0).Err()
	})
	if err != nil {
		d.changed.Store(true)
	}
}
