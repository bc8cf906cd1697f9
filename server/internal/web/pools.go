package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// pools limit the work that the server does at once. Operations without login
// have their own pools, so that they cannot take the places of callers who are
// logged in.
type pools struct {
	body, work             *pool
	publicBody, publicWork *pool
	large                  *pool // bodies that are not small
	streams                *pool
}

func newPools(workPlaces int, metrics prometheus.Registerer) (*pools, error) {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "healthrecords_http_requests_refused_total",
		Help: "Requests that were refused because a pool had no place for them, by pool and by the limit that was reached: that of all, or that of their address.",
	}, []string{"pool", "limit"})
	if metrics != nil {
		if err := metrics.Register(refused); err != nil {
			return nil, fmt.Errorf("registering the metric of refused requests: %w", err)
		}
	}
	return &pools{
		body: newPool("body", bodyPlaces, refused), work: newPool("work", workPlaces, refused),
		publicBody: newPool("public_body", bodyPlaces, refused), publicWork: newPool("public_work", publicPlaces, refused),
		large: newPool("large_body", largePlaces, refused), streams: newPool("streams", streamPlaces, refused),
	}, nil
}

// pool is a number of places. A request waits for a place, but only as long as a few others take: a burst is served, while no
// request waits whose client has already given up. Under overload, clients that repeat refused requests at once then do so at
// the pace of the wait, and refusing them leaves time for serving others.
type pool struct {
	name    string
	places  chan struct{}
	queue   chan struct{} // one for each request that waits
	wait    time.Duration // how long a request waits at most
	shares  *shares
	refused *prometheus.CounterVec // by pool and limit
}

func newPool(name string, places int, refused *prometheus.CounterVec) *pool {
	for _, limit := range []string{limitOfAll, limitOfAddress} {
		refused.WithLabelValues(name, limit) // so that the first refusal is an increase
	}
	return &pool{
		name: name, places: make(chan struct{}, places), queue: make(chan struct{}, queueLength*places), wait: placeWait,
		shares: newShares(max(places/quarter, 1)), refused: refused,
	}
}

// acquire takes a place for the client of the context. The refusal is 429 if the
// client has its share already, waiting requests included, and 503 if no place gets free in time.
func (p *pool) acquire(ctx context.Context) (*place, *Problem) {
	client := clinic.Network(clinic.AddressOf(ctx))
	if !p.shares.acquire(client) {
		p.count(ctx, limitOfAddress)
		refusal := newProblem(ctx, http.StatusTooManyRequests, codeTooManyAtOnce, "too many requests from your address are in progress; try again shortly")
		refusal.header.Set("Retry-After", retryAfter)
		return nil, refusal
	}
	if p.enter(ctx) {
		return &place{pool: p, client: client}, nil
	}
	p.shares.release(client)
	if ctx.Err() == nil { // otherwise the client has given up
		p.count(ctx, limitOfAll)
	}
	return nil, ProblemOf(ctx, clinic.Unavailable(nil))
}

// enter takes a place as soon as one is free. Those who wait get places in the order of their arrival.
func (p *pool) enter(ctx context.Context) bool {
	select {
	case p.places <- struct{}{}:
		return true
	default:
	}
	select {
	case p.queue <- struct{}{}:
		defer func() { <-p.queue }()
	default:
		return false
	}
	patience := time.NewTimer(p.wait)
	defer patience.Stop()
	select {
	case p.places <- struct{}{}:
		return true
	case <-patience.C:
	case <-ctx.Done():
	}
	return false
}

// count counts a refusal.
func (p *pool) count(ctx context.Context, limit string) {
	ExchangeOf(ctx).refused = true
	p.refused.WithLabelValues(p.name, limit).Inc()
}

// place is a request's place in a pool. release must be called once.
type place struct {
	pool   *pool
	client netip.Prefix
	freed  sync.Once
}

// free makes the place available to other clients. It still counts towards this client's share.
func (p *place) free() { p.freed.Do(func() { <-p.pool.places }) }

func (p *place) release() {
	p.free()
	p.pool.shares.release(p.client)
}

// run gives an operation a place and a deadline. The place is free as soon as
// the answer is complete, however long the client takes to read it.
func (p *pool) run(deadline time.Duration) humaMiddleware {
	return func(ctx huma.Context, next func(huma.Context)) {
		taken, refusal := p.acquire(ctx.Context())
		if refusal != nil {
			refuse(ctx, refusal)
			return
		}
		defer taken.release()
		if deadline != Unlimited {
			timed, cancel := context.WithTimeout(ctx.Context(), deadline)
			defer cancel()
			ctx = huma.WithContext(ctx, timed)
		}
		next(answering{humaContext: ctx, place: taken})
	}
}

// serve is like run, for answers from memory. Only the client's share limits it.
func (p *pool) serve(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		taken, refusal := p.acquire(r.Context())
		if refusal != nil {
			refusal.Write(w)
			return
		}
		defer taken.release()
		taken.free()
		next.ServeHTTP(w, r)
	})
}

func refuse(ctx huma.Context, p *Problem) {
	_, w := humachi.Unwrap(ctx)
	p.Write(w)
}

type humaContext = huma.Context // embedded under the name Context, it would hide the method of that name

// answering frees the place when the answer is written, which huma has encoded completely by then.
type answering struct {
	humaContext
	place *place
}

// BodyWriter implements huma.Context.
func (a answering) BodyWriter() io.Writer {
	return freeing{Writer: a.humaContext.BodyWriter(), place: a.place}
}

// Unwrap returns the context that humachi needs.
func (a answering) Unwrap() huma.Context { return a.humaContext }

type freeing struct {
	io.Writer
	place *place
}

// Write implements io.Writer.
func (f freeing) Write(b []byte) (int, error) {
	f.place.free()
	return f.Writer.Write(b)
}
