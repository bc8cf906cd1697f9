package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/cors"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/token"
)

// Options are the parts of the API. Service and Verifier are required.
type Options struct {
	Service  *service.API
	Verifier *token.Verifier
	Log      *slog.Logger          // nil: slog.Default()
	Metrics  prometheus.Registerer // nil: no metrics

	// CORSOrigins may call the API from a browser, e.g. "https://app.example.org";
	// "*" means any. Empty: none but the API's own origin.
	CORSOrigins []string
	// PublicURL is the scheme and host that clients use, e.g.
	// "https://records.example.org". Links are absolute with it, and relative
	// references without: the Host header may be anybody's invention.
	PublicURL string
	// TrustedProxies are the networks, e.g. "10.0.0.0/8", whose word on who the
	// client is (X-Forwarded-For) is taken.
	TrustedProxies []string
	// HSTS tells browsers to come by TLS only (RFC 6797). Set it where TLS ends
	// at this server or in front of it.
	HSTS bool
	// Version is shown in the OpenAPI document.
	Version string
	// MaxConcurrent is how many operations of those who are logged in are in work
	// at once; 0 takes 512.
	MaxConcurrent int
}

// New returns the handler of the whole API.
func New(opts Options) (http.Handler, error) {
	if opts.Service == nil || opts.Verifier == nil {
		return nil, errors.New("the server needs a service and a token verifier")
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.MaxConcurrent == 0 {
		opts.MaxConcurrent = workPlaces
	}
	observer, err := newObserver(opts)
	if err != nil {
		return nil, err
	}
	if err := countSelfAssignments(opts); err != nil {
		return nil, err
	}
	client, err := noteClient(opts.TrustedProxies, opts.Log)
	if err != nil {
		return nil, err
	}
	pools, err := newPools(opts)
	if err != nil {
		return nil, err
	}
	router := chi.NewRouter()
	router.Use(observer.observe, observer.recover, client, securityHeaders(opts.HSTS))
	if len(opts.CORSOrigins) > 0 {
		router.Use(allowOrigins(opts.CORSOrigins))
	}
	router.Use(cutUnread, canonicalPath, middleware.GetHead)
	router.NotFound(noSuchPath)
	router.MethodNotAllowed(wrongMethod)
	h := &handlers{
		service: opts.Service, verifier: opts.Verifier, log: opts.Log, breakGlass: observer.breakGlass,
		publicURL: strings.TrimSuffix(opts.PublicURL, "/"),
	}
	f := &front{
		authenticate: authenticate(opts.Verifier), requireFactor: requireFactor(opts.Service.SecondFactors.RefuseEnrolling), pools: pools, pace: streamPace(),
	}
	api := newAPI(router, routes(h), h, f, opts.Version)
	if err := addDocs(router, api, pools.publicWork); err != nil {
		return nil, err
	}
	return router, nil
}

// handlers are the operations' functions and what they share.
type handlers struct {
	service    *service.API
	verifier   *token.Verifier
	log        *slog.Logger
	breakGlass prometheus.Counter
	publicURL  string // without a trailing slash; "" makes links relative
}

// link is the URL of path below /api, under the version that the caller uses.
func (h *handlers) link(ctx context.Context, path string) string {
	return h.publicURL + exchangeOf(ctx).prefix() + path
}

// here is the request's own URL without its query.
func (h *handlers) here(ctx context.Context) string { return h.publicURL + exchangeOf(ctx).path }

func allowOrigins(origins []string) func(http.Handler) http.Handler {
	return cors.Handler(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: methods(),
		AllowedHeaders: []string{"Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key", "X-Request-ID"},
		ExposedHeaders: []string{"Allow", "ETag", "Location", "Retry-After", "WWW-Authenticate", "X-Request-ID"},
		MaxAge:         600,
	})
}
