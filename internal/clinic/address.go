package clinic

import (
	"context"
	"net/netip"
	"strings"
)

type originKey struct{}

// origin is where a request comes from, as HTTP says.
type origin struct {
	address   netip.Addr
	userAgent string
}

// WithOrigin stores the address that a request comes from, and its User-Agent. They are part of the
// context because every use case may have them, and few use them.
func WithOrigin(ctx context.Context, address netip.Addr, userAgent string) context.Context {
	return context.WithValue(ctx, originKey{}, origin{address: address, userAgent: userAgent})
}

// WithAddress is WithOrigin for a request without a User-Agent.
func WithAddress(ctx context.Context, address netip.Addr) context.Context {
	return WithOrigin(ctx, address, "")
}

// AddressOf returns the address that the request comes from; the zero Addr where
// it is unknown.
func AddressOf(ctx context.Context) netip.Addr { return originOf(ctx).address }

func originOf(ctx context.Context) origin {
	o, _ := ctx.Value(originKey{}).(origin)
	return o
}

// Client is where a request comes from.
type Client struct {
	Device  string     // the client's own description of itself; "": unknown
	Address netip.Addr // the zero Addr: unknown
}

// MaxDevice is the length of a client's description, in characters.
const MaxDevice = 200

// ClientOf returns where the request comes from. Anybody can make up a User-Agent: the description is
// one line of limited length, without characters that are not drawn or that
// rearrange the line.
func ClientOf(ctx context.Context) Client {
	o := originOf(ctx)
	userAgent := o.userAgent[:min(len(o.userAgent), 4*MaxDevice)]
	device := []rune(normalLine(OneLine(strings.ToValidUTF8(userAgent, ""))))
	return Client{Device: strings.TrimSpace(string(device[:min(len(device), MaxDevice)])), Address: o.address}
}

// Network is the network by which clients are counted and limited: the address
// itself in IPv4, and its /64 in IPv6, since a client with one address of
// that has them all. All unknown addresses count as one.
func Network(address netip.Addr) netip.Prefix {
	address = address.Unmap()
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	network, _ := address.Prefix(bits) // the zero Prefix of an unknown address
	return network
}
