package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/server"
)

// contract is the OpenAPI document of the server, parsed by another library than
// the one that wrote it.
type contract struct{ document *openapi3.T }

func loadContract(t testing.TB) *contract {
	t.Helper()
	document, err := published()
	testkit.Must(t, err)
	return &contract{document: document}
}

// published is the document for all tests. It is created once, because that takes a
// second with the race detector. Unlike the server's document, it allows answers no other fields than it names.
var published = sync.OnceValues(func() (*openapi3.T, error) {
	printed, err := server.OpenAPI()
	if err != nil {
		return nil, err
	}
	document, err := openapi3.NewLoader().LoadFromData(printed)
	if err != nil {
		return nil, err
	}
	for _, schema := range document.Components.Schemas {
		if more := &schema.Value.AdditionalProperties; schema.Value.Type.Is("object") && more.Has == nil && more.Schema == nil {
			more.Has = new(bool)
		}
	}
	return document, nil
})

// each calls f for every operation of the document.
func (c *contract) each(f func(path, method string, op *openapi3.Operation)) {
	for path, item := range c.document.Paths.Map() {
		for method, op := range item.Operations() {
			f(path, method, op)
		}
	}
}

// find returns the operation that serves a request, or nil.
func (c *contract) find(r *http.Request) *routers.Route {
	path := strings.Replace(r.URL.Path, "/api/v1/", "/api/", 1)
	path = strings.TrimSuffix(path, "/") + "/"
	var found *routers.Route
	c.each(func(pattern, method string, op *openapi3.Operation) {
		literal := !strings.Contains(pattern, "{")
		if method == r.Method && matches(pattern, path) && (found == nil || literal) {
			found = &routers.Route{Spec: c.document, Path: pattern, PathItem: c.document.Paths.Value(pattern), Method: method, Operation: op}
		}
	})
	return found
}

func matches(pattern, path string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if strings.HasPrefix(want[i], "{") {
			if _, err := strconv.Atoi(have[i]); err != nil {
				return false
			}
		} else if want[i] != have[i] {
			return false
		}
	}
	return true
}

// check fails the test if the document does not describe the answer of an operation: its
// status, its media type, its headers, and exactly its fields.
func (c *contract) check(t testing.TB, r *http.Request, got answer) {
	t.Helper()
	route := c.find(r)
	if route == nil {
		return
	}
	err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: route},
		Status:                 got.status, Header: got.header,
		Body:    readCloser{bytes.NewReader(got.body)},
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		t.Errorf("%s %s answered %d, which is not as documented: %v", r.Method, r.URL.Path, got.status, err)
	}
	c.checkCode(t, route, got)
}

// checkCode fails the test if a problem has a code that is no example of the operation's response.
func (c *contract) checkCode(t testing.TB, route *routers.Route, got answer) {
	t.Helper()
	if got.status < http.StatusBadRequest {
		return
	}
	var problem struct{ Code string }
	testkit.Must(t, json.Unmarshal(got.body, &problem))
	response := route.Operation.Responses.Status(got.status)
	if response == nil || response.Value.Content.Get("application/problem+json").Examples[problem.Code] == nil {
		t.Errorf("%s answered %d with the code %s, which the document does not have there", route.Operation.OperationID, got.status, problem.Code)
	}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

func TestOpenAPIIsValid(t *testing.T) {
	t.Parallel()
	document := loadContract(t).document
	if document.OpenAPI != "3.1.0" {
		t.Errorf("openapi = %q, want 3.1.0", document.OpenAPI)
	}
	testkit.Must(t, document.Validate(t.Context()))
}

func TestOpenAPIIsCommitted(t *testing.T) {
	t.Parallel()
	printed, err := server.OpenAPI()
	testkit.Must(t, err)
	committed, err := os.ReadFile(filepath.Join(testkit.Root(t), "api/openapi.yaml"))
	testkit.Must(t, err)
	if diff := cmp.Diff(string(committed), string(printed)); diff != "" {
		t.Errorf("api/openapi.yaml is stale: run make generate (-committed +server)\n%s", diff)
	}
}

func TestOperationsAreDocumented(t *testing.T) {
	t.Parallel()
	loadContract(t).each(func(path, method string, op *openapi3.Operation) {
		name := method + " " + path
		if op.OperationID == "" || op.Summary == "" || len(op.Tags) != 1 {
			t.Errorf("%s lacks an id, a summary or its tag", name)
		}
		if !strings.Contains(op.Description, " may call this operation.") {
			t.Errorf("%s does not say who may call it", name)
		}
		if op.Security == nil {
			t.Errorf("%s does not say whether it requires a login", name)
			return
		}
		if private := len(*op.Security) > 0; private != (op.Responses.Value("401") != nil) && !slices.Contains([]string{"login", "refreshToken", "resetPassword"}, op.OperationID) {
			t.Errorf("%s: security %v does not agree with its 401", name, private)
		}
		for _, status := range []string{"500", "503"} {
			if op.Responses.Value(status) == nil {
				t.Errorf("%s does not document %s", name, status)
			}
		}
		for status, response := range op.Responses.Map() {
			if status >= "400" && response.Value.Content.Get("application/problem+json") == nil {
				t.Errorf("%s %s is not a problem document", name, status)
			}
		}
	})
}
