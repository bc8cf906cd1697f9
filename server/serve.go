package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Serve serves, by TLS where s has a configuration of it, until ctx ends. For delay it goes on, so that load balancers
// and clients that keep connections open leave in peace; then it takes no new request and gives those in work grace to end.
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

// closeOnceDone has each answer close its connection from the end of ctx on: else a client could send its next request on
// a connection that is being closed, and not know whether it was taken.
func closeOnceDone(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ctx.Err() != nil {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
