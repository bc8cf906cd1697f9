package clinic

import (
	"context"
	"net/netip"
)

type clientKey struct{}

// WithClient notes the address that a request comes from. It goes with the
// context because every use case may be asked from somewhere, and few care.
func WithClient(ctx context.Context, address netip.Addr) context.Context {
	return context.WithValue(ctx, clientKey{}, address)
}

// ClientOf returns the address that the request comes from; the zero Addr where
// it is not known.
func ClientOf(ctx context.Context) netip.Addr {
	address, _ := ctx.Value(clientKey{}).(netip.Addr)
	return address
}
