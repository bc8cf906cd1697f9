package clinic

import (
	"context"
	"net/netip"
)

type addressKey struct{}

// WithAddress notes the address that a request comes from. It goes with the
// context because every use case may be asked from somewhere, and few care.
func WithAddress(ctx context.Context, address netip.Addr) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// AddressOf returns the address that the request comes from; the zero Addr where
// it is not known.
func AddressOf(ctx context.Context) netip.Addr {
	address, _ := ctx.Value(addressKey{}).(netip.Addr)
	return address
}

// Network is what a client's address counts as wherever clients have a share of
// something: itself in IPv4, and in IPv6 its /64, since whoever has one address of
// that has them all. All addresses that are not known count as one.
func Network(address netip.Addr) netip.Prefix {
	address = address.Unmap()
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	network, _ := address.Prefix(bits) // the zero Prefix where the address is not known
	return network
}
