package server_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/server"
)

// TestServeLetsClientsLeave keeps a connection open while the server ends: a request during the delay is answered, and the
// answer closes the connection.
func TestServeLetsClientsLeave(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, s, listener, time.Second, time.Minute) }()
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
