package server_test

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/server"
)

// serveLimited serves HTTPS with limits of connections, and no API.
func serveLimited(t *testing.T, opts server.ConnectionOptions) (address string) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.Config = server.NewHTTPServer("", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), slog.New(slog.DiscardHandler))
	s.Config.ReadHeaderTimeout = time.Hour // idle sockets stay
	s.Config.ReadTimeout, s.Config.WriteTimeout = time.Hour, time.Hour
	var err error
	s.Listener, err = server.LimitConnections(s.Listener, opts)
	testkit.Must(t, err)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// silent opens a connection and sends nothing, not even the start of a handshake.
func silent(t *testing.T, address, from string) net.Conn {
	t.Helper()
	connection, err := dialerOf(from).DialContext(t.Context(), "tcp", address)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// served says whether the server shakes hands with an address.
func served(t *testing.T, address, from string) bool {
	t.Helper()
	dialer := tls.Dialer{NetDialer: dialerOf(from), Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // whoever it is
	connection, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}

func TestAnAddressHasItsShareOfConnections(t *testing.T) {
	t.Parallel()
	address := serveLimited(t, server.ConnectionOptions{PerAddress: 3})
	var held []net.Conn
	for range 3 {
		held = append(held, silent(t, address, attacker))
	}
	if served(t, address, attacker) {
		t.Error("an address has more than its share")
	}
	if !served(t, address, bystander) {
		t.Error("another address is refused")
	}
	testkit.Must(t, held[0].Close())
	until(t, "served again", func() bool { return served(t, address, attacker) })
}

func TestAllAddressesTogetherHaveALimitOfConnections(t *testing.T) {
	t.Parallel()
	address := serveLimited(t, server.ConnectionOptions{Most: 2, PerAddress: 2})
	first := silent(t, address, attacker)
	second := silent(t, address, "127.0.0.4")
	if served(t, address, bystander) {
		t.Error("there is no limit of all")
	}
	testkit.Must(t, first.Close())
	until(t, "served again", func() bool { return served(t, address, bystander) })
	testkit.Must(t, second.Close())
}

func TestATrustedProxyHasAnyShareOfConnections(t *testing.T) {
	t.Parallel()
	address := serveLimited(t, server.ConnectionOptions{PerAddress: 1, TrustedProxies: []string{attacker + "/32"}})
	for range 5 {
		silent(t, address, attacker)
	}
	if !served(t, address, attacker) {
		t.Error("the proxy is refused")
	}
	silent(t, address, bystander)
	if served(t, address, bystander) {
		t.Error("who is no proxy has more than its share")
	}
	if _, err := server.LimitConnections(nil, server.ConnectionOptions{TrustedProxies: []string{"10.0.0.1"}}); err == nil {
		t.Error("a proxy that is no network is no error")
	}
}
