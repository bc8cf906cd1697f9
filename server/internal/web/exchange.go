package web

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Exchange has the facts about a request that is being served. The observer
// creates it; the middleware and the router fill it in.
type Exchange struct {
	ID        string        // request id
	Path      string        // as the client sent it, before CanonicalPath
	Route     string        // pattern of the operation's path; never a path itself
	Operation string        // operation id
	Caller    clinic.Caller // the zero Caller: not authenticated

	credential bool                // an Authorization header was sent
	unknown    []clinic.FieldError // parameters of the URL that the operation does not know
	rules      func() error        // of the domain, for the body; nil: none

	refused      bool // a pool had no place for the request
	clientClosed bool // the client closed the connection before its answer, which canceled the work
}

// requestIDHeader is in the form of net/http, which would otherwise convert it for each request.
const requestIDHeader = "X-Request-Id"

type exchangeKey struct{}

// ExchangeOf returns the exchange of a request's context. It is never nil.
func ExchangeOf(ctx context.Context) *Exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*Exchange); ok {
		return x
	}
	return &Exchange{}
}

func newExchange(r *http.Request) *Exchange {
	id := r.Header.Get(requestIDHeader)
	if !saneRequestID(id) {
		id = strings.ToLower(rand.Text())
	}
	return &Exchange{ID: id, Path: r.URL.EscapedPath(), Route: "unmatched", credential: r.Header.Get("Authorization") != ""}
}

// saneRequestID accepts UUIDs and similar ids. It refuses long ones, and
// characters that could forge a line of a log.
func saneRequestID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && r != '-' && r != '_' && r != '.'
	})
}

// Prefix returns "/api" or "/api/v1", whichever the client uses.
func (x *Exchange) Prefix() string {
	if strings.HasPrefix(x.Path+"/", versionedPrefix) {
		return strings.TrimSuffix(versionedPrefix, "/")
	}
	return strings.TrimSuffix(APIPrefix, "/")
}
