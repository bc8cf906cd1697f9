package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const (
	deadMaxLen = 10_000
	// settleTimeout bounds the work that is finished after the context has ended.
	settleTimeout = 5 * time.Second
)

// Options describe the stream. Client is required.
type Options struct {
	Client    redis.UniversalClient // the caller closes it
	KeyPrefix string                // start of every key, e.g. "healthrecords:"
	Group     string                // consumer group; "" is "workers"
}

func (o *Options) setDefaults() { o.Group = cmp.Or(o.Group, "workers") }

func (o *Options) validate() error {
	if o.Client == nil {
		return errors.New("the stream needs a Redis client")
	}
	return nil
}

// Stream is a stream of events with one consumer group. It is safe for
// concurrent use.
type Stream struct {
	client       redis.UniversalClient
	key, dead    string
	group        string
	removeScript *redis.Script
}

// New returns the stream. It does not connect; the stream and its group are
// made when they are needed, also after Redis lost them.
func New(options Options) (*Stream, error) {
	options.setDefaults()
	if err := options.validate(); err != nil {
		return nil, err
	}
	// The braces keep both keys in one slot of a Redis Cluster.
	key := options.KeyPrefix + "{events}"
	return &Stream{client: options.Client, key: key, dead: key + ":dead", group: options.Group, removeScript: redis.NewScript(removeScript)}, nil
}

// Figures count the stream's entries by their state.
type Figures struct {
	Waiting int64 // entries that no consumer has read: the group's lag
	Pending int64 // entries that were read and not acknowledged
	Dead    int64 // entries in the dead-letter stream
}

// Figures counts the entries (XLEN, XPENDING).
func (s *Stream) Figures(ctx context.Context) (Figures, error) {
	pipe := s.client.Pipeline()
	length := pipe.XLen(ctx, s.key)
	pending := pipe.XPending(ctx, s.key, s.group)
	dead := pipe.XLen(ctx, s.dead)
	if _, err := pipe.Exec(ctx); err != nil && !isNoGroup(err) {
		return Figures{}, unavailable("counting the stream's entries", err)
	}
	figures := Figures{Waiting: length.Val(), Dead: dead.Val()}
	if summary := pending.Val(); summary != nil {
		figures.Pending = summary.Count
		figures.Waiting = max(0, figures.Waiting-figures.Pending)
	}
	return figures, nil
}

// Backlog counts the entries that are not acknowledged (XLEN), which also
// proves that Redis answers.
func (s *Stream) Backlog(ctx context.Context) (int64, error) {
	length, err := s.client.XLen(ctx, s.key).Result()
	if err != nil {
		return 0, unavailable("counting the stream's entries", err)
	}
	return length, nil
}

// removeScript removes idle consumers. It is one step: when a consumer came back and read entries just
// before its removal, nobody would get these entries again.
//
//	KEYS[1]  the stream
//	ARGV     its group; milliseconds since a consumer's last call
//	returns  the number of removed consumers
//
//nolint:dupword // two blocks of Lua end
const removeScript = `
local removed = 0
for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
	local consumer = {}
	for i = 1, #fields, 2 do
		consumer[fields[i]] = fields[i + 1]
	end
	if consumer.pending == 0 and consumer.idle >= tonumber(ARGV[2]) then
		redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
		removed = removed + 1
	end
end
return removed
`

// RemoveConsumers removes the group's consumers that have nothing pending and
// have not called for idle (XINFO CONSUMERS, XGROUP DELCONSUMER), and returns how
// many it removed. The next Read of a removed consumer makes it again.
func (s *Stream) RemoveConsumers(ctx context.Context, idle time.Duration) (int, error) {
	removed, err := s.removeScript.Run(ctx, s.client, []string{s.key}, s.group, idle.Milliseconds()).Int()
	if isNoGroup(err) {
		return 0, nil
	}
	if err != nil {
		return 0, unavailable("removing consumers", err)
	}
	return removed, nil
}

// createGroup makes the stream and its group (XGROUP CREATE MKSTREAM). The group
// starts at the first entry: entries that were published before the group existed are
// delivered too. created is false when another consumer was faster.
func (s *Stream) createGroup(ctx context.Context) (created bool, err error) {
	err = s.client.XGroupCreateMkStream(ctx, s.key, s.group, "0").Err()
	switch {
	case err == nil:
		return true, nil
	case strings.HasPrefix(err.Error(), "BUSYGROUP"):
		return false, nil
	}
	return false, unavailable("creating the consumer group", err)
}

// isNoGroup reports whether Redis does not know the group or the stream: they are new, or
// Redis lost its data.
func isNoGroup(err error) bool {
	return err != nil && (strings.HasPrefix(err.Error(), "NOGROUP") || strings.HasPrefix(err.Error(), "ERR no such key"))
}

// unavailable translates an error of Redis. Unlike Postgres' errors, its text has no
// data and is kept for the log.
func unavailable(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, clinic.Unavailable(err), err)
}

// detached is the context for work that must be finished after ctx has ended.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
}
