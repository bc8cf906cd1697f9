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
	// settleTimeout bounds what is done although the context has ended.
	settleTimeout = 5 * time.Second
)

// Options describe the stream. Client is required.
type Options struct {
	Client    redis.UniversalClient // stays the caller's to close
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

// Figures describe how full the stream is.
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

// removeScript removes idle consumers. It is one step: what a consumer read that
// came back before it is removed would be delivered to nobody again.
//
//	KEYS[1]  the stream
//	ARGV     its group; milliseconds that a consumer was not heard of
//	returns  how many it removed
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
// were not heard of for idle (XINFO CONSUMERS, XGROUP DELCONSUMER), and says how
// many. One that comes back is made again by its next Read.
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
// starts at the first entry: what was published before the group existed is
// delivered too. It is not created when another consumer was faster.
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

// isNoGroup says that Redis knows no such group or stream: it is new, or lost
// what it had.
func isNoGroup(err error) bool {
	return err != nil && (strings.HasPrefix(err.Error(), "NOGROUP") || strings.HasPrefix(err.Error(), "ERR no such key"))
}

// unavailable translates an error of Redis. Unlike Postgres', its text holds no
// data and is kept for the log.
func unavailable(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, clinic.Unavailable(err), err)
}

// detached is for what must be finished although ctx has ended.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
}
