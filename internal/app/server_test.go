package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestTheAPIsPortHasItsLimitOfConnections(t *testing.T) {
	t.Parallel()
	listener, err := listen(t.Context(), settings.Server{ListenAddress: "127.0.0.1:0", Connections: 1, PerAddress: 1}, prometheus.NewRegistry())
	testkit.Must(t, err)
	defer func() { _ = listener.Close() }()
	accepted := make(chan net.Conn, 2)
	go func() {
		defer close(accepted)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- connection
		}
	}()
	first, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	testkit.Must(t, err)
	defer func() { _ = first.Close() }()
	held := <-accepted
	second, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err == nil { // the refusal may be faster than the dialer
		_, err = second.Read(make([]byte, 1))
		_ = second.Close()
	}
	if err == nil {
		t.Error("the second connection is served")
	}
	testkit.Must(t, errors.Join(held.Close(), listener.Close()))
	if _, more := <-accepted; more {
		t.Error("the second connection was accepted")
	}
}

// TestServeHTTPLetsClientsLeave keeps a connection open over the end of the server: what is sent on it during the delay is
// answered, and the answer closes it.
func TestServeHTTPLetsClientsLeave(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- serveHTTP(ctx, s, listener, time.Second, time.Minute) }()
	ask := func() (closes bool) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatalf("the request is lost: %v", err)
		}
		_ = response.Body.Close()
		return response.Close
	}
	if ask() {
		t.Error("the connection is closed while nothing ends")
	}
	stop()
	for range 3 {
		if !ask() {
			t.Error("the connection is left open")
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
