package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/telemetry"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// Each client has its own address on the loopback interface.
const (
	attacker  = "127.0.0.2"
	bystander = "127.0.0.3"
)

func dialerOf(from string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
}

// clientOf returns a client that sends requests from an address.
func clientOf(t testing.TB, from string) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: dialerOf(from).DialContext, MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// crowd is the sockets of one address.
type crowd []net.Conn

// gather opens the sockets and sends text on each, and then nothing more. The server
// may refuse some.
func gather(t testing.TB, address, from string, sockets int, text string) crowd {
	t.Helper()
	var c crowd
	t.Cleanup(func() { c.leave() })
	for range sockets {
		socket, err := dialerOf(from).DialContext(t.Context(), "tcp", address)
		if errors.Is(err, syscall.ECONNRESET) {
			continue
		}
		testkit.Must(t, err)
		c = append(c, socket)
		_, _ = io.WriteString(socket, text)
	}
	return c
}

// leave closes the sockets.
func (c crowd) leave() {
	for _, socket := range c {
		_ = socket.Close()
	}
}

func idleBody(path string, header ...string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n" +
		strings.Join(append(header, ""), "\r\n") + "\r\n{"
}

// total returns the sum over the series of a metric: of the counts of a histogram, or of the values.
func (w *world) total(name string) float64 {
	w.t.Helper()
	families, err := w.metrics.Gather()
	testkit.Must(w.t, err)
	var sum float64
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == name {
				sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// met returns how many sockets and requests the server has handled or is handling.
func (w *world) met() float64 {
	w.t.Helper()
	return w.total("healthrecords_http_requests_in_flight") + w.total("healthrecords_http_request_duration_seconds") +
		w.total("healthrecords_connections_refused_total")
}

// measure sends requests, several at a time, and returns how long each took. All
// must succeed.
func (w *world) measure(client *http.Client, requests int, calls ...call) []time.Duration {
	w.t.Helper()
	const atOnce = 2
	took := make([]time.Duration, requests)
	var group sync.WaitGroup
	for worker := range atOnce {
		group.Go(func() {
			for i := worker; i < requests; i += atOnce {
				began := time.Now()
				status, err := w.send(client, calls[i/atOnce%len(calls)])
				took[i] = time.Since(began)
				if err != nil || status >= http.StatusBadRequest {
					w.t.Errorf("a bystander's request was answered %d, %v", status, err)
					return
				}
			}
		})
	}
	group.Wait()
	return took
}

func (w *world) send(client *http.Client, c call) (status int, err error) {
	response, err := client.Do(w.request(c))
	if err != nil {
		return 0, fmt.Errorf("sending: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

func percentile(of []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}

// api is the address that the sockets connect to.
func (w *world) api() string { return strings.TrimPrefix(w.url, "http://") }

// TestIdleSocketsOfOneAddressDisturbNobody repeatedly opens 2,000 sockets that begin
// a request and then send nothing. It compares the times of other clients with
// those without these sockets.
func TestIdleSocketsOfOneAddressDisturbNobody(t *testing.T) { // not in parallel, because it measures times
	const sockets, rounds, requests = 2000, 7, 200
	w := newWorld(t)
	p, other := w.patient("patient1"), w.patient("patient2") // many logins end a user's oldest sessions
	w.record(p)
	admin := startAdmin(t, w)
	client := clientOf(t, bystander)
	calls := []call{
		{method: get, path: "/api/health-records/", token: p.token},
		{method: post, path: "/api/health-records/", token: p.token, body: visit()},
		{method: post, path: "/api/auth/login/", body: map[string]any{"username": other.username, "password": password}},
		{method: get, path: "/health/"},
	}
	w.measure(client, requests, calls...) // warm-up
	var calm, attacked []time.Duration
	for range rounds {
		calm = append(calm, percentile(w.measure(client, requests, calls...), .99))
		before := w.met()
		idle := gather(t, w.api(), attacker, sockets, idleBody("/api/auth/logout/"))
		until(t, "met by the server", func() bool { return w.met() >= before+sockets })
		attacked = append(attacked, percentile(w.measure(client, requests, calls...), .99))
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			if status := statusOf(t, admin+path); status != http.StatusOK {
				t.Errorf("the admin port answers %s with %d", path, status)
			}
		}
		idle.leave()
		until(t, "left alone", func() bool { return w.total("healthrecords_http_requests_in_flight") == 0 })
	}
	without, with := percentile(calm, .5), percentile(attacked, .5)
	t.Logf("99th percentile, median of %d rounds: %s without the sockets, %s with them", rounds, without, with)
	if with > 2*without {
		t.Errorf("with the idle sockets the 99th percentile is %s, without %s", with, without)
	}
}

// startAdmin serves the admin port of the process.
func startAdmin(t *testing.T, w *world) (url string) {
	t.Helper()
	admin, err := telemetry.NewAdmin(t.Context(), telemetry.AdminOptions{Address: "127.0.0.1:0", Gatherer: w.metrics})
	testkit.Must(t, err)
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- admin.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		testkit.Must(t, <-ended)
	})
	return "http://" + admin.Address()
}

func statusOf(t *testing.T, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	testkit.Must(t, err)
	response, err := http.DefaultClient.Do(request)
	testkit.Must(t, err)
	testkit.Must(t, response.Body.Close())
	return response.StatusCode
}

// TestIdleRequestsTakeNoPlace lets one address stop sending in every possible way,
// while another address gets all operations.
func TestIdleRequestsTakeNoPlace(t *testing.T) { //nolint:tparallel // the subtests run in sequence, because all use one address
	t.Parallel()
	w := newWorld(t)
	p := w.patient("patient1")
	client := clientOf(t, bystander)
	bearer := "Authorization: Bearer " + p.token
	read := func(text string) string { return strings.Replace(text, post, get, 1) }
	chunked := func(text string) string {
		return strings.Replace(text, "Content-Length: 100", "Transfer-Encoding: chunked", 1)
	}
	for name, begun := range map[string]string{
		"login":              idleBody("/api/auth/login/"),
		"registration":       idleBody("/api/auth/register/"),
		"refresh":            idleBody("/api/auth/token/refresh/"),
		"logout":             idleBody("/api/auth/logout/"),
		"chunks":             chunked(idleBody("/api/auth/login/")),
		"logged in":          idleBody("/api/health-records/", bearer),
		"chunks, logged in":  chunked(idleBody("/api/health-records/", bearer)),
		"body of a read":     read(idleBody("/api/health-records/", bearer)),
		"body of a document": read(idleBody("/api/openapi.json")),
		"body of a check":    read(idleBody("/health/")),
		"no token":           idleBody("/api/health-records/"),
		"nowhere":            idleBody("/nowhere/"),
		"header":             "POST /api/auth/login/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
		"nothing":            "",
	} {
		t.Run(name, func(t *testing.T) {
			idle := gather(t, w.api(), attacker, 600, begun)
			w.serves(t, client, "", append(memberCalls(p), strangerCalls(p)...)...)
			idle.leave()
		})
	}
}

// TestIdleClientsOfAProxyDisturbNobodyElse uses a trusted proxy, which may have any
// number of connections. The client makes up addresses before its own.
func TestIdleClientsOfAProxyDisturbNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, throughProxy)
	p := w.patient("patient1")
	client := clientOf(t, bystander)
	for i := range 600 {
		gather(t, w.api(), attacker, 1, idleBody("/api/auth/logout/", fmt.Sprintf("X-Forwarded-For: 192.0.2.%d, 198.51.100.7", i%256)))
	}
	until(t, "met by the server", func() bool { return w.met() >= 600 })
	if n := w.total("healthrecords_connections_refused_total"); n != 0 {
		t.Errorf("%v connections of the proxy were refused", n)
	}
	w.serves(t, client, "198.51.100.8", append(memberCalls(p), strangerCalls(p)...)...)
	for _, c := range strangerCalls(p) {
		if status := w.statusFrom(t, client, "198.51.100.7", c); status != http.StatusTooManyRequests {
			t.Errorf("the idle client's next request was answered %d, want 429", status)
		}
	}
}

// TestIdleSocketsOfManyAddressesStopLoginsOnly shows what five addresses can block.
func TestIdleSocketsOfManyAddressesStopLoginsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.patient("patient1")
	client := clientOf(t, bystander)
	for i := range 5 {
		gather(t, w.api(), fmt.Sprintf("127.0.1.%d", i+1), 150, idleBody("/api/auth/logout/"))
	}
	until(t, "refused without login", func() bool {
		return w.statusFrom(t, client, "", strangerCalls(p)[0]) == http.StatusServiceUnavailable
	})
	w.serves(t, client, "", memberCalls(p)...)
}

// TestSlowLargeBodiesHoldNoPlaceOfOthers sends most of a large body, and then waits.
func TestSlowLargeBodiesHoldNoPlaceOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.patient("patient1")
	client := clientOf(t, bystander)
	begun := strings.Replace(idleBody("/api/health-records/", "Authorization: Bearer "+p.token), "Content-Length: 100", "Content-Length: 200000", 1)
	gather(t, w.api(), attacker, 20, begun+strings.Repeat(" ", 100<<10))
	large, err := json.Marshal(visit())
	testkit.Must(t, err)
	create := call{method: post, path: "/api/health-records/", token: p.token, body: string(large) + strings.Repeat(" ", 100<<10)}
	until(t, "refused", func() bool { return w.statusFrom(t, clientOf(t, attacker), "", create) == http.StatusTooManyRequests })
	w.serves(t, clientOf(t, attacker), "", memberCalls(p)...)
	w.serves(t, client, "", append(memberCalls(p), create)...)
}

// memberCalls need a login, or no database; strangerCalls need no login.
func memberCalls(p person) []call {
	return []call{
		{method: get, path: "/health/"},
		{method: get, path: "/.well-known/jwks.json"},
		{method: get, path: "/api/health-records/?page_size=1", token: p.token},
		{method: post, path: "/api/health-records/", token: p.token, body: visit()},
	}
}

func strangerCalls(p person) []call {
	return []call{{method: post, path: "/api/auth/login/", body: map[string]any{"username": p.username, "password": password}}}
}

// serves expects success for each of the calls. They come through a proxy unless forwarded is "".
func (w *world) serves(t *testing.T, client *http.Client, forwarded string, calls ...call) {
	t.Helper()
	for _, c := range calls {
		if status := w.statusFrom(t, client, forwarded, c); status >= http.StatusBadRequest {
			t.Errorf("%s %s was answered %d", c.method, c.path, status)
		}
	}
}

func (w *world) statusFrom(t *testing.T, client *http.Client, forwarded string, c call) int {
	t.Helper()
	if forwarded != "" {
		c.header = map[string]string{"X-Forwarded-For": forwarded}
	}
	status, err := w.send(client, c)
	testkit.Must(t, err)
	return status
}
