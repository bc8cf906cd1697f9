package clinic

import (
	"context"
	"net/netip"
	"strings"
)

type addressKey struct{}

// WithAddress stores the address that a request comes from. It is part of the
// context because every use case may have one, and few use it.
func WithAddress(ctx context.Context, address netip.Addr) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// AddressOf returns the address that the request comes from; the zero Addr where
// it is unknown.
func AddressOf(ctx context.Context) netip.Addr {
	address, _ := ctx.Value(addressKey{}).(netip.Addr)
	return address
}

// Client is where a request comes from.
type Client struct {
	Device  string     // the client's own description of itself; "": unknown
	Address netip.Addr // the zero Addr: unknown
}

// MaxDevice is the length of a client's description, in characters.
const MaxDevice = 200

type deviceKey struct{}

// WithDevice stores the User-Agent of a request.
func WithDevice(ctx context.Context, userAgent string) context.Context {
	return context.WithValue(ctx, deviceKey{}, userAgent)
}

// ClientOf returns where the request comes from. Anybody can make up a User-Agent: the description is
// one line of limited length, without characters that are not drawn or that
// rearrange the line.
func ClientOf(ctx context.Context) Client {
	userAgent, _ := ctx.Value(deviceKey{}).(string)
	userAgent = userAgent[:min(len(userAgent), 4*MaxDevice)]
	device := []rune(normalLine(OneLine(strings.ToValidUTF8(userAgent, ""))))
	return Client{Device: strings.TrimSpace(string(device[:min(len(device), MaxDevice)])), Address: AddressOf(ctx)}
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
