package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/sync/errgroup"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/stream"
)

// Outbox is the use cases of events, as the worker uses them.
type Outbox interface {
	// Claim returns up to limit open events that are due, and postpones their
	// next publication by retryAfter, which doubles with each attempt.
	Claim(ctx context.Context, limit int, retryAfter time.Duration) ([]clinic.Event, error)
	// Release undoes a claim: the events are due at once, and the attempt
	// does not count.
	Release(ctx context.Context, claimed []clinic.Event) error
	// Handle commits the effects of all events or of none, each exactly once, and
	// returns the events whose subject no longer exists.
	Handle(ctx context.Context, ids []int64) (dropped []int64, err error)
	// Republish makes all published open events due again, and returns their number.
	Republish(ctx context.Context) (int, error)
	// MarkDead finishes an event as dead.
	MarkDead(ctx context.Context, id int64) error
	// CountOpen returns the number of unfinished events and the age of the oldest.
	CountOpen(ctx context.Context) (count int, oldest time.Duration, err error)
}

// Cleanup is the use case that deletes expired rows, as the worker uses it.
type Cleanup interface {
	// DeleteExpired deletes up to limit rows of each kind that are finished and
	// old, and returns how many it deleted.
	DeleteExpired(ctx context.Context, age time.Duration, limit int) (int, error)
	// RemoveDeleted removes up to limit health records for good that were deleted
	// before the age, and returns how many it removed.
	RemoveDeleted(ctx context.Context, age time.Duration, limit int) (int, error)
}

// Options describe a worker. Outbox, Cleanup and Stream are required. Other zero
// values mean the defaults.
type Options struct {
	Outbox     Outbox
	Cleanup    Cleanup
	Stream     *stream.Stream
	Search     SearchIndex           // nil: records are not indexed
	Sealer     Sealer                // nil: the audit log is not sealed
	Log        *slog.Logger          // nil: slog.Default()
	Registerer prometheus.Registerer // nil: a private registry
	Tracer     trace.TracerProvider  // nil: no spans

	Consumer     string        // name within the group, different for each process; "" generates one
	Concurrency  int           // batches handled at the same time; 2 by default
	BatchSize    int           // events in a batch; 100 by default
	MaxBacklog   int           // entries in the stream above which nothing is published; 10,000 by default
	MaxAttempts  int           // publications of a failing event before it is dead; 10 by default
	PollInterval time.Duration // how often an idle relay looks for events; 100 ms by default
	RetryAfter   time.Duration // when an unfinished delivery counts as lost; 10 s by default
	KeepFinished time.Duration // age at which finished events are deleted; a week by default
	Retention    time.Duration // age of its deletion at which a deleted health record is removed for good; 0: never
}

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider()
	}
	if o.Consumer == "" {
		host, _ := os.Hostname() // optional: it only helps people to find the process
		o.Consumer = host + "-" + rand.Text()[:8]
	}
	setDefault(&o.Concurrency, 2)
	setDefault(&o.BatchSize, 100)
	setDefault(&o.MaxBacklog, 10_000)
	setDefault(&o.MaxAttempts, 10)
	setDefault(&o.PollInterval, 100*time.Millisecond)
	setDefault(&o.RetryAfter, 10*time.Second)
	setDefault(&o.KeepFinished, 7*24*time.Hour)
}

func setDefault[T int | time.Duration](value *T, otherwise T) {
	if *value == 0 {
		*value = otherwise
	}
}

func (o *Options) validate() error {
	var faults []error
	if o.Outbox == nil || o.Cleanup == nil {
		faults = append(faults, errors.New("the worker needs an outbox and a cleanup"))
	}
	if o.Stream == nil {
		faults = append(faults, errors.New("the worker needs a stream"))
	}
	if min(o.Concurrency, o.BatchSize, o.MaxBacklog, o.MaxAttempts) < 0 || min(o.PollInterval, o.RetryAfter, o.KeepFinished, o.Retention) < 0 {
		faults = append(faults, errors.New("the worker's options must not be negative"))
	}
	return errors.Join(faults...)
}

// Connections returns how many connections to Redis a worker uses at the same
// time: one for each consumer, which waits for new entries, and one each for
// relay, reclaimer and monitor. In a smaller pool they would wait for each other.
func Connections(concurrency int) int { return concurrency + 3 }

// Worker runs the loops.
type Worker struct {
	loops []loop
}

// loop is a long-running part. Start blocks until ctx has ended and the current
// work is finished. It may be called again after that.
type loop interface {
	Start(ctx context.Context) error
}

// New checks the options and registers the metrics.
func New(options Options) (*Worker, error) {
	options.setDefaults()
	if err := options.validate(); err != nil {
		return nil, err
	}
	metrics, err := newMetrics(options.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering the worker's metrics: %w", err)
	}
	h := newHandler(options, metrics)
	loops := []loop{
		newRelay(options, metrics),
		&reclaimer{
			handler: h, stream: options.Stream, name: options.Consumer, batchSize: options.BatchSize,
			minIdle: options.RetryAfter, log: options.Log,
		},
		&trimmer{cleanup: options.Cleanup, keep: options.KeepFinished, log: options.Log},
		&monitor{outbox: options.Outbox, stream: options.Stream, chain: options.Sealer, search: options.Search, metrics: metrics, log: options.Log},
	}
	if options.Search != nil {
		loops = append(loops, &indexer{index: options.Search, metrics: metrics, log: options.Log})
	}
	if options.Retention > 0 {
		loops = append(loops, &retention{cleanup: options.Cleanup, keep: options.Retention, metrics: metrics, log: options.Log})
	}
	if options.Sealer != nil {
		loops = append(loops,
			&sealer{chain: options.Sealer, metrics: metrics, log: options.Log},
			&months{chain: options.Sealer, log: options.Log})
	}
	for range options.Concurrency {
		loops = append(loops, &consumer{
			outbox: options.Outbox, handler: h, stream: options.Stream, name: options.Consumer, batchSize: options.BatchSize, log: options.Log,
		})
	}
	return &Worker{loops: loops}, nil
}

// Start runs all loops until ctx has ended and their current work is finished.
// Outages of Postgres and Redis are not errors: the loops wait for them to end.
func (w *Worker) Start(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range w.loops {
		group.Go(func() error { return l.Start(ctx) })
	}
	return group.Wait()
}
