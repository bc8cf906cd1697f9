package rest

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"github.com/healthrecords/healthrecords/server/internal/web"
)

// A field has one spelling. With huma's default, {"USER_TYPE": …} would pass
// validation beside user_type and replace it when the body is decoded. huma has
// only a global setting for this, which is set before anything else runs.
func init() { huma.ValidateStrictCasing = true }

// steps returns the middleware that runs before the handler of an operation.
type steps = func(web.Terms) huma.Middlewares

// newAPI adds the routes to router.
func newAPI(router chi.Router, h *handlers, before steps, version string) huma.API {
	document := newDocument(version)
	api := huma.NewAPI(huma.Config{
		OpenAPI:       document,
		Formats:       web.Formats(),
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{web.Explain(document.Components.Schemas)},
	}, adapter{router})
	all := routes(h)
	for _, r := range all {
		op := r.operation()
		op.Middlewares = append(before(r.terms), web.NoteUnknown)
		r.register(api, op, h.log)
	}
	completeDocument(api.OpenAPI(), all)
	return api
}

// binding registers a handler with huma.
type binding struct {
	register func(huma.API, huma.Operation, *slog.Logger)
	body     web.BodyMode
}

// to binds a handler, whose errors become problems. If the request's type has
// a body, it is read completely before the handler runs.
func to[I, O any](handle func(context.Context, *I) (*O, error)) binding {
	b := binding{register: func(api huma.API, op huma.Operation, log *slog.Logger) {
		huma.Register(api, op, func(ctx context.Context, request *I) (*O, error) {
			if err := web.Unfit(ctx); err != nil {
				return nil, web.Fail(ctx, log, err)
			}
			answer, err := handle(ctx, request)
			if err != nil {
				return nil, web.Fail(ctx, log, err)
			}
			return answer, nil
		})
	}}
	if _, has := reflect.TypeFor[I]().FieldByName("Body"); has {
		b.body = web.Buffered
	}
	return b
}

// created is like to, for a handler whose success is 201.
func created[I, O any](handle func(context.Context, *I) (*O, error)) binding {
	b := to(handle)
	register := b.register
	b.register = func(api huma.API, op huma.Operation, log *slog.Logger) {
		op.DefaultStatus = http.StatusCreated
		register(api, op, log)
	}
	return b
}

// adapter lets huma register operations with chi. An {id} has up to 18 digits,
// which fit into an int64; any other path does not exist.
type adapter struct{ router chi.Router }

// Handle implements huma.Adapter.
func (a adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	pattern := strings.ReplaceAll(op.Path, "{id}", "{id:[0-9]{1,18}}")
	a.router.MethodFunc(op.Method, pattern, func(w http.ResponseWriter, r *http.Request) {
		x := web.ExchangeOf(r.Context())
		x.Route, x.Operation = op.Path, op.OperationID
		r.Header.Del("Accept") // every answer is JSON, and huma panics on some values of this header
		handler(humachi.NewContext(op, r, w))
	})
}

// ServeHTTP implements huma.Adapter.
func (a adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }
