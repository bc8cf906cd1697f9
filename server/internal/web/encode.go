package web

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	standard "github.com/go-json-experiment/json/v1"
)

// largestKept is the capacity, in bytes, up to which an encoder keeps a buffer for the next answer.
const largestKept = 64 << 10

// encoder encodes answers to the same bytes as encoding/json, but in two thirds of the time and without an allocation for each
// time in them. Only text that is not UTF-8 differs, which Postgres does not store.
type encoder struct {
	options strict.Options
	buffers sync.Pool // of *bytes.Buffer
}

func newEncoder() *encoder {
	return &encoder{
		options: strict.JoinOptions(standard.DefaultOptionsV1(), jsontext.EscapeForHTML(false)),
		buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
}

// encode writes the answer at once: the place of a request is free from its first byte on.
func (e *encoder) encode(w io.Writer, answer any) error {
	buffer, _ := e.buffers.Get().(*bytes.Buffer)
	buffer.Reset()
	if err := strict.MarshalWrite(buffer, answer, e.options); err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	buffer.WriteByte('\n')
	_, err := w.Write(buffer.Bytes())
	if buffer.Cap() <= largestKept {
		e.buffers.Put(buffer)
	}
	return err //nolint:wrapcheck // as huma expects it of a format
}
