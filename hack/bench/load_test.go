package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// startAPI serves a handler, and returns its host:port.
func startAPI(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	api := httptest.NewServer(handler)
	t.Cleanup(api.Close)
	return strings.TrimPrefix(api.URL, "http://")
}

func TestOnlyRightAnswersCount(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	address := startAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		switch requests.Add(1) % 5 {
		case 1:
			_, _ = io.WriteString(w, `{"id":7,"item":1,"item":2}`)
		case 2:
			_, _ = io.WriteString(w, `{"id":8,"item":1,"item":2}`) // another object
		case 3:
			_, _ = io.WriteString(w, `{"id":7,"item":1}`) // an item is missing
		case 4:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	o := job{Address: address, Connections: 2, Requests: 50, Groups: []group{{1, []call{{
		Method: http.MethodGet, Path: "/", Token: noToken, Want: want{Status: http.StatusOK, Text: `"id":7,`, Item: `"item"`, Items: 2},
	}}}}}.run()
	if o.Right != 10 || o.Refused != 10 || o.Wrong != 30 {
		t.Errorf("%d right, %d refused, %d wrong, want 10, 10, 30", o.Right, o.Refused, o.Wrong)
	}
	if len(o.Faults) != mostFaults {
		t.Errorf("%d faults are named, want %d", len(o.Faults), mostFaults)
	}
}

func TestServerThatIsAwayGivesWrongAnswers(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	o := job{Address: address, Connections: 1, Requests: 3, Groups: []group{{1, []call{{Method: http.MethodGet, Path: "/", Token: noToken}}}}}.run()
	if o.Right != 0 || o.Wrong != 3 {
		t.Errorf("%d right, %d wrong, want 0, 3", o.Right, o.Wrong)
	}
}

// TestLatencyCountsFromWhenARequestWasDue: a server that hangs makes the requests late that are due meanwhile.
func TestLatencyCountsFromWhenARequestWasDue(t *testing.T) {
	t.Parallel()
	const hang = 200 * time.Millisecond
	var requests atomic.Int64
	address := startAPI(t, func(http.ResponseWriter, *http.Request) {
		if requests.Add(1) == 1 {
			<-time.After(hang)
		}
	})
	calls := []group{{1, []call{{Method: http.MethodGet, Path: "/", Token: noToken, Want: want{Status: http.StatusOK}}}}}
	o := job{Address: address, Connections: 1, Rate: 200, Seconds: 0.2, Groups: calls}.run() // all are due while the server hangs
	if o.Right != 40 || o.Wrong != 0 {
		t.Fatalf("%d right, %d wrong, want 40, 0", o.Right, o.Wrong)
	}
	if o.P50 < hang/4 {
		t.Errorf("half of the requests took %v at most, although the server hung for %v", o.P50, hang)
	}
}

func TestNumbersAndTokensOfRequests(t *testing.T) {
	t.Parallel()
	var seen atomic.Pointer[http.Request]
	var bodies [3]string
	var requests atomic.Int64
	address := startAPI(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r)
		body, _ := io.ReadAll(r.Body)
		bodies[requests.Add(1)-1] = string(body)
		_, _ = w.Write(body)
	})
	o := job{Address: address, Connections: 1, Requests: 3, Tokens: []string{"first", "second"}, Groups: []group{{1, []call{{
		Method: http.MethodPost, Path: "/a/", Token: 1, Body: `{"n":"` + number + `"}`, Want: want{Status: http.StatusOK, Text: `"` + number + `"`},
	}}}}}.run()
	if o.Right != 3 {
		t.Fatalf("%d right answers, want 3: %v", o.Right, o.Faults)
	}
	if bodies[0] == bodies[1] || bodies[1] == bodies[2] {
		t.Errorf("requests have the same number: %q", bodies)
	}
	if got := seen.Load().Header.Get("Authorization"); got != "Bearer second" {
		t.Errorf("Authorization is %q, want the second token", got)
	}
	if seen.Load().Header.Get("X-Forwarded-For") == "" {
		t.Error("the request names no client")
	}
}

func TestChainedRequestsSendTheLastToken(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	address := startAPI(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := requests.Add(1)
		if string(body) != refreshBody(fmt.Sprintf("token%d", n)) {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = fmt.Fprintf(w, `{"access":"x","refresh":"token%d"}`, n+1)
	})
	o := job{Address: address, Connections: 1, Requests: 4, Chained: true, Groups: []group{{1, refreshes([]string{"token1"}).calls}}}.run()
	if o.Right != 4 {
		t.Errorf("%d right answers, want 4: %v", o.Right, o.Faults)
	}
}
