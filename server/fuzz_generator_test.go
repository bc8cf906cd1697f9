package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// request makes a request of the choices: mostly one that comes far.
func (g *generator) request(t *testing.T, c *choices) *http.Request {
	t.Helper()
	o := g.operations[c.of(len(g.operations))]
	authorization := g.token(t, c)
	c.tame = c.of(2) == 0
	method, path, query, header := o.method, o.path, url.Values{}, http.Header{}
	for _, parameters := range []openapi3.Parameters{o.shared, o.operation.Parameters} {
		for _, p := range parameters {
			g.parameter(c, p.Value, &path, query, header)
		}
	}
	var body []byte
	if content := o.operation.RequestBody; content != nil {
		body = g.body(t, c, content.Value.Content.Get("application/json").Schema.Value)
		header.Set("Content-Type", "application/json")
	}
	if authorization != "" {
		header.Set("Authorization", authorization)
	}
	header.Set("X-Forwarded-For", fmt.Sprintf("2001:db8:%x%02x::1", c.of(256), c.of(256))) // else all would be throttled as one
	if c.unlikely(4) {
		method, path = distort(c, method, path, query, header)
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", io.NopCloser(bytes.NewReader(body)))
	request.Method, request.Header = method, header
	request.URL = &url.URL{Path: path, RawQuery: query.Encode()}
	if c.unlikely(32) {
		request.URL.RawQuery += "&" + c.rest()
	}
	if body == nil {
		request.Body = http.NoBody
	}
	return request
}

func (g *generator) parameter(c *choices, p *openapi3.Parameter, path *string, query url.Values, header http.Header) {
	if p.In != openapi3.ParameterInPath && !c.unlikely(3) {
		return
	}
	value := fmt.Sprint(g.value(c, p.Schema.Value, p.Name))
	switch p.In {
	case openapi3.ParameterInPath:
		if !c.unlikely(8) {
			value = strconv.Itoa(1 + c.of(12))
		}
		*path = strings.Replace(*path, "{"+p.Name+"}", value, 1)
	case openapi3.ParameterInQuery:
		query.Add(p.Name, value)
	case openapi3.ParameterInHeader:
		header.Set(p.Name, value)
	}
}

// distort makes what no document has.
func distort(c *choices, method, path string, query url.Values, header http.Header) (newMethod, newPath string) {
	switch c.of(10) {
	case 0:
		method = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, "BREW", ""}[c.of(10)]
	case 1:
		path = strings.TrimSuffix(path, "/")
	case 2:
		path = strings.Replace(path, "/api/", "/api/v1/", 1)
	case 3:
		path += canary + c.rest()
	case 4:
		path = "/" + c.rest() + path
	case 5:
		query.Add(canary+c.rest(), canary)
	case 6:
		header.Set("Content-Type", []string{"", "text/plain", "application/merge-patch+json", "application/json; charset=" + canary, "application/cbor", ";", c.rest()}[c.of(7)])
	case 7:
		header.Set("Authorization", []string{"", "Bearer", "Bearer " + canary, "Basic " + canary, "bearer a.b.c", c.rest()}[c.of(6)])
	case 8:
		name := []string{"Accept", "Accept-Encoding", "Content-Encoding", "Range", "If-Modified-Since", "X-Http-Method-Override", "Origin", "Cookie", "Traceparent", "Expect"}[c.of(10)]
		header.Set(name, []string{canary, "application/cbor", "*/*;q=0", "gzip", "bytes=0-1", c.rest()}[c.of(6)])
	case 9:
		header.Add("X-Forwarded-For", c.rest())
	}
	return method, path
}

// body is what the schema describes, and now and then that with some bytes
// changed, cut or put before it.
func (g *generator) body(t *testing.T, c *choices, schema *openapi3.Schema) []byte {
	t.Helper()
	encoded, err := json.Marshal(g.value(c, schema, ""))
	testkit.Must(t, err)
	if !c.unlikely(3) {
		return encoded
	}
	switch c.of(4) {
	case 0:
		return encoded[:c.of(len(encoded)+1)]
	case 1:
		encoded[c.of(len(encoded))] = byte(c.of(256))
	case 2:
		return append(encoded, c.rest()...)
	case 3:
		return []byte(c.rest())
	}
	return encoded
}

// value is one that fits the schema, or one of another kind.
func (g *generator) value(c *choices, schema *openapi3.Schema, name string) any {
	if c.unlikely(16) {
		return g.odd(c)
	}
	switch {
	case len(schema.Enum) > 0:
		return schema.Enum[c.of(len(schema.Enum))]
	case schema.Type.Includes(openapi3.TypeObject):
		return g.object(c, schema)
	case schema.Type.Includes(openapi3.TypeArray):
		list := make([]any, c.of(4))
		for i := range list {
			list[i] = g.value(c, schema.Items.Value, name)
		}
		return list
	case schema.Type.Includes(openapi3.TypeBoolean):
		return c.of(2) == 1
	case schema.Type.Includes(openapi3.TypeInteger), schema.Type.Includes(openapi3.TypeNumber):
		return []any{1, 2, 3, 4, 5, 0, -1, 100, 1 << 31, 1<<63 - 1}[c.of(10)]
	}
	return g.text(c, schema, name)
}

func (g *generator) object(c *choices, schema *openapi3.Schema) map[string]any {
	object := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) { // the same bytes are the same request
		if c.unlikely(4) {
			continue
		}
		object[name] = g.value(c, schema.Properties[name].Value, name)
	}
	if c.unlikely(16) {
		object[canary] = canary
	}
	return object
}

// text fits the format, or the field's name where that says more.
func (g *generator) text(c *choices, schema *openapi3.Schema, name string) string {
	if c.unlikely(8) {
		return []string{"", canary, strings.Repeat(canary, 2000), canary + "\x00", canary + "\xff\xfe", "'; DROP TABLE users; --" + canary, "\u202e" + canary, "%s%n" + canary, c.rest()}[c.of(9)]
	}
	switch {
	case schema.Format == "date-time":
		return []string{"2025-05-27T10:00:00Z", "2025-05-27T10:00:00+14:00", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"}[c.of(4)]
	case schema.Format == "date":
		return []string{"1980-02-29", "1981-02-29", "0001-01-01", "9999-12-31"}[c.of(4)]
	case strings.Contains(name, "password"):
		return password
	case name == "username":
		return []string{"owner", "assigned", "nobody", fmt.Sprintf("user%d", c.of(256)*256+c.of(256))}[c.of(4)]
	case name == "email":
		return "patient@example.com"
	case name == "phone_number":
		return "+1234567890"
	case name == "refresh":
		return g.cast.refresh
	case name == "cursor":
		return []string{"", "eyJpIjoxfQ", "eyJrIjoiMjAyNS0wMS0wMVQwMDowMDowMFoiLCJpIjoxfQ"}[c.of(3)]
	case strings.HasPrefix(name, "If-"):
		return []string{`"1-0"`, `"2-0"`, "*", `W/"1-0"`, `"1-0", "2-0"`}[c.of(5)]
	}
	return "text of " + canary
}

// odd is a value of any kind.
func (g *generator) odd(c *choices) any {
	return []any{
		nil, true, -1, 1.5, 1e300, "", canary,
		[]any{},
		[]any{canary},
		map[string]any{},
		map[string]any{canary: canary},
		c.rest(),
		json.Number("1e999"), json.Number("99999999999999999999999"), strings.Repeat("[", 100),
	}[c.of(15)]
}
