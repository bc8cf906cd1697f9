package server

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

// pools bound what the server does at once. Operations without login have pools
// of their own: however many strangers come, those who are logged in are served.
type pools struct {
	body, work             *pool
	publicBody, publicWork *pool
	large                  *pool // bodies that are not small
	streams                *pool
}

func newPools(opts Options) (*pools, error) {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "healthrecords_http_requests_refused_total",
		Help: "Requests that found no place, by pool and by whose limit was reached: that of all, or that of their address.",
	}, []string{"pool", "limit"})
	if opts.Metrics != nil {
		if err := opts.Metrics.Register(refused); err != nil {
			return nil, fmt.Errorf("registering the metric of refused requests: %w", err)
		}
	}
	return &pools{
		body: newPool("body", bodyPlaces, refused), work: newPool("work", opts.MaxConcurrent, refused),
		publicBody: newPool("public_body", bodyPlaces, refused), publicWork: newPool("public_work", publicPlaces, refused),
		large: newPool("large_body", largePlaces, refused), streams: newPool("streams", streamPlaces, refused),
	}, nil
}

// pool is a number of places. Who finds none is refused at once: a queue would
// only add those whose clients have given up.
type pool struct {
	name    string
	places  chan struct{}
	shares  *shares
	refused *prometheus.CounterVec // by pool and limit
}

func newPool(name string, places int, refused *prometheus.CounterVec) *pool {
	for _, limit := range []string{limitOfAll, limitOfAddress} {
		refused.WithLabelValues(name, limit) // so that the first refusal is an increase
	}
	return &pool{name: name, places: make(chan struct{}, places), shares: newShares(max(places/quarter, 1)), refused: refused}
}

// enter takes a place for the context's client: 429 where that has its share,
// 503 where there is none left.
func (p *pool) enter(ctx context.Context) (*place, *problem) {
	client := clinic.Network(clinic.AddressOf(ctx))
	if !p.shares.take(client) {
		p.refused.WithLabelValues(p.name, limitOfAddress).Inc()
		refusal := newProblem(ctx, http.StatusTooManyRequests, codeTooManyAtOnce, "too many requests of your address are in work; try again shortly")
		refusal.header.Set("Retry-After", retryAfter)
		return nil, refusal
	}
	select {
	case p.places <- struct{}{}:
		return &place{pool: p, client: client}, nil
	default:
		p.shares.give(client)
		p.refused.WithLabelValues(p.name, limitOfAll).Inc()
		return nil, problemOf(ctx, clinic.Unavailable(nil))
	}
}

// place is what a request has of a pool. leave must be called once.
type place struct {
	pool   *pool
	client netip.Prefix
	freed  sync.Once
}

// free lets another client have the place; it still counts as one of this client's.
func (p *place) free() { p.freed.Do(func() { <-p.pool.places }) }

func (p *place) leave() {
	p.free()
	p.pool.shares.give(p.client)
}

// run lets an operation work while it has a place, for as long as the deadline
// says. The place is free once the answer is there: the client may take its time
// to read it.
func (p *pool) run(deadline time.Duration) humaMiddleware {
	return func(ctx huma.Context, next func(huma.Context)) {
		taken, refusal := p.enter(ctx.Context())
		if refusal != nil {
			refuse(ctx, refusal)
			return
		}
		defer taken.leave()
		if deadline != unlimited {
			timed, cancel := context.WithTimeout(ctx.Context(), deadline)
			defer cancel()
			ctx = huma.WithContext(ctx, timed)
		}
		next(answering{humaContext: ctx, place: taken})
	}
}

// serve is run for what is answered from memory: only the client's share counts.
func (p *pool) serve(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		taken, refusal := p.enter(r.Context())
		if refusal != nil {
			refusal.write(w)
			return
		}
		defer taken.leave()
		taken.free()
		next.ServeHTTP(w, r)
	})
}

func refuse(ctx huma.Context, p *problem) {
	_, w := humachi.Unwrap(ctx)
	p.write(w)
}

type humaContext = huma.Context // embedded as Context it would hide the method of that name

// answering frees the place when the answer, which is encoded whole, is written.
type answering struct {
	humaContext
	place *place
}

// BodyWriter implements huma.Context.
func (a answering) BodyWriter() io.Writer {
	return freeing{Writer: a.humaContext.BodyWriter(), place: a.place}
}

// Unwrap lets humachi find its own context.
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
