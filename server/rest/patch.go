package rest

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// patch is a field of a JSON merge patch (RFC 7396): not sent, null, or a value.
type patch[T any] struct {
	sent  bool
	null  bool
	value T
}

// UnmarshalJSON implements json.Unmarshaler; it is called for null, too.
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

// change returns nil for a field that was not sent, and the zero value for
// null: clearing a text makes it empty.
func (p patch[T]) change() *T {
	if !p.sent {
		return nil
	}
	return &p.value
}
