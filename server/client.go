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
	if _, err := parseNetworks(trusted); err != nil { // chi would panic
		return nil, err
	}
	find := middleware.ClientIPFromRemoteAddr
	if len(trusted) > 0 {
		find = middleware.ClientIPFromXFF(trusted...)
	}
	note := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			address := middleware.GetClientIPAddr(r.Context())
			if !address.IsValid() { // no proxy told
				address = peerOf(r.RemoteAddr)
			}
			next.ServeHTTP(w, r.WithContext(clinic.WithAddress(r.Context(), address)))
		})
	}
	return func(next http.Handler) http.Handler { return warnOfProxy(len(trusted) > 0, log, find(note(next))) }, nil
}

// parseNetworks reads the trusted proxies.
func parseNetworks(texts []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("reading the trusted proxies: %w", err)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// peerOf returns the address in host:port; the zero Addr where there is none.
func peerOf(hostPort string) netip.Addr {
	peer, _ := netip.ParseAddrPort(hostPort)
	return peer.Addr().Unmap().WithZone("")
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
