package web

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// refusals returns how many requests the pool has refused because it was full.
func (p *pool) refusals() float64 {
	return testutil.ToFloat64(p.refused.WithLabelValues(p.name, limitOfAll))
}

// await waits until as many requests as wanted wait for a place.
func (p *pool) await(t *testing.T, waiting int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); len(p.queue) != waiting; {
		if time.Now().After(deadline) {
			t.Fatalf("%d requests wait, want %d", len(p.queue), waiting)
		}
	}
}

func TestARequestWaitsForAPlace(t *testing.T) {
	t.Parallel()
	p := newTestPool(1)
	p.wait = time.Hour
	first, refusal := p.acquire(from(t, "192.0.2.1"))
	if refusal != nil {
		t.Fatal(refusal)
	}
	got := make(chan *Problem)
	go func() {
		_, refusal := p.acquire(from(t, "192.0.2.2"))
		got <- refusal
	}()
	p.await(t, 1)
	first.release()
	if refusal := <-got; refusal != nil {
		t.Errorf("the request that waited was refused: %v", refusal)
	}
	p.await(t, 0)
}

func TestAClientThatLeavesNoLongerWaits(t *testing.T) {
	t.Parallel()
	p := newTestPool(1)
	p.wait = time.Hour
	if _, refusal := p.acquire(from(t, "192.0.2.1")); refusal != nil {
		t.Fatal(refusal)
	}
	ctx, leave := context.WithCancel(from(t, "192.0.2.2"))
	got := make(chan *Problem)
	go func() {
		_, refusal := p.acquire(ctx)
		got <- refusal
	}()
	p.await(t, 1)
	leave()
	if refusal := <-got; refusal == nil {
		t.Error("a client that has left got a place")
	}
	if p.refusals() != 0 {
		t.Error("the client that has left counts as refused")
	}
}

func TestAQueueHasALimit(t *testing.T) {
	t.Parallel()
	p := newTestPool(1)
	p.wait = time.Hour
	p.shares = newShares(2 * queueLength)
	ctx, leave := context.WithCancel(from(t, "192.0.2.1"))
	ended := make(chan struct{})
	for range queueLength + 1 {
		go func() {
			_, _ = p.acquire(ctx)
			ended <- struct{}{}
		}()
	}
	<-ended // has the place
	p.await(t, queueLength)
	if _, refusal := p.acquire(from(t, "192.0.2.99")); refusal == nil || refusal.Status != http.StatusServiceUnavailable {
		t.Errorf("with a full queue, a request got %v", refusal)
	}
	leave()
	for range queueLength {
		<-ended
	}
}

// overloaded is a server whose operation ends when the test says so.
type overloaded struct {
	pool    *pool
	address string
	log     string // the path of its log
	finish  chan struct{}
}

func serveOverloaded(t *testing.T, places int) overloaded {
	t.Helper()
	o := overloaded{pool: newTestPool(places), finish: make(chan struct{}), log: filepath.Join(t.TempDir(), "log")}
	o.pool.shares = newShares(100)
	file, err := os.Create(o.log)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = file.Close() })
	observer, err := NewObserver(ObserverOptions{Log: slog.New(slog.NewTextHandler(file, nil))})
	testkit.Must(t, err)
	operation := o.pool.run(Unlimited)
	s := httptest.NewServer(observer.Observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation(humachi.NewContext(&huma.Operation{}, r, w), func(ctx huma.Context) {
			<-o.finish
			ctx.SetStatus(http.StatusNoContent)
		})
	})))
	t.Cleanup(s.Close)
	o.address = s.Listener.Addr().String()
	return o
}

// client is one connection.
type client struct {
	net.Conn
	answers *bufio.Reader
}

func (o overloaded) dial(t *testing.T) client {
	t.Helper()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", o.address)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	return client{Conn: connection, answers: bufio.NewReader(connection)}
}

func (c client) send(t *testing.T) {
	t.Helper()
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	testkit.Must(t, err)
}

// want reads an answer that leaves the connection open.
func (c client) want(t *testing.T, status int) http.Header {
	t.Helper()
	answer, err := http.ReadResponse(c.answers, nil)
	testkit.Must(t, err)
	defer func() { _ = answer.Body.Close() }()
	_, err = io.Copy(io.Discard, answer.Body)
	testkit.Must(t, err)
	if answer.StatusCode != status || answer.Close {
		t.Errorf("answered %d and closes the connection: %t, want %d", answer.StatusCode, answer.Close, status)
	}
	return answer.Header
}

// TestOverload sends three times as many requests as the server has places for. Those beyond are refused, without losing their
// connections, and those that have a place are not disturbed.
func TestOverload(t *testing.T) {
	t.Parallel()
	const places = 8
	o := serveOverloaded(t, places)
	var served, refused []client
	for range places {
		c := o.dial(t)
		c.send(t)
		served = append(served, c)
	}
	for deadline := time.Now().Add(time.Minute); len(o.pool.places) < places; {
		if time.Now().After(deadline) {
			t.Fatalf("%d requests have a place", len(o.pool.places))
		}
	}
	began := time.Now()
	for range 2 * places {
		c := o.dial(t)
		c.send(t)
		refused = append(refused, c)
	}
	for _, c := range refused {
		if header := c.want(t, http.StatusServiceUnavailable); header.Get("Retry-After") == "" {
			t.Errorf("a refusal has no Retry-After: %v", header)
		}
	}
	took := time.Since(began)
	close(o.finish)
	for _, c := range served {
		c.want(t, http.StatusNoContent)
	}
	for _, c := range refused { // on the same connection
		c.send(t)
		c.want(t, http.StatusNoContent)
	}
	if o.pool.refusals() != 2*places {
		t.Errorf("%v refusals were counted, want %d", o.pool.refusals(), 2*places)
	}
	log, err := os.ReadFile(o.log)
	testkit.Must(t, err)
	if lines, most := strings.Count(string(log), "status=503"), 1+int(took/refusalPause); lines < 1 || lines > most {
		t.Errorf("%d lines about refusals, want 1 to %d:\n%s", lines, most, log)
	}
}
