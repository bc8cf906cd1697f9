package rest

import (
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
	return documentYAML(newAPI(chi.NewRouter(), &handlers{}, none, "v1").OpenAPI())
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
				"Log in, then send the access token in the header `Authorization: Bearer TOKEN`; the documentation page at `/api/docs/` does both. " +
				"Every path also works without its trailing slash, and under `/api/v1/`.\n\n" +
				"What a caller may not see does not exist for them: the answer to another user's id and to an unknown id is the same 404. " +
				"Unknown fields and parameters are refused. Every error is a problem document (RFC 9457) whose `code` is for programs. " +
				"Answers may have new fields, values and codes in the future: ignore those that you do not know.\n\n" +
				"Links, such as `next` and the header `Location`, begin with the server's `PUBLIC_URL`. If it has none, they are references " +
				"relative to the URL of the request.\n\n" +
				"Texts are stored in Unicode normalization form C. Names, titles, reasons and other texts of a single line must not contain line breaks, " +
				"control characters or marks that change the writing direction. Invisible characters are removed from them.",
		},
		Servers: []*huma.Server{{URL: "/", Description: "This server"}},
		Tags: []*huma.Tag{
			{Name: "auth", Description: "Accounts, sessions, and the directory of doctors"},
			{Name: "health-records", Description: "Health records and the comments on them"},
			{Name: "comments", Description: "Corrections of comments, for their authors"},
			{Name: "notifications", Description: "Notifications about events that concern the caller"},
			{Name: "patients", Description: "Patients, legal holds, and the erasure of a patient's data, for administrators"},
			{Name: "erasures", Description: "Erasures of patients' data, for administrators"},
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
	switch {
	case r.session:
		op.Security = []map[string][]string{{"bearer": {}}, {}} // or the refresh token in the body
	case r.terms.Public:
		op.Extensions["security"] = []any{} // huma omits an empty list
	default:
		op.Security = []map[string][]string{{"bearer": {}}}
	}
	return op
}

// completeDocument adds everything that huma cannot derive from the handlers' types.
func completeDocument(document *huma.OpenAPI, all []route) {
	schemas := document.Components.Schemas
	problem := schemas.Schema(reflect.TypeFor[web.Problem](), true, "")
	delete(schemas.Map(), "ErrorModel") // huma's own, which is never sent: see web.Explain
	delete(schemas.Map(), "ErrorDetail")
	describeCodes(schemas.Map()["Problem"].Properties["code"])
	document.Components.Responses = map[string]*huma.Response{}
	for status := range commonFailures() {
		document.Components.Responses[responseName(status)] = failure(status, problem, web.CodesOf(status))
	}
	operations := operationsByID(document)
	for _, r := range all {
		r.complete(document, operations[r.id])
	}
	markReadOnly(document)
	openAnswers(document)
	explainEnums(document)
}

// complete adds the failures and the examples of the body to the route's operation.
func (r route) complete(document *huma.OpenAPI, op *huma.Operation) {
	delete(op.Responses, "default")
	r.addFailures(op)
	if hasParameter(op, "If-None-Match") {
		op.Responses[strconv.Itoa(http.StatusNotModified)] = &huma.Response{Description: "The client already has the current version"}
	}
	if r.nothing != "" {
		op.Responses[strconv.Itoa(http.StatusNoContent)] = &huma.Response{Description: r.nothing}
		op.Responses[strconv.Itoa(http.StatusOK)].Description = r.otherwise
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
	for _, content := range op.RequestBody.Content {
		content.Examples = r.examples
		if r.examples == nil {
			content.Examples = oneExample("The required fields", requiredFields(document, content.Schema))
		}
	}
}

func hasParameter(op *huma.Operation, name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == name })
}

// operationsByID returns the document's operations.
func operationsByID(document *huma.OpenAPI) map[string]*huma.Operation {
	all := map[string]*huma.Operation{}
	eachOperation(document, func(op *huma.Operation) { all[op.OperationID] = op })
	return all
}
