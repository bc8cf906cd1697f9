package rest

import (
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// eachOperation calls do for every operation of the document.
func eachOperation(document *huma.OpenAPI, do func(*huma.Operation)) {
	for _, item := range document.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				do(op)
			}
		}
	}
}

// resolve returns the schema that a reference means.
func resolve(document *huma.OpenAPI, schema *huma.Schema) *huma.Schema {
	if schema != nil && schema.Ref != "" {
		return document.Components.Schemas.SchemaFromRef(schema.Ref)
	}
	return schema
}

// collect adds the schema and all that it contains to seen.
func collect(document *huma.OpenAPI, schema *huma.Schema, seen map[*huma.Schema]bool) {
	schema = resolve(document, schema)
	if schema == nil || seen[schema] {
		return
	}
	seen[schema] = true
	collect(document, schema.Items, seen)
	for _, property := range schema.Properties {
		collect(document, property, seen)
	}
	for _, other := range slices.Concat(schema.OneOf, schema.AnyOf, schema.AllOf) {
		collect(document, other, seen)
	}
}

// openAnswers allows unknown fields in answers, so that generated clients accept those that
// are added later. Requests stay strict.
func openAnswers(document *huma.OpenAPI) {
	requests, answers := map[*huma.Schema]bool{}, map[*huma.Schema]bool{}
	eachOperation(document, func(op *huma.Operation) {
		if op.RequestBody != nil {
			collectContent(document, op.RequestBody.Content, requests)
		}
		for _, response := range op.Responses {
			collectContent(document, response.Content, answers)
		}
	})
	for _, response := range document.Components.Responses {
		collectContent(document, response.Content, answers)
	}
	for schema := range answers {
		if !requests[schema] && schema.AdditionalProperties == false {
			schema.AdditionalProperties = nil
		}
	}
}

func collectContent(document *huma.OpenAPI, content map[string]*huma.MediaType, seen map[*huma.Schema]bool) {
	for _, media := range content {
		collect(document, media.Schema, seen)
	}
}

// markReadOnly marks the fields that an operation answers with but cannot change: what a client
// reads and writes back may contain them.
func markReadOnly(document *huma.OpenAPI) {
	for _, item := range document.Paths {
		for _, op := range []*huma.Operation{item.Put, item.Patch} {
			if op == nil || op.RequestBody == nil || op.Responses["200"] == nil {
				continue
			}
			sent, answered := op.RequestBody.Content["application/json"], op.Responses["200"].Content["application/json"]
			markUnwritable(document, sent.Schema, answered.Schema)
		}
	}
}

func markUnwritable(document *huma.OpenAPI, sent, answered *huma.Schema) {
	sent, answered = resolve(document, sent), resolve(document, answered)
	for name, property := range answered.Properties {
		written := sent.Properties[name]
		switch below := resolve(document, written); {
		case written == nil || written.ReadOnly || below.ReadOnly:
			property.ReadOnly = true
		case below.Type == huma.TypeObject:
			markUnwritable(document, below, property)
		}
	}
}

// requiredFields returns a body of the fields that the schema requires, with the examples of their
// schemas.
func requiredFields(document *huma.OpenAPI, schema *huma.Schema) map[string]any {
	schema = resolve(document, schema)
	body := map[string]any{}
	for _, name := range schema.Required {
		property := resolve(document, schema.Properties[name])
		switch {
		case len(property.Examples) > 0:
			body[name] = property.Examples[0]
		case property.Type == huma.TypeObject:
			body[name] = requiredFields(document, property)
		}
	}
	return body
}
