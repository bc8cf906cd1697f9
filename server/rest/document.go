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

// OpenAPI returns the API's OpenAPI 3.1 document as YAML. It needs no database
// and no settings.
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
			Description: "Patients keep health records. Doctors who are assigned to them read the records and comment on them. Administrators decide " +
				"which doctor is assigned to which patient.\n\n" +
				"Log in, then send the access token in the header `Authorization: Bearer TOKEN`. Every path also works without its trailing slash, and " +
				"under `/api/v1/`.\n\n" +
				"What a caller may not see does not exist for them: the answer to another user's id and to an unknown id is the same 404. " +
				"Unknown fields and parameters are refused. Every error is a problem document (RFC 9457) whose `code` is for programs.\n\n" +
				"Texts are stored in Unicode normalization form C. Names, titles, reasons and other texts of a single line must not contain line breaks, " +
				"control characters or marks that change the writing direction. Invisible characters are removed from them.",
		},
		Servers: []*huma.Server{{URL: "/"}},
		Tags: []*huma.Tag{
			{Name: "auth", Description: "Accounts, sessions, and the directory of doctors"},
			{Name: "health-records", Description: "Health records and the comments on them"},
			{Name: "notifications", Description: "Notifications about events that concern the caller"},
			{Name: "patients", Description: "Patients, for administrators"},
			{Name: "users", Description: "Accounts, for administrators"},
			{Name: "doctors", Description: "Verification of doctors, for administrators"},
			{Name: "assignments", Description: "Assignments of doctors to patients"},
			{Name: "break-glass", Description: "Emergency access, which notifies the patient and all administrators"},
			{Name: ".well-known", Description: "The public keys that verify access tokens"},
			{Name: "access-log", Description: "A patient's log of accesses to their data"},
			{Name: "audit", Description: "The audit log, for administrators"},
			{Name: "health", Description: "The health of the API"},
		},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "The access token from a login. It is valid for 5 minutes."},
			},
		},
	}
}

// operation describes the route to huma, except for its types.
func (r route) operation() huma.Operation {
	segments := strings.Split(strings.TrimPrefix(r.path, web.APIPrefix), "/")
	tag := segments[0]
	if tag == "" {
		tag = segments[1]
	}
	op := huma.Operation{
		OperationID: r.id, Method: r.method, Path: r.path, Summary: r.summary, Tags: []string{tag},
		Description:     strings.TrimSpace(string(r.access) + " may call this operation. " + r.description),
		MaxBodyBytes:    web.MaxBody + 1, // the guard has already enforced the limit; huma would refuse a body of exactly this size
		BodyReadTimeout: -1,              // the guard has already read the body; a deadline would interrupt the handler
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

// commonFailures describes each status once, as a component of the document.
func commonFailures() map[int]string {
	return map[int]string{
		http.StatusBadRequest:            "The body is not JSON, or If-Match is not a list of entity tags",
		http.StatusUnauthorized:          "The access token is missing or not valid; or, at a login, the credentials are wrong",
		http.StatusForbidden:             "The caller's role may not call this operation, or the caller must set up a second factor first",
		http.StatusNotFound:              "The object does not exist, or the caller may not see it",
		http.StatusRequestTimeout:        "The body did not arrive in time",
		http.StatusGone:                  "A request with this Idempotency-Key has succeeded before, and the object that it created has been deleted since",
		http.StatusConflict:              "The request conflicts with the current state; code says why",
		http.StatusPreconditionFailed:    "The object has changed since the client read it",
		http.StatusRequestEntityTooLarge: "The body is larger than 1 MiB, or than 64 KiB for an operation without login",
		http.StatusUnsupportedMediaType:  "The operation does not accept the body's media type",
		http.StatusUnprocessableEntity:   "Fields or parameters are wrong or unknown; errors lists them",
		http.StatusTooManyRequests:       "Too many attempts, or too many requests from the client's address at once; Retry-After says when to try again",
		http.StatusInternalServerError:   "An error in the server; operators can find its cause in the logs by the request id",
		http.StatusServiceUnavailable:    "The service is not available at the moment; Retry-After says when to try again",
	}
}

// completeDocument adds everything that huma cannot derive from the handlers' types.
func completeDocument(document *huma.OpenAPI, all []route) {
	components := document.Components
	schema := components.Schemas.Schema(reflect.TypeFor[web.Problem](), true, "")
	delete(components.Schemas.Map(), "ErrorModel") // huma's own, which is never sent: see web.HideInput
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

// complete adds the failures and the examples of the body to the route's operation.
func (r route) complete(op *huma.Operation) {
	delete(op.Responses, "default")
	for _, status := range append(r.derivedFailures(op), r.failures...) {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + responseName(status)}
	}
	if hasParameter(op, "If-None-Match") {
		op.Responses[strconv.Itoa(http.StatusNotModified)] = &huma.Response{Description: "The client already has the current version"}
	}
	for _, p := range op.Parameters {
		p.Schema.Description = ""        // the parameter has the same text
		p.Schema.PatternDescription = "" // not a keyword of OpenAPI; huma has already built its message from it
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

// derivedFailures returns the failures that follow from the shape of the operation.
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
		return map[string]*huma.Param{"Retry-After": {Description: "In seconds", Schema: &huma.Schema{Type: huma.TypeInteger}}}
	}
	return nil
}

func hasParameter(op *huma.Operation, name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == name })
}

// operationsByID returns the document's operations.
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
