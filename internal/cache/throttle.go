package cache

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// quota is the number of attempts that are possible at once, and the time after which
// the same number is possible again, one by one.
type quota struct {
	name     string // in metrics and keys
	attempts int
	period   time.Duration
}

// The quotas of guesses count wrong guesses, that of registrations counts all.
//
// Of the first three, which are for logins, only the first applies to an address
// from which the account has logged in before: whatever strangers do
// elsewhere, its owner can log in from their usual address.
//
// The next two are for logged-in callers who confirm a request. Nobody
// else can use them up. The second bounds a thief who has many sessions of one
// account. It is five times the first, so that four stolen sessions together
// leave attempts for the account's other sessions.
func accountFromAddress() quota { return quota{"account_from_address", 10, time.Hour} }
func anyFromAddress() quota     { return quota{"any_from_address", 100, 10 * time.Minute} }
func accountFromAfar() quota    { return quota{"account_from_afar", 20, time.Hour} }
func oneSession() quota         { return quota{"session", 10, time.Hour} }
func allSessions() quota        { return quota{"account_sessions", 50, time.Hour} }
func registrations() quota      { return quota{"registrations", 100, time.Hour} }

const usualFor = 90 * 24 * time.Hour // how long after a login its address is a usual one of the account

// bucket is the quota of one account, address or session.
type bucket struct {
	quota
	key string
}

// counter keeps buckets, and which addresses are usual for which accounts.
type counter interface {
	// take takes n attempts (-1 returns one), or returns how long to wait for one.
	take(ctx context.Context, b bucket, n int) (wait time.Duration, err error)
	usual(ctx context.Context, key string) (bool, error)
	remember(ctx context.Context, key string) error
}

// ThrottleOptions describe a Throttle.
type ThrottleOptions struct {
	// Client must have ContextTimeoutEnabled. The caller closes it.
	Client redis.UniversalClient
	Prefix string // of every key
	// Key returns the secret that hides usernames and addresses in the keys. It is
	// called each time, since it may change; all processes should have the same.
	Key     func() []byte
	Timeout time.Duration         // of a call of Redis; 0: 100 ms
	Pause   time.Duration         // how long Redis is not called after a failure; 0: 5 s
	Log     *slog.Logger          // nil: slog.Default()
	Metrics prometheus.Registerer // nil: no metrics
}

func (o *ThrottleOptions) validate() error {
	if o.Client == nil || o.Key == nil {
		return errors.New("the throttle needs a Redis client and a key")
	}
	return nil
}

// Throttle bounds how often a client may guess a password, and register. The
// counts are in Redis, for all processes together; without it each process
// counts by itself. It implements service.Throttle and is safe for concurrent use.
type Throttle struct {
	key     func() []byte
	shared  counter
	local   counter
	refused *prometheus.CounterVec
}

// NewThrottle checks the options and returns the throttle. It does not connect.
func NewThrottle(opts ThrottleOptions) (*Throttle, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	local, err := newLocalCounter()
	if err != nil {
		return nil, err
	}
	t := &Throttle{
		key: opts.Key, local: local,
		shared: newSharedCounter(opts.Client, opts.Prefix, newBreaker("throttle", opts.Timeout, opts.Pause, opts.Log)),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "healthrecords_throttled_attempts_total",
			Help: "Attempts at a password, a code or a registration refused unchecked because there were too many, by the quota that was used up.",
		}, []string{"quota"}),
	}
	if opts.Metrics == nil {
		return t, nil
	}
	if err := opts.Metrics.Register(t.refused); err != nil {
		return nil, fmt.Errorf("registering the throttle's metrics: %w", err)
	}
	return t, nil
}

// Login takes one attempt at the account, known or not, from the context's
// client, before the guess is checked: so concurrent guesses cannot be more
// than successive ones. It fails with CodeTooMany when no attempt is left. done
// must be called with the result, and returns the attempt unless the guess was wrong.
func (t *Throttle) Login(ctx context.Context, account string) (done func(context.Context, error), err error) {
	address := clinic.Network(clinic.AddressOf(ctx)).String()
	pair := t.bucket(accountFromAddress(), address, account)
	stranger := []bucket{t.bucket(anyFromAddress(), address), pair, t.bucket(accountFromAfar(), account)}
	settle, err := t.attempt(ctx, func(from counter) ([]bucket, error) {
		usual, err := t.usual(ctx, from, pair.key)
		if err != nil || !usual {
			return stranger, err
		}
		return []bucket{pair}, nil
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, outcome error) {
		settle(ctx, outcome)
		if outcome == nil {
			ctx = context.WithoutCancel(ctx)
			_ = t.local.remember(ctx, pair.key)
			_ = t.shared.remember(ctx, pair.key)
		}
	}, nil
}

// Confirm is Login for a caller who confirms a request within their session.
// Its quotas are the session's own: addresses, names and logins do not
// count. A call from inside, which has no session, has the user's.
func (t *Throttle) Confirm(ctx context.Context, caller clinic.Caller) (done func(context.Context, error), err error) {
	user, session := strconv.FormatInt(caller.UserID, 10), strconv.FormatInt(caller.SessionID, 10)
	needed := []bucket{t.bucket(oneSession(), user, session), t.bucket(allSessions(), user)}
	return t.attempt(ctx, func(counter) ([]bucket, error) { return needed, nil })
}

// attempt takes one from each bucket that choose names, in Redis or, while that is
// away, in this process. A refusal takes none. settle returns them unless the
// guess was wrong.
func (t *Throttle) attempt(ctx context.Context, choose func(counter) ([]bucket, error)) (settle func(context.Context, error), err error) {
	from := t.shared
	taken, err := t.takeAll(ctx, from, choose)
	if err != nil && clinic.CodeOf(err) != clinic.CodeTooMany { // Redis is away, which its breaker has logged
		from = t.local
		taken, err = t.takeAll(ctx, from, choose)
	}
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, outcome error) {
		// A client that gives up while its guess is checked has guessed all the same.
		wrong := clinic.CodeOf(outcome) == clinic.CodeUnauthenticated || errors.Is(ctx.Err(), context.Canceled)
		if !wrong {
			giveBack(context.WithoutCancel(ctx), from, taken)
		}
	}, nil
}

// usual reports whether the account has logged in from the address of its bucket.
func (t *Throttle) usual(ctx context.Context, from counter, key string) (bool, error) {
	usual, err := from.usual(ctx, key)
	if err == nil && !usual {
		usual, _ = t.local.usual(ctx, key) // Redis may have lost it
	}
	return usual, err
}

func (t *Throttle) takeAll(ctx context.Context, from counter, choose func(counter) ([]bucket, error)) (taken []bucket, err error) {
	needed, err := choose(from)
	if err != nil {
		return nil, err
	}
	for _, b := range needed {
		if err := t.take(ctx, from, b); err != nil {
			giveBack(ctx, from, taken)
			return nil, err
		}
		taken = append(taken, b)
	}
	return taken, nil
}

func (t *Throttle) take(ctx context.Context, from counter, b bucket) error {
	wait, err := from.take(ctx, b, 1)
	if err != nil || wait <= 0 {
		return err
	}
	t.refused.WithLabelValues(b.name).Inc()
	return clinic.TooMany(wait)
}

func giveBack(ctx context.Context, to counter, taken []bucket) {
	for _, b := range taken {
		_, _ = to.take(ctx, b, -1) // at worst it counts as a wrong guess
	}
}

// Register takes one of the registrations of the context's client. It fails with CodeTooMany
// when none is left.
func (t *Throttle) Register(ctx context.Context) error {
	b := t.bucket(registrations(), clinic.Network(clinic.AddressOf(ctx)).String())
	err := t.take(ctx, t.shared, b)
	if err != nil && clinic.CodeOf(err) != clinic.CodeTooMany {
		err = t.take(ctx, t.local, b)
	}
	return err
}

// bucket names the values of without revealing them. Only the last of them may be
// any text, so that no two lists have the same name.
func (t *Throttle) bucket(q quota, of ...string) bucket {
	mac := hmac.New(sha256.New, t.key())
	for _, part := range of {
		mac.Write([]byte("\x00" + part))
	}
	return bucket{quota: q, key: q.name + ":" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])}
}
