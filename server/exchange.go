package server

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/netip"
	"strings"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// exchange is what is known of one request while it is served. The layers in
// front of the router make it, those behind fill it in.
type exchange struct {
	id         string     // request id
	path       string     // as the client wrote it, before canonicalPath
	credential bool       // an Authorization header was sent
	route      string     // pattern of the operation's path; never a path itself
	operation  string     // operation id
	user       int64      // 0: not proven
	address    netip.Addr // of the connection: the client's, or its proxy's
}

type exchangeKey struct{}

// exchangeOf never returns nil.
func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{}
}

func newExchange(r *http.Request) *exchange {
	id := r.Header.Get("X-Request-ID")
	if !saneRequestID(id) {
		id = strings.ToLower(rand.Text())
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero address where the transport has none
	return &exchange{
		id: id, address: peer.Addr().Unmap(), path: r.URL.EscapedPath(), route: "unmatched",
		credential: r.Header.Get("Authorization") != "",
	}
}

// saneRequestID accepts what people use, UUIDs and the like, and nothing that
// could forge a line of a log or carry much.
func saneRequestID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && r != '-' && r != '_' && r != '.'
	})
}

// request is what the audit log tells of it: the client's address where a proxy
// told it.
func (x *exchange) request(ctx context.Context) clinic.Request {
	address := clinic.ClientOf(ctx)
	if !address.IsValid() {
		address = x.address
	}
	return clinic.Request{Operation: x.operation, ID: x.id, Address: address}
}

// prefix is "/api" or "/api/v1", as the client uses it.
func (x *exchange) prefix() string {
	if strings.HasPrefix(x.path, versionedPrefix) {
		return strings.TrimSuffix(versionedPrefix, "/")
	}
	return strings.TrimSuffix(apiPrefix, "/")
}
