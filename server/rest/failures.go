package rest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/server/internal/web"
)

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

// failure returns the response for a status, with an example for each code.
func failure(status int, problem *huma.Schema, codes []web.ErrorCode) *huma.Response {
	examples := map[string]*huma.Example{}
	for _, c := range codes {
		examples[c.Code] = &huma.Example{Summary: c.Meaning, Value: c.Example(status)}
	}
	return &huma.Response{
		Description: commonFailures()[status], Headers: failureHeaders(status),
		Content: map[string]*huma.MediaType{"application/problem+json": {Schema: problem, Examples: examples}},
	}
}

// addFailures adds the failures to the route's operation.
func (r route) addFailures(op *huma.Operation) {
	for _, status := range append(r.derivedFailures(op), r.failures...) {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + responseName(status)}
	}
	if len(r.conflictCodes) > 0 {
		own := slices.DeleteFunc(web.CodesOf(http.StatusConflict), func(c web.ErrorCode) bool { return !slices.Contains(r.conflictCodes, c.Code) })
		problem := &huma.Schema{Ref: "#/components/schemas/Problem"}
		op.Responses[strconv.Itoa(http.StatusConflict)] = failure(http.StatusConflict, problem, own)
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

// describeCodes lists all codes below the description of Problem.code. It is no enum, because
// clients must accept codes that are added later.
func describeCodes(schema *huma.Schema) {
	var list strings.Builder
	for _, c := range web.ErrorCodes() {
		statuses := strings.Trim(strings.ReplaceAll(fmt.Sprint(c.Statuses), " ", ", "), "[]")
		fmt.Fprintf(&list, "\n- `%s` (%s): %s", c.Code, statuses, c.Meaning)
	}
	schema.Description += " New codes may be added: treat an unknown one by its status.\n" + list.String()
	schema.Extensions = map[string]any{"x-codes": web.ErrorCodes()}
}
