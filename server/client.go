package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// noteClient notes the address that a request comes from: the connection's, or,
// where that is of a trusted proxy, the last one of X-Forwarded-For that is not.
// What stands before that anybody may have made up.
func noteClient(trusted []string, log *slog.Logger) (func(http.Handler) http.Handler, error) {
	for _, prefix := range trusted {
		if _, err := netip.ParsePrefix(prefix); err != nil { // chi would panic
			return nil, fmt.Errorf("reading the trusted proxies: %w", err)
		}
	}
	find := middleware.ClientIPFromRemoteAddr
	if len(trusted) > 0 {
		find = middleware.ClientIPFromXFF(trusted...)
	}
	note := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			address := middleware.GetClientIPAddr(r.Context())
			if peer, err := netip.ParseAddrPort(r.RemoteAddr); !address.IsValid() && err == nil { // no proxy told
				address = peer.Addr().Unmap()
			}
			next.ServeHTTP(w, r.WithContext(clinic.WithClient(r.Context(), address)))
		})
	}
	return func(next http.Handler) http.Handler { return warnOfProxy(len(trusted) > 0, log, find(note(next))) }, nil
}

// warnOfProxy tells once when requests come through a proxy and none is trusted:
// all who come through it are then throttled as one.
func warnOfProxy(trusting bool, log *slog.Logger, next http.Handler) http.Handler {
	if trusting {
		return next
	}
	var warned atomic.Bool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Forwarded-For") != "" && !warned.Swap(true) {
			log.WarnContext(r.Context(), "requests carry X-Forwarded-For and TRUSTED_PROXIES is empty: "+
				"if a proxy sets it, name the proxy there, or all of its clients are throttled as one")
		}
		next.ServeHTTP(w, r)
	})
}
