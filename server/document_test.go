package server_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/server"
)

// rawDocument is the document as clients get it.
func rawDocument(t *testing.T) *contract {
	t.Helper()
	printed, err := server.OpenAPI()
	testkit.Must(t, err)
	document, err := openapi3.NewLoader().LoadFromData(printed)
	testkit.Must(t, err)
	return &contract{document: document}
}

// TestExamplesFitTheirSchemas checks that each body and each failure has an example, and that it fits.
func TestExamplesFitTheirSchemas(t *testing.T) {
	t.Parallel()
	loadContract(t).each(func(path, method string, op *openapi3.Operation) {
		if op.RequestBody != nil {
			for kind, media := range op.RequestBody.Value.Content {
				checkExamples(t, method+" "+path+" "+kind, media)
				if names := slices.Sorted(maps.Keys(media.Examples)); len(names) > 0 && path != "/api/auth/assign-doctor/" && names[0] != "example" {
					t.Errorf("%s %s: the documentation page fills in %q, not the example", method, path, names[0])
				}
			}
		}
		for status, response := range op.Responses.Map() {
			if media := response.Value.Content.Get("application/problem+json"); status >= "400" && media != nil {
				checkExamples(t, method+" "+path+" "+status, media)
				for name, example := range media.Examples {
					value, _ := example.Value.Value.(map[string]any)
					if value["code"] != name || !strings.HasPrefix(status, strings.TrimSuffix(fmt.Sprint(value["status"]), ".0")) {
						t.Errorf("%s %s: the example %s of %s is %v", method, path, name, status, value)
					}
				}
			}
		}
	})
}

func checkExamples(t *testing.T, what string, media *openapi3.MediaType) {
	t.Helper()
	if len(media.Examples) == 0 {
		t.Errorf("%s has no example", what)
	}
	for name, example := range media.Examples {
		if err := media.Schema.Value.VisitJSON(example.Value.Value, openapi3.EnableFormatValidation()); err != nil {
			t.Errorf("%s: the example %s does not fit: %v", what, name, err)
		}
	}
}

// TestSchemaNamesAreFree, because generators declare names of their own beside the schemas: with a schema Client,
// the code that oapi-codegen generates did not compile.
func TestSchemaNamesAreFree(t *testing.T) {
	t.Parallel()
	schemas := rawDocument(t).document.Components.Schemas
	for _, name := range []string{"Client", "ClientInterface", "ClientOption", "Error", "Request", "Response", "Server", "Configuration"} {
		if schemas[name] != nil {
			t.Errorf("the schema %s takes the name of a type of generated clients", name)
		}
	}
}

// TestAnswersAreOpenAndRequestsStrict keeps generated clients working when answers get new fields.
func TestAnswersAreOpenAndRequestsStrict(t *testing.T) {
	t.Parallel()
	rawDocument(t).each(func(path, method string, op *openapi3.Operation) {
		if op.RequestBody != nil {
			for _, media := range op.RequestBody.Value.Content {
				eachObject(media.Schema, map[*openapi3.Schema]bool{}, func(schema *openapi3.Schema) {
					if more := schema.AdditionalProperties.Has; more == nil || *more {
						t.Errorf("%s %s accepts any field in its body", method, path)
					}
				})
			}
		}
		for status, response := range op.Responses.Map() {
			for _, media := range response.Value.Content {
				eachObject(media.Schema, map[*openapi3.Schema]bool{}, func(schema *openapi3.Schema) {
					if more := schema.AdditionalProperties.Has; more != nil && !*more {
						t.Errorf("%s %s %s forbids fields that are added later: a type of a request cannot be part of an answer", method, path, status)
					}
				})
			}
		}
	})
}

// eachObject calls do for the schema and all below it that have properties.
func eachObject(schema *openapi3.SchemaRef, seen map[*openapi3.Schema]bool, do func(*openapi3.Schema)) {
	if schema == nil || seen[schema.Value] {
		return
	}
	seen[schema.Value] = true
	if len(schema.Value.Properties) > 0 {
		do(schema.Value)
	}
	for _, property := range schema.Value.Properties {
		eachObject(property, seen, do)
	}
	eachObject(schema.Value.Items, seen, do)
}

// selfEvident are the enums whose values need no explanation, by the first value.
var selfEvident = []string{"true", "A+"}

// TestEnumsAreExplained looks for the values of each enum in its description.
func TestEnumsAreExplained(t *testing.T) {
	t.Parallel()
	explained := 0
	check := func(where, description string, enum []any) {
		if len(enum) < 2 || slices.Contains(selfEvident, fmt.Sprint(enum[0])) {
			return
		}
		explained++
		for _, value := range enum {
			if value != nil && value != "" && !strings.Contains(description, "- `"+fmt.Sprint(value)+"`: ") {
				t.Errorf("%s: %v has no meaning in server/rest/meanings.go", where, value)
			}
		}
	}
	c := loadContract(t)
	c.each(func(path, method string, op *openapi3.Operation) {
		for _, p := range op.Parameters {
			check(method+" "+path+" "+p.Value.Name, p.Value.Description, p.Value.Schema.Value.Enum)
		}
	})
	for name, component := range c.document.Components.Schemas {
		eachObject(component, map[*openapi3.Schema]bool{}, func(schema *openapi3.Schema) {
			for field, property := range schema.Properties {
				check(name+"."+field, property.Value.Description, property.Value.Enum)
			}
		})
	}
	if explained < 10 {
		t.Errorf("only %d enums were found", explained)
	}
}

// TestOperationsComeInTheOrderOfUse compares the document with the table of routes.
func TestOperationsComeInTheOrderOfUse(t *testing.T) {
	t.Parallel()
	printed, err := server.OpenAPI()
	testkit.Must(t, err)
	var got []string
	for _, match := range regexp.MustCompile(`(?m)^  (/\S+):$`).FindAllStringSubmatch(string(printed), -1) {
		got = append(got, match[1])
	}
	source, err := os.ReadFile(filepath.Join(testkit.Root(t), "server/rest/routes.go"))
	testkit.Must(t, err)
	var want []string
	for _, match := range regexp.MustCompile(`op\("[A-Z]+ (/\S+)"`).FindAllStringSubmatch(string(source), -1) {
		if !slices.Contains(want, match[1]) {
			want = append(want, match[1])
		}
	}
	if !slices.Equal(got, want) || len(got) < 20 {
		t.Errorf("the document has the paths %q, the table has %q", got, want)
	}
}

// TestDocumentNamesThePublicURL reads the document from servers with a public URL and without one.
func TestDocumentNamesThePublicURL(t *testing.T) {
	t.Parallel()
	for publicURL, want := range map[string][]string{"": {"/"}, "https://records.example.org/": {"/", "https://records.example.org"}} {
		w := newWorld(t, func(o *server.Options) { o.PublicURL = publicURL })
		var got []string
		for _, s := range dig[[]any](t, w.want(http.StatusOK, call{method: get, path: "/api/openapi.json"}), "servers") {
			got = append(got, dig[string](t, s, "url"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("with the public URL %q, the servers are %q", publicURL, got)
		}
	}
}

// TestFieldsThatCannotBeWrittenAreReadOnly looks at what is read and written under one path.
func TestFieldsThatCannotBeWrittenAreReadOnly(t *testing.T) {
	t.Parallel()
	c := loadContract(t)
	for name, want := range map[string]map[string]bool{
		"HealthRecord": {"id": true, "created_at": true, "doctor_comments": true, "title": false, "visit_date": false},
		"Profile":      {"id": true, "username": true, "user_type": true, "phone_number": false, "email": false},
	} {
		for field, readOnly := range want {
			property := c.document.Components.Schemas[name].Value.Properties[field]
			if got := property.Value.ReadOnly || property.Extensions["readOnly"] == true; got != readOnly {
				t.Errorf("%s.%s: readOnly is %v", name, field, got)
			}
		}
	}
}
