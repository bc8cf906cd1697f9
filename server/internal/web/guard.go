package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Terms are the conditions under which an operation runs.
type Terms struct {
	Public    bool // anybody may call it: it requires no access token, and uses the pools for such operations
	Enrolling bool // callers who have yet to set up the second factor that their role requires may call it, too
	Body      BodyMode
	Pool      PoolMode
	Deadline  time.Duration // of the work; 0: workTimeout
}

// Unlimited is the Deadline of work without a time limit.
const Unlimited time.Duration = -1

// BodyMode says how a request's body is read.
type BodyMode int

// The modes.
const (
	NoBody   BodyMode = iota // the operation has no body
	Buffered                 // it is read completely before the work begins
	Streamed                 // the handler reads it, while the client keeps the pace
)

// PoolMode says in which pool the work needs a place.
type PoolMode int

// The modes.
const (
	ByAccess PoolMode = iota // the pool for callers who are logged in, or the one for operations without login
	InMemory                 // none, because the answer is in memory
	Streams                  // the pool for operations without a deadline
)

// GuardOptions are the parts of a Guard. Verify and RefuseEnrolling are required.
type GuardOptions struct {
	Verify Verify
	// RefuseEnrolling writes the audit row of a caller who has yet to set up the
	// second factor that their role requires, and returns the error to answer.
	RefuseEnrolling func(context.Context, clinic.Caller) error
	// MaxConcurrent limits how many operations of callers who are logged in run
	// at once; 0 means 512.
	MaxConcurrent int
	Metrics       prometheus.Registerer // nil: no metrics
}

func (o *GuardOptions) setDefaults() { o.MaxConcurrent = cmp.Or(o.MaxConcurrent, workPlaces) }

func (o *GuardOptions) validate() error {
	if o.Verify == nil || o.RefuseEnrolling == nil {
		return errors.New("the guard needs a function that verifies tokens and one that refuses callers")
	}
	return nil
}

// Guard has the middleware that protects the handlers.
type Guard struct {
	authenticate  humaMiddleware
	requireFactor humaMiddleware
	pools         *pools
	pace          pace
}

// NewGuard returns a guard with its own pools.
func NewGuard(opts GuardOptions) (*Guard, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	pools, err := newPools(opts.MaxConcurrent, opts.Metrics)
	if err != nil {
		return nil, err
	}
	return &Guard{
		authenticate: authenticate(opts.Verify), requireFactor: requireFactor(opts.RefuseEnrolling), pools: pools, pace: streamPace(),
	}, nil
}

// Steps returns the middleware of one operation, with cheap refusals first: if the
// operation requires a token, only callers with a valid one get a place in a pool.
func (g *Guard) Steps(t Terms) huma.Middlewares {
	var steps huma.Middlewares
	body, work, most := g.pools.body, g.pools.work, int64(MaxBody)
	if t.Public {
		body, work, most = g.pools.publicBody, g.pools.publicWork, smallBody
	} else {
		steps = append(steps, g.authenticate)
	}
	if t.Body != NoBody {
		steps = append(steps, checkMediaType)
	}
	if t.Body == Buffered {
		steps = append(steps, g.pools.readBody(body, most))
	}
	if t.Pool == Streams {
		work = g.pools.streams
	}
	if t.Pool != InMemory {
		steps = append(steps, work.run(cmp.Or(t.Deadline, workTimeout)))
	}
	if !t.Public && !t.Enrolling {
		steps = append(steps, g.requireFactor)
	}
	if t.Body == Streamed {
		steps = append(steps, g.pace.stream)
	}
	return steps
}

// Serve is the middleware for answers from memory outside of huma. Only the
// client's share of the pool limits it.
func (g *Guard) Serve(next http.Handler) http.Handler { return g.pools.publicWork.serve(next) }
