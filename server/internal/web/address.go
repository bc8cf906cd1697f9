package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// ClientAddress stores the client's address and User-Agent in the context, for
// clinic.AddressOf and clinic.ClientOf. The address is the address of the connection. If it belongs to a
// trusted proxy, it is the last address in X-Forwarded-For that does not; the
// client may have made up those before it.
func ClientAddress(trusted []string, log *slog.Logger) (func(http.Handler) http.Handler, error) {
	if _, err := parseNetworks(trusted); err != nil { // chi would panic
		return nil, err
	}
	if len(trusted) == 0 {
		return func(next http.Handler) http.Handler { return warnOfProxy(log, noteOrigin(next)) }, nil
	}
	find := middleware.ClientIPFromXFF(trusted...)
	return func(next http.Handler) http.Handler { return find(noteOrigin(next)) }, nil
}

// noteOrigin stores the address that chi has found in X-Forwarded-For. Without one, it is that of the connection.
func noteOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		address := middleware.GetClientIPAddr(r.Context())
		if !address.IsValid() {
			address = peerOf(r.RemoteAddr)
		}
		next.ServeHTTP(w, r.WithContext(clinic.WithOrigin(r.Context(), address, r.UserAgent())))
	})
}

// parseNetworks parses the networks of trusted proxies.
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

// peerOf returns the address in host:port, or the zero Addr if it has none.
func peerOf(hostPort string) netip.Addr {
	peer, _ := netip.ParseAddrPort(hostPort)
	return peer.Addr().Unmap().WithZone("")
}

// warnOfProxy logs one warning if requests come through a proxy although none is
// trusted: all clients of the proxy are then throttled as one.
func warnOfProxy(log *slog.Logger, next http.Handler) http.Handler {
	var warned atomic.Bool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Forwarded-For") != "" && !warned.Swap(true) {
			log.WarnContext(r.Context(), "requests have X-Forwarded-For, but TRUSTED_PROXIES is empty: "+
				"if a proxy sets the header, add its network there, or all of its clients are throttled as one")
		}
		next.ServeHTTP(w, r)
	})
}
