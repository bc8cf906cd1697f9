package cache_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/cache"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func newClient(t testing.TB, url string) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	opts.ContextTimeoutEnabled = true
	client := redis.NewClient(opts)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func newDirectory(t testing.TB, opts cache.DirectoryOptions) *cache.Directory {
	t.Helper()
	d, err := cache.NewDirectory(opts)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// onRedis returns the caches of two processes over one Redis.
func onRedis(t testing.TB) (one, other *cache.Directory, client *redis.Client) {
	t.Helper()
	url, prefix := testkit.NewRedis(t)
	client = newClient(t, url)
	opts := cache.DirectoryOptions{Client: client, Prefix: prefix, Timeout: 10 * time.Second}
	return newDirectory(t, opts), newDirectory(t, opts), client
}

// fill stores page under key as a reader does after finding no page.
func fill(t testing.TB, d *cache.Directory, key, page string) {
	t.Helper()
	_, version, ok := d.Get(t.Context(), key)
	if ok || version == "" {
		t.Fatalf("Get(%q) = %q, %v before it was filled", key, version, ok)
	}
	d.Put(t.Context(), key, version, []byte(page))
}

func want(t testing.TB, d *cache.Directory, key, page string) {
	t.Helper()
	if got, _, ok := d.Get(t.Context(), key); !ok || string(got) != page {
		t.Errorf("Get(%q) = %q, %v, want %q", key, got, ok, page)
	}
}

func wantMiss(t testing.TB, d *cache.Directory, key string) {
	t.Helper()
	if got, _, ok := d.Get(t.Context(), key); ok {
		t.Errorf("Get(%q) = %q, want nothing", key, got)
	}
}

func TestPagesAreSharedAndDropped(t *testing.T) {
	t.Parallel()
	one, other, _ := onRedis(t)
	fill(t, one, "20.1", "first\npage")
	fill(t, one, "20.2", "")
	want(t, other, "20.1", "first\npage")
	want(t, other, "20.2", "")
	wantMiss(t, other, "20.3")
	other.Invalidate(t.Context())
	wantMiss(t, one, "20.1")
	wantMiss(t, one, "20.2")
	fill(t, one, "20.1", "changed")
	want(t, other, "20.1", "changed")
}

func TestPageReadBeforeAChangeIsNotStored(t *testing.T) {
	t.Parallel()
	one, other, _ := onRedis(t)
	_, version, _ := one.Get(t.Context(), "20.1")
	other.Invalidate(t.Context())
	one.Put(t.Context(), "20.1", version, []byte("from before the change"))
	wantMiss(t, one, "20.1")
	wantMiss(t, other, "20.1")
}

// A counter would begin again at the number that the reader still has.
func TestPageReadBeforeRedisLostEverythingIsNotStored(t *testing.T) {
	t.Parallel()
	one, other, client := onRedis(t)
	_, version, _ := one.Get(t.Context(), "20.1")
	if err := client.FlushDB(t.Context()).Err(); err != nil { // a Redis of this test's own
		t.Fatal(err)
	}
	other.Invalidate(t.Context())
	one.Put(t.Context(), "20.1", version, []byte("from before the change"))
	wantMiss(t, other, "20.1")
}

func TestPagesExpire(t *testing.T) {
	t.Parallel()
	url, prefix := testkit.NewRedis(t)
	client := newClient(t, url)
	d := newDirectory(t, cache.DirectoryOptions{Client: client, Prefix: prefix})
	fill(t, d, "20.1", "page")
	keys := client.Keys(t.Context(), "*").Val()
	if len(keys) != 2 {
		t.Errorf("keys = %v", keys)
	}
	for _, key := range keys {
		if !strings.HasPrefix(key, prefix) {
			t.Errorf("%s is without the prefix", key)
		}
		if ttl := client.TTL(t.Context(), key).Val(); strings.Contains(key, ":page:") && (ttl <= 0 || ttl > time.Minute) {
			t.Errorf("%s expires in %v", key, ttl)
		}
	}
}

// A reader never sees a page that was replaced before the reading began.
func TestConcurrentChangesNeverShowAnOldPage(t *testing.T) {
	t.Parallel()
	one, other, _ := onRedis(t)
	var state struct {
		sync.RWMutex
		number int
	}
	current := func() int {
		state.RLock()
		defer state.RUnlock()
		return state.number
	}
	var writing, reading sync.WaitGroup
	stop := make(chan struct{})
	writing.Go(func() {
		for range 200 {
			state.Lock()
			state.number++
			state.Unlock()
			other.Invalidate(t.Context())
		}
		close(stop)
	})
	for range 4 {
		reading.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, version, ok := one.Get(t.Context(), "20.1"); !ok {
					one.Put(t.Context(), "20.1", version, []byte(strconv.Itoa(current())))
				}
			}
		})
	}
	writing.Wait()
	reading.Wait()
	if page, _, ok := one.Get(t.Context(), "20.1"); ok && string(page) != "200" {
		t.Errorf("after the last change the page is still %s", page)
	}
}

type logs struct {
	mutex sync.Mutex
	buf   bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.buf.Write(p)
}

func (l *logs) count(text string) int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return strings.Count(l.buf.String(), text)
}

func TestRedisStopsAndStarts(t *testing.T) {
	t.Parallel()
	server := testkit.StartRedis(t)
	client := newClient(t, server.URL(0))
	out := &logs{}
	opts := cache.DirectoryOptions{Client: client, Pause: 20 * time.Millisecond, Log: slog.New(slog.NewTextHandler(out, nil))}
	d := newDirectory(t, opts)
	fill(t, d, "20.1", "page")
	want(t, d, "20.1", "page")

	server.Kill()
	for range 100 {
		wantMiss(t, d, "20.1")
		d.Put(t.Context(), "20.1", "version", []byte("secret page"))
		d.Invalidate(t.Context())
	}
	if n := out.count("level=WARN"); n != 1 {
		t.Errorf("%d warnings of one outage", n)
	}

	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		_, version, _ := d.Get(t.Context(), "20.1")
		return version != ""
	})
	fill(t, d, "20.1", "new page")
	want(t, d, "20.1", "new page")
	if n := out.count("works again"); n != 1 {
		t.Errorf("the recovery was logged %d times", n)
	}
	if out.count("page\"") != 0 || out.count("secret") != 0 {
		t.Error("a page is in the log")
	}
}

// A change that Redis missed drops the pages when Redis answers again.
func TestChangeDuringAnOutageIsNotForgotten(t *testing.T) {
	t.Parallel()
	url, prefix := testkit.NewRedis(t)
	gate := &gatedRedis{}
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	opts.ContextTimeoutEnabled = true
	gated := redis.NewClient(opts)
	gated.AddHook(gate)
	t.Cleanup(func() { _ = gated.Close() })
	here := newDirectory(t, cache.DirectoryOptions{Client: gated, Prefix: prefix, Pause: time.Millisecond, Timeout: 10 * time.Second})
	elsewhere := newDirectory(t, cache.DirectoryOptions{Client: newClient(t, url), Prefix: prefix, Timeout: 10 * time.Second})
	fill(t, elsewhere, "20.1", "old")
	gate.close(true)
	here.Invalidate(t.Context())
	want(t, elsewhere, "20.1", "old") // the outage is this process's alone
	gate.close(false)
	eventually(t, func() bool {
		_, version, ok := here.Get(t.Context(), "20.1")
		return version != "" && !ok
	})
	wantMiss(t, elsewhere, "20.1")
}

// gatedRedis fails each command while it is closed.
type gatedRedis struct {
	mutex  sync.Mutex
	closed bool
}

func (g *gatedRedis) close(closed bool) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.closed = closed
}

func (g *gatedRedis) check() error {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.closed {
		return net.ErrClosed
	}
	return nil
}

func (g *gatedRedis) DialHook(next redis.DialHook) redis.DialHook { return next }

func (g *gatedRedis) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := g.check(); err != nil {
			return err
		}
		return next(ctx, cmd)
	}
}

func (g *gatedRedis) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := g.check(); err != nil {
			return err
		}
		return next(ctx, cmds)
	}
}

// A Redis that accepts connections and never answers fails only by the timeout.
func TestSilentRedisIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	d := newDirectory(t, cache.DirectoryOptions{Client: newClient(t, "redis://"+listener.Addr().String()), Pause: time.Hour})
	start := time.Now()
	for range 1000 {
		wantMiss(t, d, "20.1")
		d.Invalidate(t.Context())
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("1,000 reads and changes took %v", took)
	}
}

// A caller who leaves before Redis answers proves nothing about Redis.
func TestLeavingCallerDoesNotPauseTheCache(t *testing.T) {
	t.Parallel()
	d, _, _ := onRedis(t)
	fill(t, d, "20.1", "page")
	left, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, ok := d.Get(left, "20.1"); ok {
		t.Error("Redis was called for a caller who had left")
	}
	want(t, d, "20.1", "page")
}

func TestNewDirectoryNeedsAClient(t *testing.T) {
	t.Parallel()
	if _, err := cache.NewDirectory(cache.DirectoryOptions{}); err == nil {
		t.Error("a cache was made without a client")
	}
}

func eventually(t testing.TB, condition func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-deadline:
			t.Fatal("the condition was not met in time")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
