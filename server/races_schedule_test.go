package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// never is the number of a statement that no request reaches.
const never = -1

// schedule defines how two requests take turns. The first is held before its
// statement number hold, until the second reaches its statement number until, ends,
// or waits for a lock. If the first is not held, it ends before the second begins.
type schedule struct {
	first       int // of the two requests
	hold, until int
}

// gate counts the statements of a request, and holds one of them until it is open.
type gate struct {
	at      int
	steps   int
	reached chan struct{} // closed when the request is before statement at
	open    chan struct{}
}

func newGate(at int) *gate {
	return &gate{at: at, reached: make(chan struct{}), open: make(chan struct{})}
}

type gateKey struct{}

// gates is a tracer that sends the statements of requests through their gates.
type gates struct{}

func (gates) pass(ctx context.Context) context.Context {
	if g, ok := ctx.Value(gateKey{}).(*gate); ok {
		if g.steps == g.at {
			close(g.reached)
			<-g.open
		}
		g.steps++
	}
	return ctx
}

// TraceQueryStart implements pgx.QueryTracer. It ignores the beginning of a
// transaction, which reads nothing.
func (g gates) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if data.SQL == "begin" {
		return ctx
	}
	return g.pass(ctx)
}

// TraceQueryEnd implements pgx.QueryTracer.
func (gates) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (g gates) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return g.pass(ctx)
}

// TraceBatchQuery implements pgx.BatchTracer.
func (gates) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (gates) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// run lets the two writes take turns in a new scene.
func (s *scene) run(t *testing.T, p pair, order schedule) outcome {
	t.Helper()
	s.begin(t, p)
	first, second := newGate(order.hold), newGate(order.until)
	close(second.open)
	got := outcome{schedule: order}
	requests := [2]*http.Request{s.request(t, p, 0), s.request(t, p, 1)}
	send := func(n int, g *gate) <-chan struct{} {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			got.answers[n] = s.answer(requests[n], g)
			got.steps[n] = g.steps
		}()
		return ended
	}
	firstEnded := send(order.first, first)
	select {
	case <-first.reached:
	case <-firstEnded:
	}
	secondEnded := send(1-order.first, second)
	s.awaitTurn(t, second.reached, secondEnded)
	close(first.open)
	<-firstEnded
	<-secondEnded
	var decisions map[string]string
	got.state, decisions = s.state(t)
	for n, w := range p.writes {
		s.check(t, w, requests[n], got.answers[n], decisions[strconv.Itoa(n)])
	}
	return got
}

// awaitTurn returns when the second request has reached its statement, or cannot
// continue before the first does.
func (s *scene) awaitTurn(t *testing.T, reached, ended <-chan struct{}) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-reached:
			return
		case <-ended:
			return
		case <-t.Context().Done():
			t.Fatal("the second request neither ends nor waits for the first")
		case <-tick.C:
			var waiting bool
			testkit.Must(t, s.db.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
				WHERE datname = current_database() AND NOT granted)`).Scan(&waiting))
			if waiting {
				return
			}
		}
	}
}

// answer serves the request in this process, so that its statements have its context.
func (s *scene) answer(request *http.Request, g *gate) answer {
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, request.WithContext(context.WithValue(request.Context(), gateKey{}, g)))
	return answer{status: recorder.Code, header: recorder.Header(), body: recorder.Body.Bytes()}
}

// request returns one of the two requests. Its number is its request id.
func (s *scene) request(t *testing.T, p pair, n int) *http.Request {
	t.Helper()
	w := p.writes[n]
	r := s.matrix[w.operation]
	o := s.operations[w.operation]
	c := call{
		method: o.method, path: filled(o.path, strconv.FormatInt(s.cast.own["patient"][r.of], 10)) + r.query + w.query, token: s.token(t, w.as),
		body: w.body, header: map[string]string{"X-Request-ID": strconv.Itoa(n)},
	}
	switch c.body.(type) {
	case nil:
		if r.body != nil {
			c.body = r.body(s.cast, w.as, s.cast.own["patient"][r.of])
		}
	case none:
		c.body = nil
	case code:
		c.body = map[string]any{"code": totpCode(t, s.secret, time.Now())}
	}
	if w.repeated {
		c.header["Idempotency-Key"] = "one"
	}
	request := s.cast.request(c)
	if request.Body == nil {
		request.Body = http.NoBody
	}
	return request
}
