package server

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
)

const (
	mergePatch = "application/merge-patch+json" // RFC 7396
	pooled     = "pooled"                       // says in an operation's metadata whether it needs a place
)

// OpenAPI returns the API's OpenAPI 3.1 document as YAML. It needs neither a
// database nor anything else.
func OpenAPI() ([]byte, error) {
	h := &handlers{}
	api := newAPI(chi.NewRouter(), routes(h), h, &front{pools: &pools{}}, "v1")
	document, err := api.OpenAPI().YAML()
	if err != nil {
		return nil, fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	return document, nil
}

// A field's name means one thing: with huma's default, {"USER_TYPE": …} would
// pass validation beside user_type and win when the body is decoded. huma has
// no setting of this for one API; it is written before anything runs.
func init() { huma.ValidateStrictCasing = true }

// newAPI adds the routes to router.
func newAPI(router chi.Router, all []route, h *handlers, f *front, version string) huma.API {
	api := huma.NewAPI(huma.Config{
		OpenAPI:                      newDocument(version),
		Formats:                      huma.DefaultFormats,
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{hideInput},
	}, adapter{router})
	for _, r := range all {
		r.addTo(api, h, f)
	}
	documentErrors(api.OpenAPI())
	documentExamples(api.OpenAPI())
	return api
}

func newDocument(version string) *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title:   "Health Records API",
			Version: version,
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			Description: "Patients keep health records, doctors assigned to them read and comment, administrators decide who is assigned to whom.\n\n" +
				"Log in, then send the access token as `Authorization: Bearer TOKEN`. Each path also works without its last slash, and under `/api/v1/`. " +
				"What a caller may not see does not exist for them: somebody else's id and an id that was never given answer the same 404. " +
				"Fields and parameters that an operation does not know are refused. Texts are stored in Unicode's normal form C; names, titles, " +
				"reasons and other texts of a line have no line breaks, control characters or marks of the writing direction, and lose what is not drawn.",
		},
		Servers: []*huma.Server{{URL: "/"}},
		Tags: []*huma.Tag{
			{Name: "auth", Description: "Accounts, sessions, the directory of doctors"},
			{Name: "health-records", Description: "Health records and the comments on them"},
			{Name: "notifications", Description: "What happened that concerns the caller"},
			{Name: "patients", Description: "Patients, for administrators"},
			{Name: "users", Description: "Accounts, for administrators"},
			{Name: "doctors", Description: "Doctors' licenses, for administrators"},
			{Name: "assignments", Description: "Which doctor sees which patient"},
			{Name: "break-glass", Description: "Access in an emergency, which is told"},
			{Name: ".well-known", Description: "What other programs look for at a fixed place"},
			{Name: "access-log", Description: "Who looked at a patient's data"},
			{Name: "audit", Description: "The audit log, for administrators"},
			{Name: "health", Description: "Whether the API answers"},
		},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "The access token of a login; it lives 5 minutes."},
			},
		},
	}
}

// operation is what huma needs to know of the route besides its types.
func (r route) operation() huma.Operation {
	segments := strings.Split(strings.TrimPrefix(r.path, apiPrefix), "/")
	tag := segments[0]
	if tag == "" {
		tag = segments[1]
	}
	op := huma.Operation{
		OperationID: r.id, Method: r.method, Path: r.path, Summary: r.summary, Tags: []string{tag},
		Description:     strings.TrimSpace(string(r.access) + " may call this. " + notes()[r.id]),
		MaxBodyBytes:    maxBody + 1, // readBody has counted already; huma refuses the limit itself
		BodyReadTimeout: -1,          // nothing is left to read; a deadline would cut the handler off
		Extensions:      map[string]any{"x-access": string(r.access)},
		Metadata:        map[string]any{pooled: r.terms.pool != free},
	}
	if r.method == http.MethodPatch { // application/json comes from the handler's type
		op.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{mergePatch: {}}}
	}
	if r.terms.body == streamed { // its type does not say
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}
	}
	if r.access != anybody {
		op.Security = []map[string][]string{{"bearer": {}}}
	}
	if r.id == "logout" {
		op.Security = []map[string][]string{{"bearer": {}}, {}} // or the refresh token in the body
	}
	return op
}

// binding adds an operation with its handler to an API, and says on what terms
// it runs.
type binding struct {
	add   func(huma.API, huma.Operation, *handlers)
	terms terms
}

// on changes the terms.
func (b binding) on(t terms) binding {
	b.terms = t
	return b
}

func (r route) addTo(api huma.API, h *handlers, f *front) {
	op := r.operation()
	op.Middlewares = f.steps(r)
	r.add(api, op, h)
}

// to binds a handler, and makes a problem of the error that it returns.
func to[I, O any](handle func(context.Context, *I) (*O, error)) binding {
	return binding{add: func(api huma.API, op huma.Operation, h *handlers) {
		huma.Register(api, op, func(ctx context.Context, request *I) (*O, error) {
			answer, err := handle(ctx, request)
			if err != nil {
				p := problemOf(ctx, err)
				if p.Status >= http.StatusInternalServerError {
					logFailure(ctx, h.log, err)
				}
				return nil, p
			}
			return answer, nil
		})
	}}
}

// created is to, answering 201.
func created[I, O any](handle func(context.Context, *I) (*O, error)) binding {
	b := to(handle)
	return binding{add: func(api huma.API, op huma.Operation, h *handlers) {
		op.DefaultStatus = http.StatusCreated
		b.add(api, op, h)
	}}
}

// adapter lets huma register with chi. An {id} is up to 18 digits, which an
// int64 holds; anything else is a path that does not exist.
type adapter struct{ router chi.Router }

// Handle implements huma.Adapter.
func (a adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	pattern := strings.ReplaceAll(op.Path, "{id}", "{id:[0-9]{1,18}}")
	a.router.MethodFunc(op.Method, pattern, func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r.Context())
		x.route, x.operation = op.Path, op.OperationID
		r.Header.Del("Accept") // every answer is JSON; huma's reading of the header panics at some
		handler(humachi.NewContext(op, r, w))
	})
}

// ServeHTTP implements huma.Adapter.
func (a adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// commonFailures are told once, as components of the document.
func commonFailures() map[int]string {
	return map[int]string{
		http.StatusBadRequest:            "The body is not JSON; or If-Match is not a list of entity tags",
		http.StatusUnauthorized:          "No valid access token; or, at a login, wrong credentials",
		http.StatusForbidden:             "The caller's role may not do this, or needs a second factor first",
		http.StatusNotFound:              "It does not exist, or not for the caller",
		http.StatusRequestTimeout:        "The body did not arrive in time",
		http.StatusGone:                  "The request was carried out before, and what it made was deleted since",
		http.StatusConflict:              "The present state refuses the change; code says why",
		http.StatusPreconditionFailed:    "It was changed since it was read",
		http.StatusRequestEntityTooLarge: "The body has more than 1 MiB; without login, more than 64 KiB",
		http.StatusUnsupportedMediaType:  "The body is of another media type",
		http.StatusUnprocessableEntity:   "A field or parameter is wrong or unknown; errors names each",
		http.StatusTooManyRequests:       "Too many attempts, or too many requests of the client's address at once; Retry-After says when to try again",
		http.StatusInternalServerError:   "A fault of the server, which finds it by the request id",
		http.StatusServiceUnavailable:    "Not available at the moment; Retry-After says when to try again",
	}
}

// documentErrors adds to each operation the answers it may give besides success.
func documentErrors(document *huma.OpenAPI) {
	components := document.Components
	schema := components.Schemas.Schema(reflect.TypeFor[problem](), true, "")
	delete(components.Schemas.Map(), "ErrorModel") // huma's own, never sent: see hideInput
	delete(components.Schemas.Map(), "ErrorDetail")
	components.Responses = map[string]*huma.Response{}
	for status, description := range commonFailures() {
		components.Responses[responseName(status)] = &huma.Response{
			Description: description, Headers: failureHeaders(status),
			Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
		}
	}
	for _, op := range operations(document) {
		delete(op.Responses, "default")
		for _, status := range failures(op) {
			op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + responseName(status)}
		}
		if hasParameter(op, "If-None-Match") {
			op.Responses[strconv.Itoa(http.StatusNotModified)] = &huma.Response{Description: "The client has it already"}
		}
		for _, p := range op.Parameters {
			p.Schema.Description = ""        // it stands at the parameter
			p.Schema.PatternDescription = "" // huma's own keyword; its message is made already
		}
		if op.RequestBody != nil && op.RequestBody.Content[mergePatch] != nil {
			op.RequestBody.Content[mergePatch].Schema = op.RequestBody.Content["application/json"].Schema
		}
	}
}

func responseName(status int) string { return strings.ReplaceAll(http.StatusText(status), " ", "") }

func failureHeaders(status int) map[string]*huma.Param {
	switch status {
	case http.StatusUnauthorized:
		return map[string]*huma.Param{"WWW-Authenticate": {Schema: &huma.Schema{Type: huma.TypeString}}}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return map[string]*huma.Param{"Retry-After": {Description: "Seconds", Schema: &huma.Schema{Type: huma.TypeInteger}}}
	}
	return nil
}

func failures(op *huma.Operation) []int {
	f := []int{http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable}
	private := op.Extensions["x-access"] != string(anybody)
	if op.Security != nil || op.OperationID == "login" || op.OperationID == "refreshToken" {
		f = append(f, http.StatusUnauthorized)
	}
	if private {
		f = append(f, http.StatusForbidden)
	}
	if op.RequestBody != nil {
		f = append(f, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if strings.Contains(op.Path, "{id}") || hasParameter(op, "page") || slices.Contains([]string{"assignDoctor", "breakGlass"}, op.OperationID) {
		f = append(f, http.StatusNotFound)
	}
	if slices.Contains([]string{"createRecord", "addComment", "assignDoctor", "breakGlass"}, op.OperationID) { // with an Idempotency-Key
		f = append(f, http.StatusGone)
	}
	if hasParameter(op, "If-Match") {
		f = append(f, http.StatusBadRequest, http.StatusPreconditionFailed)
	}
	if op.Metadata[pooled] == true {
		f = append(f, http.StatusTooManyRequests)
	}
	if slices.Contains([]string{
		"register", "login", "enrolTOTP", "confirmTOTP", "disableTOTP", "changePassword", "replaceProfile", "changeProfile",
		"verifyDoctor", "assignDoctor", "breakGlass", "endAssignment", "disableUser",
	}, op.OperationID) {
		f = append(f, http.StatusConflict)
	}
	return f
}

func hasParameter(op *huma.Operation, name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == name })
}

func operations(document *huma.OpenAPI) []*huma.Operation {
	var all []*huma.Operation
	for _, item := range document.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				all = append(all, op)
			}
		}
	}
	return all
}
