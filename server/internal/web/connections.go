package web

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// ConnectionOptions limit the connections that are open at once.
type ConnectionOptions struct {
	Most       int // of all addresses; 0: 4096
	PerAddress int // of one IPv4 address or one IPv6 /64; 0: 512
	// TrustedProxies are networks, such as "10.0.0.0/8", to whose addresses
	// PerAddress does not apply: each of them connects for many clients.
	TrustedProxies []string
	Metrics        prometheus.Registerer // nil: no metrics
}

func (o *ConnectionOptions) setDefaults() {
	o.Most = cmp.Or(o.Most, maxConnections)
	o.PerAddress = cmp.Or(o.PerAddress, maxConnectionsPerAddress)
}

// LimitConnections returns a listener that closes connections beyond the limits
// as soon as it has accepted them. A connection counts until it is closed,
// whatever the client does with it: also during an unfinished TLS handshake, or
// while the client does not read its answer.
func LimitConnections(listener net.Listener, opts ConnectionOptions) (net.Listener, error) {
	opts.setDefaults()
	proxies, err := parseNetworks(opts.TrustedProxies)
	if err != nil {
		return nil, err
	}
	l := &limitedListener{
		Listener: listener, proxies: proxies,
		most: int64(opts.Most), shares: newShares(opts.PerAddress),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "healthrecords_connections_refused_total",
			Help: "Connections to the API that were closed at once, by the limit that was reached: that of all, or that of their address.",
		}, []string{"limit"}),
	}
	for _, limit := range []string{limitOfAll, limitOfAddress} {
		l.refused.WithLabelValues(limit) // so that the first refusal is an increase
	}
	if opts.Metrics == nil {
		return l, nil
	}
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "healthrecords_connections", Help: "Open connections to the API.",
	}, func() float64 { return float64(l.open.Load()) })
	if err := errors.Join(opts.Metrics.Register(l.refused), opts.Metrics.Register(open)); err != nil {
		return nil, fmt.Errorf("registering the metrics of connections: %w", err)
	}
	return l, nil
}

type limitedListener struct {
	net.Listener
	proxies []netip.Prefix
	most    int64
	open    atomic.Int64
	shares  *shares
	refused *prometheus.CounterVec
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err // not wrapped, because net/http examines it
		}
		release, limit := l.admit(accepted.RemoteAddr())
		if limit == "" {
			return &limitedConn{Conn: accepted, release: sync.OnceFunc(release)}, nil
		}
		l.refused.WithLabelValues(limit).Inc()
		if tcp, ok := accepted.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // otherwise the kernel would keep each for a minute
		}
		_ = accepted.Close()
	}
}

// admit counts a connection, or returns the limit that it exceeds.
func (l *limitedListener) admit(peer net.Addr) (release func(), limit string) {
	if l.open.Add(1) > l.most {
		l.open.Add(-1)
		return nil, limitOfAll
	}
	leave := func() { l.open.Add(-1) }
	address := peerOf(peer.String())
	if slices.ContainsFunc(l.proxies, func(p netip.Prefix) bool { return p.Contains(address) }) {
		return leave, ""
	}
	client := clinic.Network(address)
	if !l.shares.acquire(client) {
		leave()
		return nil, limitOfAddress
	}
	return func() { l.shares.release(client); leave() }, ""
}

// limitedConn calls release when it is closed.
type limitedConn struct {
	net.Conn
	release func()
}

// CloseWrite lets net/http end an answer before the client has sent everything.
func (c *limitedConn) CloseWrite() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return nil
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
