package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Serve serves until ctx ends, with TLS if s has a TLS configuration. After that it still serves for delay, so that load
// balancers and clients with open connections can move to other servers. Then it accepts no new requests, and waits up
// to grace for those that are running.
func Serve(ctx context.Context, s *http.Server, listener net.Listener, delay, grace time.Duration) error {
	s.Handler = closeOnceDone(ctx, s.Handler)
	served := make(chan error, 1)
	go func() {
		if s.TLSConfig != nil {
			served <- s.ServeTLS(listener, "", "")
			return
		}
		served <- s.Serve(listener)
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serving the API: %w", err)
	case <-ctx.Done():
	}
	select {
	case err := <-served:
		return fmt.Errorf("serving the API: %w", err)
	case <-time.After(delay):
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests did not end within %s: %w", grace, errors.Join(err, s.Close()))
	}
	return nil
}

// closeOnceDone makes each answer close its connection after ctx has ended. Otherwise a client could send its next request
// on a connection that is being closed, and would not know whether the server has processed it.
func closeOnceDone(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ctx.Err() != nil {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
