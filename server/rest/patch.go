package rest

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// patch is a field of a JSON merge patch (RFC 7396): omitted, null, or a value.
type patch[T any] struct {
	sent  bool
	null  bool
	value T
}

// UnmarshalJSON implements json.Unmarshaler. It is also called for null.
func (p *patch[T]) UnmarshalJSON(b []byte) error {
	p.sent = true
	if bytes.Equal(b, []byte("null")) {
		p.null = true
		return nil
	}
	return json.Unmarshal(b, &p.value)
}

// Schema implements huma.SchemaProvider.
func (patch[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), false, "")
	s.Nullable = true
	return &s
}

// readBack adds the fields of an answer that a request lacks: a client may send back everything that it has read. They
// are ignored, whatever they hold.
func readBack[Answer any](r huma.Registry, request *huma.Schema) *huma.Schema {
	answer := r.Schema(reflect.TypeFor[Answer](), true, "")
	for answer.Ref != "" {
		answer = r.SchemaFromRef(answer.Ref)
	}
	for name := range answer.Properties {
		if request.Properties[name] == nil {
			request.Properties[name] = &huma.Schema{ReadOnly: true, Description: "Ignored: the value is only read."}
		}
	}
	return request
}

// change returns nil for an omitted field, and the zero value for null.
func (p patch[T]) change() *T {
	if !p.sent {
		return nil
	}
	return &p.value
}
