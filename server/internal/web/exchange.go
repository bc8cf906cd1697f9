package web

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
)

// Exchange is what is known of one request while it is served. The layers in
// front of the router make it, those behind fill it in.
type Exchange struct {
	ID        string // request id
	Path      string // as the client wrote it, before CanonicalPath
	Route     string // pattern of the operation's path; never a path itself
	Operation string // operation id
	User      int64  // 0: not proven

	credential   bool // an Authorization header was sent
	clientClosed bool // the client closed the connection before its answer was made, which ended the work
}

type exchangeKey struct{}

// ExchangeOf returns the exchange of a request's context. It is never nil.
func ExchangeOf(ctx context.Context) *Exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*Exchange); ok {
		return x
	}
	return &Exchange{}
}

func newExchange(r *http.Request) *Exchange {
	id := r.Header.Get("X-Request-ID")
	if !saneRequestID(id) {
		id = strings.ToLower(rand.Text())
	}
	return &Exchange{ID: id, Path: r.URL.EscapedPath(), Route: "unmatched", credential: r.Header.Get("Authorization") != ""}
}

// saneRequestID accepts what people use, UUIDs and the like, and nothing that
// could forge a line of a log or carry much.
func saneRequestID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && r != '-' && r != '_' && r != '.'
	})
}

// Prefix is "/api" or "/api/v1", as the client uses it.
func (x *Exchange) Prefix() string {
	if strings.HasPrefix(x.Path, versionedPrefix) {
		return strings.TrimSuffix(versionedPrefix, "/")
	}
	return strings.TrimSuffix(APIPrefix, "/")
}
