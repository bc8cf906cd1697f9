package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

func from(t *testing.T, address string) context.Context {
	t.Helper()
	return clinic.WithAddress(t.Context(), netip.MustParseAddr(address))
}

// newTestPool returns a pool in which no request waits.
func newTestPool(places int) *pool {
	p := newPool("test", places, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "refused_total", Help: "Requests refused."}, []string{"pool", "limit"}))
	p.wait = 0
	return p
}

func TestAFullPoolRefuses(t *testing.T) {
	t.Parallel()
	p := newTestPool(4)
	enter := func(address string, want int) *place {
		t.Helper()
		taken, refusal := p.acquire(from(t, address))
		status := http.StatusOK
		if refusal != nil {
			status = refusal.Status
			if refusal.header.Get("Retry-After") == "" {
				t.Errorf("%s is not told when to come back", address)
			}
		}
		if status != want {
			t.Fatalf("%s got %d, want %d", address, status, want)
		}
		return taken
	}
	first := enter("192.0.2.1", http.StatusOK)
	enter("192.0.2.1", http.StatusTooManyRequests)
	second := enter("2001:db8::1", http.StatusOK)
	enter("2001:db8::2", http.StatusTooManyRequests) // the same network
	enter("2001:db8:0:1::1", http.StatusOK)
	enter("192.0.2.2", http.StatusOK)
	enter("192.0.2.3", http.StatusServiceUnavailable)
	first.free() // its answer is being read
	enter("192.0.2.1", http.StatusTooManyRequests)
	enter("192.0.2.3", http.StatusOK)
	first.release()
	enter("192.0.2.1", http.StatusServiceUnavailable)
	second.release()
	enter("192.0.2.1", http.StatusOK)
}

// TestAnAnswerFreesThePlace uses a client that does not read a large answer.
func TestAnAnswerFreesThePlace(t *testing.T) {
	t.Parallel()
	p := newTestPool(1)
	entered, written := make(chan struct{}), make(chan struct{})
	handler := p.run(Unlimited)
	blocked := &blockedWriter{ResponseRecorder: httptest.NewRecorder(), entered: entered, leave: written}
	ctx := from(t, "192.0.2.1")
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		handler(humachi.NewContext(&huma.Operation{}, request, blocked), func(ctx huma.Context) { _, _ = ctx.BodyWriter().Write([]byte("answer")) })
	}()
	<-entered
	other, refusal := p.acquire(from(t, "192.0.2.2"))
	if refusal != nil {
		t.Errorf("another client is refused: %v", refusal)
	} else {
		other.release()
	}
	if _, refusal := p.acquire(ctx); refusal == nil || refusal.Status != http.StatusTooManyRequests {
		t.Errorf("the client that reads nothing got %v, want 429", refusal)
	}
	close(written)
	<-done
}

// blockedWriter is a connection with full buffers.
type blockedWriter struct {
	*httptest.ResponseRecorder
	entered, leave chan struct{}
}

func (w *blockedWriter) Write(b []byte) (int, error) {
	close(w.entered)
	<-w.leave
	return w.ResponseRecorder.Write(b)
}
