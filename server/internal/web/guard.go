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

// Terms are on what an operation runs.
type Terms struct {
	Public    bool // anybody may call it: it asks for no access token, and has pools of its own
	Enrolling bool // callers who have yet to set up the second factor that their role requires may call it, too
	Body      BodyMode
	Pool      PoolMode
	Deadline  time.Duration // of the work; 0: workTimeout
}

// Unlimited is the Deadline of work that may take any time.
const Unlimited time.Duration = -1

// BodyMode says how a request's body is read.
type BodyMode int

// The modes.
const (
	NoBody   BodyMode = iota // not at all
	Buffered                 // whole, before the work begins
	Streamed                 // by the handler, while the client keeps the pace
)

// PoolMode says where the work takes its place.
type PoolMode int

// The modes.
const (
	ByAccess PoolMode = iota // in the pool of callers who are logged in, or in that of operations without login
	InMemory                 // nowhere: the answer is in memory, and depends on nothing
	Streams                  // in the pool of operations without a deadline
)

// GuardOptions are what a Guard needs. Verify and RefuseEnrolling are required.
type GuardOptions struct {
	Verify Verify
	// RefuseEnrolling returns the error for a caller who has yet to set up the
	// second factor that their role requires, once it is in the audit log.
	RefuseEnrolling func(context.Context, clinic.Caller) error
	// MaxConcurrent is how many operations of callers who are logged in are in
	// work at once; 0 takes 512.
	MaxConcurrent int
	Metrics       prometheus.Registerer // nil: no metrics
}

func (o *GuardOptions) setDefaults() { o.MaxConcurrent = cmp.Or(o.MaxConcurrent, workPlaces) }

func (o *GuardOptions) validate() error {
	if o.Verify == nil || o.RefuseEnrolling == nil {
		return errors.New("the guard needs functions to verify a token and to refuse a caller")
	}
	return nil
}

// Guard is what a request passes before its handler.
type Guard struct {
	authenticate  humaMiddleware
	requireFactor humaMiddleware
	pools         *pools
	pace          pace
}

// NewGuard makes a guard with pools of its own.
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

// Steps are those of one operation, the cheap refusals first: where a token is
// needed, only callers that have one get a place, for the body or for the work.
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

// Serve is for what is answered from memory, outside of huma: only the client's
// share of the work counts.
func (g *Guard) Serve(next http.Handler) http.Handler { return g.pools.publicWork.serve(next) }
