package rest

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// Options are the parts of the API. Service, Guard, Verify and Keys are required.
type Options struct {
	Service *service.API
	Guard   *web.Guard                          // protects every operation
	Verify  web.Verify                          // verifies the access token of a logout
	Keys    func() map[string]ed25519.PublicKey // returns the keys that verify access tokens, by id
	Log     *slog.Logger                        // nil: slog.Default()
	Metrics prometheus.Registerer               // nil: no metrics

	PublicURL string // scheme and host that clients use; if empty, links are relative references
	Version   string // version in the OpenAPI document
}

func (o *Options) setDefaults() {
	o.Log = cmp.Or(o.Log, slog.Default())
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
}

func (o *Options) validate() error {
	if o.Service == nil || o.Guard == nil || o.Verify == nil || o.Keys == nil {
		return errors.New("the REST API needs a service, a guard, a function that verifies tokens, and keys")
	}
	return nil
}

// Mount adds the API and its documentation to the router.
func Mount(router chi.Router, opts Options) error {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return err
	}
	breakGlass, err := countEmergencies(opts.Metrics)
	if err != nil {
		return err
	}
	if err := countSelfAssignments(opts.Service, opts.Metrics); err != nil {
		return err
	}
	h := &handlers{
		service: opts.Service, verify: opts.Verify, keys: opts.Keys, log: opts.Log, breakGlass: breakGlass, publicURL: opts.PublicURL,
	}
	api := newAPI(router, h, opts.Guard.Steps, opts.Version)
	if opts.PublicURL != "" { // second, because the documentation page may only call the server that it came from
		api.OpenAPI().Servers = append(api.OpenAPI().Servers, &huma.Server{URL: opts.PublicURL, Description: "The address for clients"})
	}
	return addDocs(router, api, opts)
}

// handlers has a method for each operation.
type handlers struct {
	service    *service.API
	verify     web.Verify
	keys       func() map[string]ed25519.PublicKey
	log        *slog.Logger
	breakGlass prometheus.Counter
	publicURL  string // without a trailing slash; if empty, links are relative
}

// link returns the URL of a path below /api, with the prefix that the client uses.
func (h *handlers) link(ctx context.Context, path string) string {
	return h.publicURL + web.ExchangeOf(ctx).Prefix() + path
}

// here returns the URL of the request without its query.
func (h *handlers) here(ctx context.Context) string { return h.publicURL + web.ExchangeOf(ctx).Path }
