package rest

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/healthrecords/healthrecords/server/internal/web"
)

const mergePatch = "application/merge-patch+json" // RFC 7396

// OpenAPI returns the API's OpenAPI 3.1 document as YAML. It needs neither a
// database nor anything else.
func OpenAPI() ([]byte, error) {
	none := func(web.Terms) huma.Middlewares { return nil }
	document, err := newAPI(chi.NewRouter(), &handlers{}, none, "v1").OpenAPI().YAML()
	if err != nil {
		return nil, fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	return document, nil
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
	segments := strings.Split(strings.TrimPrefix(r.path, web.APIPrefix), "/")
	tag := segments[0]
	if tag == "" {
		tag = segments[1]
	}
	op := huma.Operation{
		OperationID: r.id, Method: r.method, Path: r.path, Summary: r.summary, Tags: []string{tag},
		Description:     strings.TrimSpace(string(r.access) + " may call this. " + r.description),
		MaxBodyBytes:    web.MaxBody + 1, // the guard has counted already; huma refuses the limit itself
		BodyReadTimeout: -1,              // nothing is left to read; a deadline would cut the handler off
		Extensions:      map[string]any{"x-access": string(r.access)},
	}
	if r.method == http.MethodPatch { // application/json comes from the handler's type
		op.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{mergePatch: {}}}
	}
	if !r.terms.Public || r.session {
		op.Security = []map[string][]string{{"bearer": {}}}
	}
	if r.session {
		op.Security = append(op.Security, map[string][]string{}) // or the refresh token in the body
	}
	return op
}

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

// completeDocument adds what huma does not derive from the handlers' types.
func completeDocument(document *huma.OpenAPI, all []route) {
	components := document.Components
	schema := components.Schemas.Schema(reflect.TypeFor[web.Problem](), true, "")
	delete(components.Schemas.Map(), "ErrorModel") // huma's own, never sent: see web.HideInput
	delete(components.Schemas.Map(), "ErrorDetail")
	components.Responses = map[string]*huma.Response{}
	for status, description := range commonFailures() {
		components.Responses[responseName(status)] = &huma.Response{
			Description: description, Headers: failureHeaders(status),
			Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
		}
	}
	operations := operationsByID(document)
	for _, r := range all {
		r.complete(operations[r.id])
	}
}

// complete adds to the route's operation the answers that it may give besides
// success, and the examples of its body.
func (r route) complete(op *huma.Operation) {
	delete(op.Responses, "default")
	for _, status := range append(r.derivedFailures(op), r.failures...) {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + responseName(status)}
	}
	if hasParameter(op, "If-None-Match") {
		op.Responses[strconv.Itoa(http.StatusNotModified)] = &huma.Response{Description: "The client has it already"}
	}
	for _, p := range op.Parameters {
		p.Schema.Description = ""        // it stands at the parameter
		p.Schema.PatternDescription = "" // huma's own keyword; its message is made already
	}
	if op.RequestBody == nil {
		return
	}
	if merged := op.RequestBody.Content[mergePatch]; merged != nil {
		merged.Schema = op.RequestBody.Content["application/json"].Schema
	}
	if r.examples != nil {
		for _, content := range op.RequestBody.Content {
			content.Examples = r.examples
		}
	}
}

// derivedFailures are those of any operation of this shape.
func (r route) derivedFailures(op *huma.Operation) []int {
	f := []int{http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable}
	if op.Security != nil {
		f = append(f, http.StatusUnauthorized)
	}
	if !r.terms.Public {
		f = append(f, http.StatusForbidden)
	}
	if r.terms.Body != web.NoBody {
		f = append(f, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if strings.Contains(r.path, "{id}") || hasParameter(op, "page") {
		f = append(f, http.StatusNotFound)
	}
	if hasParameter(op, "If-Match") {
		f = append(f, http.StatusBadRequest, http.StatusPreconditionFailed)
	}
	if r.terms.Pool != web.InMemory {
		f = append(f, http.StatusTooManyRequests)
	}
	return f
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

func hasParameter(op *huma.Operation, name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == name })
}

// operationsByID are the document's operations.
func operationsByID(document *huma.OpenAPI) map[string]*huma.Operation {
	all := map[string]*huma.Operation{}
	for _, item := range document.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				all[op.OperationID] = op
			}
		}
	}
	return all
}
