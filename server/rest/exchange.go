package rest

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
)

// exchange is what is known of one request while it is served. The layers in
// front of the router make it, those behind fill it in.
type exchange struct {
	id         string // request id
	path       string // as the client wrote it, before canonicalPath
	credential bool   // an Authorization header was sent
	route      string // pattern of the operation's path; never a path itself
	operation  string // operation id
	user       int64  // 0: not proven
	left       bool   // the client went away, and with it the work for it
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
	return &exchange{id: id, path: r.URL.EscapedPath(), route: "unmatched", credential: r.Header.Get("Authorization") != ""}
}

// saneRequestID accepts what people use, UUIDs and the like, and nothing that
// could forge a line of a log or carry much.
func saneRequestID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && r != '-' && r != '_' && r != '.'
	})
}

// prefix is "/api" or "/api/v1", as the client uses it.
func (x *exchange) prefix() string {
	if strings.HasPrefix(x.path, versionedPrefix) {
		return strings.TrimSuffix(versionedPrefix, "/")
	}
	return strings.TrimSuffix(apiPrefix, "/")
}
