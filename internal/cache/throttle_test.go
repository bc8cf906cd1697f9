package cache_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/cache"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

const (
	home      = "192.0.2.1"
	elsewhere = "198.51.100.1"
	patiently = 10 * time.Second // for a Redis on a busy machine
)

func newThrottle(t testing.TB, opts cache.ThrottleOptions) *cache.Throttle {
	t.Helper()
	opts.Key = func() []byte { return []byte("key") }
	throttle, err := cache.NewThrottle(opts)
	if err != nil {
		t.Fatal(err)
	}
	return throttle
}

// throttles returns the throttles of two processes over one Redis, and one without Redis.
func throttles(t testing.TB) (one, other, alone *cache.Throttle, client *redis.Client) {
	t.Helper()
	url, prefix := testkit.NewRedis(t)
	client = newClient(t, url)
	opts := cache.ThrottleOptions{Client: client, Prefix: prefix, Timeout: patiently}
	nowhere := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = nowhere.Close() })
	return newThrottle(t, opts), newThrottle(t, opts), newThrottle(t, cache.ThrottleOptions{Client: nowhere, Pause: time.Hour}), client
}

func from(t testing.TB, address string) context.Context {
	t.Helper()
	return clinic.WithAddress(t.Context(), netip.MustParseAddr(address))
}

func errWrong() error { return clinic.Unauthenticated("wrong") }

// try guesses once, and reports whether the guess was checked.
func try(t testing.TB, throttle *cache.Throttle, address, account string, outcome error) bool {
	t.Helper()
	ctx := from(t, address)
	done, err := throttle.Login(ctx, account)
	var refusal *clinic.Error
	switch {
	case err == nil:
		done(ctx, outcome)
		return true
	case !errors.As(err, &refusal) || refusal.Code != clinic.CodeTooMany || refusal.After <= 0 || refusal.After > time.Hour:
		t.Errorf("Login: %v", err)
	}
	return false
}

// wrongGuesses makes n wrong guesses, and returns how many were checked.
func wrongGuesses(t testing.TB, throttle *cache.Throttle, address, account string, n int) (seen int) {
	t.Helper()
	for range n {
		if try(t, throttle, address, account, errWrong()) {
			seen++
		}
	}
	return seen
}

func TestWrongGuessesAreCountedOverAllProcesses(t *testing.T) {
	t.Parallel()
	one, other, _, _ := throttles(t)
	if seen := wrongGuesses(t, one, home, "owner", 6) + wrongGuesses(t, other, home, "owner", 6); seen != 10 {
		t.Errorf("%d guesses were checked, want 10", seen)
	}
	if !try(t, other, home, "somebody else", nil) {
		t.Error("another account is refused")
	}
}

func TestGuessesAtOnceAreNoMoreThanInTurn(t *testing.T) {
	t.Parallel()
	wantTenAtOnce(t, func(t *testing.T, throttle *cache.Throttle) bool {
		t.Helper()
		return try(t, throttle, home, "owner", errWrong())
	})
}

// wantTenAtOnce makes a hundred wrong guesses at once and wants ten of them to be checked: with
// two processes over one Redis, and without Redis.
func wantTenAtOnce(t *testing.T, guess func(*testing.T, *cache.Throttle) (seen bool)) {
	t.Helper()
	one, other, alone, _ := throttles(t)
	for name, pair := range map[string][2]*cache.Throttle{"shared": {one, other}, "alone": {alone, alone}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen atomic.Int64
			var group sync.WaitGroup
			for i := range 100 {
				group.Go(func() {
					if guess(t, pair[i%2]) {
						seen.Add(1)
					}
				})
			}
			group.Wait()
			if seen.Load() != 10 {
				t.Errorf("%d guesses were checked, want 10", seen.Load())
			}
		})
	}
}

// wantRightUncounted makes more right guesses than any quota has, and as many that get no result.
func wantRightUncounted(t *testing.T, guess func(outcome error) (seen bool)) {
	t.Helper()
	for range 150 {
		for _, outcome := range []error{nil, clinic.Unavailable(nil)} {
			if !guess(outcome) {
				t.Fatal("a right password is refused")
			}
		}
	}
}

func TestOnlyWrongGuessesCount(t *testing.T) {
	t.Parallel()
	one, _, alone, _ := throttles(t)
	for name, throttle := range map[string]*cache.Throttle{"shared": one, "alone": alone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRightUncounted(t, func(outcome error) bool { return try(t, throttle, home, "owner", outcome) })
			if seen := wrongGuesses(t, throttle, home, "owner", 20); seen != 10 {
				t.Errorf("%d guesses were checked, want 10", seen)
			}
		})
	}
}

// A guess whose client gives up has cost as much and may have revealed as much.
func TestAGuessThatIsBrokenOffCounts(t *testing.T) {
	t.Parallel()
	one, _, _, _ := throttles(t)
	seen := 0
	for range 20 {
		ctx, leave := context.WithCancel(from(t, home))
		if done, err := one.Login(ctx, "owner"); err == nil {
			seen++
			leave()
			done(ctx, clinic.Unavailable(context.Canceled))
		}
		leave()
	}
	if seen != 10 {
		t.Errorf("%d guesses were checked, want 10", seen)
	}
}

// TestAStrangerLocksNobodyOut makes 10,000 guesses of strangers from 500 networks.
func TestAStrangerLocksNobodyOut(t *testing.T) {
	t.Parallel()
	one, other, alone, _ := throttles(t)
	for name, pair := range map[string][2]*cache.Throttle{"shared": {one, other}, "alone": {alone, alone}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !try(t, pair[0], home, "owner", nil) {
				t.Fatal("the first login is refused")
			}
			var seen atomic.Int64
			var group sync.WaitGroup
			for stranger := range 500 {
				address := fmt.Sprintf("2001:db8:%x::%x", stranger, stranger)
				group.Go(func() { seen.Add(int64(wrongGuesses(t, pair[stranger%2], address, "owner", 20))) })
			}
			group.Wait()
			if seen.Load() > 22 { // 20, and those that an hour's quota allows meanwhile
				t.Errorf("%d guesses of strangers were checked, want 20", seen.Load())
			}
			for _, throttle := range pair {
				if !try(t, throttle, home, "owner", nil) {
					t.Error("the owner is locked out")
				}
			}
			if try(t, pair[0], elsewhere, "owner", nil) {
				t.Error("an address that the owner never used is let in")
			}
		})
	}
}

// The people of a clinic share an address: a user who has logged in from there before is not
// affected by the guesses of others there at other accounts.
func TestAnAddressIsLimitedForThoseWhoAreNewThere(t *testing.T) {
	t.Parallel()
	one, _, alone, _ := throttles(t)
	for name, throttle := range map[string]*cache.Throttle{"shared": one, "alone": alone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			try(t, throttle, home, "owner", nil)
			seen := 0
			for i := range 200 {
				seen += wrongGuesses(t, throttle, home, fmt.Sprintf("made-up%d", i), 1)
			}
			if seen < 99 || seen > 110 { // the quota, and those that it allows meanwhile
				t.Errorf("%d accounts were tried from one address, want 100", seen)
			}
			if !try(t, throttle, home, "owner", nil) {
				t.Error("a user who has logged in from there before is refused")
			}
		})
	}
}

func TestANetworkOfIPv6IsOneAddress(t *testing.T) {
	t.Parallel()
	one, _, _, _ := throttles(t)
	seen := 0
	for i := range 20 {
		seen += wrongGuesses(t, one, fmt.Sprintf("2001:db8::%x", i), "owner", 1)
	}
	seen += wrongGuesses(t, one, "::ffff:"+home, "other", 5) + wrongGuesses(t, one, home, "other", 10)
	if seen != 20 {
		t.Errorf("%d guesses were checked, want 10 of a network and 10 of an address", seen)
	}
}

func TestRegistrationsOfAnAddressAreLimited(t *testing.T) {
	t.Parallel()
	one, other, alone, _ := throttles(t)
	for name, pair := range map[string][2]*cache.Throttle{"shared": {one, other}, "alone": {alone, alone}} {
		accepted := 0
		for i := range 120 {
			if err := pair[i%2].Register(from(t, home)); err == nil {
				accepted++
			} else if clinic.CodeOf(err) != clinic.CodeTooMany {
				t.Errorf("%s: %v", name, err)
			}
		}
		if accepted < 100 || accepted > 102 {
			t.Errorf("%s: %d were accepted, want 100", name, accepted)
		}
		if err := pair[0].Register(from(t, elsewhere)); err != nil {
			t.Errorf("%s: another address: %v", name, err)
		}
	}
}

// TestTheThrottleWorksWithoutRedis stops Redis, which loses its data, and starts it again.
func TestTheThrottleWorksWithoutRedis(t *testing.T) {
	t.Parallel()
	server := testkit.StartRedis(t)
	throttle := newThrottle(t, cache.ThrottleOptions{Client: newClient(t, server.URL(0)), Timeout: patiently, Pause: time.Millisecond})
	try(t, throttle, home, "owner", nil)
	wrongGuesses(t, throttle, elsewhere, "owner", 20)
	server.Kill()
	if seen := wrongGuesses(t, throttle, elsewhere, "owner", 20); seen != 10 {
		t.Errorf("without Redis %d guesses were checked, want 10", seen)
	}
	for i := range 20 {
		wrongGuesses(t, throttle, fmt.Sprintf("203.0.113.%d", i), "owner", 5)
	}
	if !try(t, throttle, home, "owner", nil) {
		t.Error("without Redis the owner is locked out")
	}
	if seen := wrongConfirmations(t, throttle, in(1, 1), 20); seen != 10 || !confirm(t, throttle, in(1, 2), nil) {
		t.Errorf("without Redis %d guesses were checked in one session, want 10, and none refused in the other session", seen)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return wrongGuesses(t, throttle, elsewhere, "owner", 1) == 1 }) // in the shared counts, which are empty again
	if seen := 1 + wrongGuesses(t, throttle, elsewhere, "owner", 20); seen != 10 {
		t.Errorf("with Redis again %d guesses were checked, want 10", seen)
	}
	if !try(t, throttle, home, "owner", nil) {
		t.Error("after Redis lost everything the owner is a stranger")
	}
}

func TestKeysTellNoNameAndNoAddress(t *testing.T) {
	t.Parallel()
	url, prefix := testkit.NewRedis(t)
	client := newClient(t, url)
	throttle := newThrottle(t, cache.ThrottleOptions{Client: client, Prefix: prefix, Timeout: patiently})
	try(t, throttle, home, "canary-5c7e", nil)
	wrongGuesses(t, throttle, elsewhere, "canary-5c7e", 3)
	if err := throttle.Register(from(t, home)); err != nil {
		t.Error(err)
	}
	wrongConfirmations(t, throttle, in(7_531_902_468, 1), 1)
	keys := client.Keys(t.Context(), "*").Val()
	if len(keys) < 7 {
		t.Errorf("keys = %v", keys)
	}
	for _, key := range keys {
		value := client.Get(t.Context(), key).Val()
		for _, secret := range []string{"canary", "192.0", "198.51", "7531902468"} {
			if strings.Contains(key+value, secret) {
				t.Errorf("%s = %s reveals %s", key, value, secret)
			}
		}
		if !strings.HasPrefix(key, prefix) {
			t.Errorf("%s has not the prefix %s", key, prefix)
		}
		if ttl := client.TTL(t.Context(), key).Val(); ttl <= 0 || ttl > 90*24*time.Hour {
			t.Errorf("%s lives %s", key, ttl)
		}
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	t.Parallel()
	url, prefix := testkit.NewRedis(t)
	registry := prometheus.NewRegistry()
	throttle := newThrottle(t, cache.ThrottleOptions{Client: newClient(t, url), Prefix: prefix, Timeout: patiently, Metrics: registry})
	wrongGuesses(t, throttle, home, "owner", 12)
	wrongConfirmations(t, throttle, in(1, 1), 13)
	want := `
		# HELP healthrecords_throttled_attempts_total Attempts at a password, a code or a registration refused unchecked because there were too many, by the quota that was used up.
		# TYPE healthrecords_throttled_attempts_total counter
		healthrecords_throttled_attempts_total{quota="account_from_address"} 2
		healthrecords_throttled_attempts_total{quota="session"} 3
	`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
