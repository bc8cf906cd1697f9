// Package server serves the platform's HTTP APIs. They are in packages of their own, such as server/rest, and share
// server/internal/web.
package server

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/token"
	"github.com/healthrecords/healthrecords/server/internal/web"
	"github.com/healthrecords/healthrecords/server/rest"
)

// Options are the parts of the API. Service and Verifier are required.
type Options struct {
	Service  *service.API
	Verifier *token.Verifier
	Log      *slog.Logger          // nil: slog.Default()
	Metrics  prometheus.Registerer // nil: no metrics

	// CORSOrigins are the origins, such as "https://app.example.org", whose pages
	// may call the API from a browser. "*" means any; if empty, only pages of the
	// API's own origin may.
	CORSOrigins []string
	// PublicURL is the scheme and host that clients use, such as
	// "https://records.example.org". With it, links are absolute. Without it, they
	// are relative references, because anybody can make up a Host header.
	PublicURL string
	// TrustedProxies are the networks, such as "10.0.0.0/8", of proxies whose
	// X-Forwarded-For header is trusted.
	TrustedProxies []string
	// HSTS tells browsers to use TLS only (RFC 6797). Set it if TLS ends at this
	// server or in front of it.
	HSTS bool
	// Version is shown in the OpenAPI document.
	Version string
	// MaxConcurrent limits how many operations of callers who are logged in run
	// at once; 0 means 512.
	MaxConcurrent int
	// AccessLogSample is N if the log has a line for one of N successful requests;
	// 0 means 1. Each failed request has a line, except for refusals under overload: see web.ObserverOptions.
	AccessLogSample int
}

func (o *Options) setDefaults() { o.Log = cmp.Or(o.Log, slog.Default()) }

func (o *Options) validate() error {
	if o.Service == nil || o.Verifier == nil {
		return errors.New("the server needs a service and a token verifier")
	}
	return nil
}

// New returns the handler of the whole API.
//
// A request passes, from the outside in: the observer (request id, access log, metrics; a panic becomes a 500), the
// client's address, security headers, CORS, the time limit for an unread body, the canonical path, and the router. In the
// REST API it then passes the steps of web.Guard, huma's validation, and the operation's handler.
func New(opts Options) (http.Handler, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	observer, err := web.NewObserver(web.ObserverOptions{Log: opts.Log, Metrics: opts.Metrics, LogSample: opts.AccessLogSample})
	if err != nil {
		return nil, err
	}
	clientAddress, err := web.ClientAddress(opts.TrustedProxies, opts.Log)
	if err != nil {
		return nil, err
	}
	guard, err := web.NewGuard(web.GuardOptions{
		Verify: opts.Verifier.Verify, RefuseEnrolling: opts.Service.SecondFactors.RefuseEnrolling, MaxConcurrent: opts.MaxConcurrent, Metrics: opts.Metrics,
	})
	if err != nil {
		return nil, err
	}

	router := chi.NewRouter()
	router.Use(observer.Observe, observer.Recover, clientAddress, web.SecurityHeaders(opts.HSTS))
	if len(opts.CORSOrigins) > 0 {
		router.Use(web.AllowOrigins(opts.CORSOrigins))
	}
	router.Use(web.LimitUnreadBody, web.CanonicalPath, middleware.GetHead)
	router.NotFound(web.NoSuchPath)
	router.MethodNotAllowed(web.WrongMethod)

	err = rest.Mount(router, rest.Options{
		Service: opts.Service, Guard: guard, Verify: opts.Verifier.Verify, Keys: opts.Verifier.Keys,
		Log: opts.Log, Metrics: opts.Metrics, PublicURL: opts.PublicURL, Version: opts.Version,
	})
	if err != nil {
		return nil, err
	}
	return router, nil
}

// OpenAPI returns the REST API's OpenAPI 3.1 document as YAML. It needs no
// database and no settings.
func OpenAPI() ([]byte, error) { return rest.OpenAPI() }

// NewHTTPServer returns an http.Server for addr ("host:port") with the limits of
// time and size for every request. It logs its own errors, such as failed TLS
// handshakes, as warnings.
func NewHTTPServer(addr string, handler http.Handler, log *slog.Logger) *http.Server {
	return web.NewHTTPServer(addr, handler, log)
}

// ConnectionOptions limit the connections that are open at once.
type ConnectionOptions = web.ConnectionOptions

// LimitConnections returns a listener that closes connections beyond the limits
// as soon as it has accepted them.
func LimitConnections(listener net.Listener, opts ConnectionOptions) (net.Listener, error) {
	return web.LimitConnections(listener, opts)
}
