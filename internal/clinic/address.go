package clinic

import (
	"context"
	"net/netip"
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
