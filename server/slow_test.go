package server_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/server"
)

// TestEveryLimitOfTimeIsSet checks the server as it runs in production. The tests below
// shorten these limits, and would not notice that one is missing.
func TestEveryLimitOfTimeIsSet(t *testing.T) {
	t.Parallel()
	s := server.NewHTTPServer("", http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	for name, limit := range map[string]time.Duration{
		"ReadHeaderTimeout": s.ReadHeaderTimeout, "ReadTimeout": s.ReadTimeout, "WriteTimeout": s.WriteTimeout, "IdleTimeout": s.IdleTimeout,
	} {
		if limit <= 0 || limit > 2*time.Minute {
			t.Errorf("%s = %s", name, limit)
		}
	}
	if s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > 64<<10 {
		t.Errorf("MaxHeaderBytes = %d", s.MaxHeaderBytes)
	}
	if s.HTTP2 == nil || s.HTTP2.MaxConcurrentStreams <= 0 || s.HTTP2.MaxConcurrentStreams > 100 {
		t.Errorf("HTTP2 = %+v", s.HTTP2)
	}
}

const briefly = 300 * time.Millisecond

// hasty starts the API with changed time limits, and reports when a connection was closed.
func hasty(t *testing.T, change func(*http.Server)) (address string, closed <-chan struct{}) {
	t.Helper()
	w := newWorld(t)
	gone := make(chan struct{}, 1)
	s := httptest.NewUnstartedServer(nil)
	s.Config = server.NewHTTPServer("", w.handler, slog.New(slog.DiscardHandler))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			gone <- struct{}{}
		}
	}
	change(s.Config)
	s.Start()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), gone
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	testkit.Must(t, connection.SetDeadline(time.Now().Add(time.Minute)))
	return connection
}

// trickle sends a byte every few milliseconds until the other side closes, or stop is closed.
func trickle(connection net.Conn, stop <-chan struct{}) {
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-stop:
			tick.Stop()
			return
		case <-tick.C:
			if _, err := io.WriteString(connection, "a"); err != nil {
				return
			}
		}
	}
}

func awaitClosed(t *testing.T, closed <-chan struct{}) {
	t.Helper()
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Fatal("the slow client's connection is still open")
	}
}

func TestAHeaderThatTricklesIsCutOff(t *testing.T) {
	t.Parallel()
	address, closed := hasty(t, func(s *http.Server) { s.ReadHeaderTimeout = briefly })
	connection := dial(t, address)
	_, err := io.WriteString(connection, "GET /health/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
	testkit.Must(t, err)
	go trickle(connection, t.Context().Done())
	awaitClosed(t, closed)
}

func TestABodyThatTricklesIsCutOff(t *testing.T) {
	t.Parallel()
	address, closed := hasty(t, func(s *http.Server) { s.ReadTimeout = briefly })
	connection := dial(t, address)
	_, err := io.WriteString(connection, "POST /api/auth/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n\"")
	testkit.Must(t, err)
	answered := make(chan struct{})
	go trickle(connection, answered)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	close(answered)
	testkit.Must(t, err)
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusRequestTimeout || response.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("answered %d %v, want a problem document with 408", response.StatusCode, response.Header)
	}
	awaitClosed(t, closed)
}

// TestAClientThatDoesNotReadIsCutOff requests more than fits into the buffers between
// client and server, and reads nothing.
func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	address, closed := hasty(t, func(s *http.Server) { s.WriteTimeout = briefly })
	connection := dial(t, address)
	tcp, ok := connection.(*net.TCPConn)
	if !ok {
		t.Fatalf("%T", connection)
	}
	testkit.Must(t, tcp.SetReadBuffer(4<<10))
	go func() {
		for { // until the server closes
			if _, err := io.WriteString(connection, "GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				return
			}
		}
	}()
	awaitClosed(t, closed)
}

func TestAHeaderThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	request := w.request(call{method: get, path: "/health/", header: map[string]string{"X-Large": strings.Repeat("a", 64<<10)}})
	response, err := http.DefaultClient.Do(request)
	testkit.Must(t, err)
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge { // net/http answers, before the API
		t.Errorf("answered %d, want 431", response.StatusCode)
	}
}

// lockUsers makes every authenticated request wait until the transaction ends.
func lockUsers(t *testing.T, database string) pgx.Tx {
	t.Helper()
	owner, err := pgx.Connect(t.Context(), database)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = owner.Close(context.WithoutCancel(t.Context())) })
	lock, err := owner.Begin(t.Context())
	testkit.Must(t, err)
	_, err = lock.Exec(t.Context(), "LOCK TABLE users")
	testkit.Must(t, err)
	return lock
}

// TestAnExhaustedPoolIs503UntilItIsFree lets four requests occupy the server's
// four connections to Postgres while they wait for a lock. Other requests are not queued.
func TestAnExhaustedPoolIs503UntilItIsFree(t *testing.T) {
	t.Parallel()
	database := testkit.NewDatabase(t, rights.Migrate)
	w := newReplica(t, replica{database: database, keys: newKeys(t), pool: store.Options{AcquireTimeout: 3 * time.Second}})
	p := w.patient("patient1")
	lock := lockUsers(t, database)
	profile := call{method: get, path: "/api/auth/profile/", token: p.token}
	answers := make(chan answer)
	for range 24 {
		go func() { answers <- w.do(profile) }()
	}
	start := time.Now()
	for range 20 {
		got := <-answers
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || got.object(t)["code"] != "unavailable" {
			t.Errorf("answered %d %v %s, want 503 with Retry-After", got.status, got.header, got.body)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("20 requests without a connection took %s until their answer", took)
	}
	testkit.Must(t, lock.Rollback(t.Context()))
	for range 4 {
		if got := <-answers; got.status != http.StatusOK {
			t.Errorf("a request that had a connection answered %d: %s", got.status, got.body)
		}
	}
	w.want(http.StatusOK, profile)
}

// TestTooManyAtOnceAre503 lets the requests of two clients occupy every place while
// they wait for a lock in Postgres.
func TestTooManyAtOnceAre503(t *testing.T) {
	t.Parallel()
	database := testkit.NewDatabase(t, rights.Migrate)
	w := newWorldOn(t, database, throughProxy, func(o *server.Options) { o.MaxConcurrent = 2 })
	p := w.patient("patient1")
	lock := lockUsers(t, database)
	profileFrom := func(client string) call {
		return call{method: get, path: "/api/auth/profile/", token: p.token, header: map[string]string{"X-Forwarded-For": client}}
	}
	answers := make(chan answer)
	for _, client := range []string{"192.0.2.1", "192.0.2.2"} {
		go func() { answers <- w.do(profileFrom(client)) }()
	}
	until(t, "in work", func() bool {
		var waiting int
		testkit.Must(t, lock.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&waiting))
		return waiting == 2
	})
	for client, want := range map[string]struct {
		status int
		code   string
	}{
		"192.0.2.3": {http.StatusServiceUnavailable, "unavailable"},
		"192.0.2.2": {http.StatusTooManyRequests, "too_many_at_once"}, // the share is a quarter, but at least one
	} {
		got := w.do(profileFrom(client))
		if got.status != want.status || got.header.Get("Retry-After") == "" || got.object(t)["code"] != want.code {
			t.Errorf("%s was answered %d %v %s, want %d", client, got.status, got.header, got.body, want.status)
		}
	}
	w.want(http.StatusOK, call{method: get, path: "/health/"})
	w.want(http.StatusOK, call{method: get, path: "/.well-known/jwks.json"})
	testkit.Must(t, lock.Rollback(t.Context()))
	for range 2 {
		if got := <-answers; got.status != http.StatusOK {
			t.Errorf("a request that had a place was answered %d: %s", got.status, got.body)
		}
	}
	w.want(http.StatusOK, profileFrom("192.0.2.3"))
}

// TestABodyIsReadWithoutAPlace uses a server with one place, and a body that does
// not end.
func TestABodyIsReadWithoutAPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *server.Options) { o.MaxConcurrent = 1 })
	p := w.patient("patient1")
	_, err := io.WriteString(dial(t, w.api()), idleBody("/api/health-records/", "Authorization: Bearer "+p.token))
	testkit.Must(t, err)
	until(t, "being read", func() bool { return w.total("healthrecords_http_requests_in_flight") == 1 })
	for range 10 {
		w.want(http.StatusOK, call{method: get, path: "/api/health-records/", token: p.token})
	}
}

// TestABodyThatNobodyReadsIsCutOff sends a body to an operation without one, and a body
// without authentication.
func TestABodyThatNobodyReadsIsCutOff(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"GET /health/", "POST /api/health-records/", "POST /nowhere/"} {
		address, closed := hasty(t, func(s *http.Server) { s.ReadTimeout = time.Hour })
		_, err := io.WriteString(dial(t, address), target+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
		testkit.Must(t, err)
		awaitClosed(t, closed)
	}
}

func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !met(); {
		if time.Now().After(deadline) {
			t.Fatalf("never %s", what)
		}
	}
}
