package fhir

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Position is a place in a file.
type Position struct {
	Offset int64  // bytes before it
	Line   int64  // from 1
	Path   string // JSON Pointer (RFC 6901); "" is the whole document
}

// String returns e.g. "line 12, byte 345, /entry/3/resource".
func (p Position) String() string {
	s := fmt.Sprintf("line %d, byte %d", p.Line, p.Offset)
	if p.Path != "" {
		s += ", " + p.Path
	}
	return s
}

// ReadError is the reason why a bundle cannot be read, and the place. It quotes nothing of the
// bundle.
type ReadError struct {
	Position
	Reason string
}

// Error returns the reason and the position.
func (f *ReadError) Error() string { return f.Reason + " at " + f.String() }

var errTooLarge = errors.New("the file is too large")

// lineReader remembers where lines begin, from the present entry on, and stops
// at the size limit.
type lineReader struct {
	r     io.Reader
	limit int64
	read  int64
	ends  []int64 // offsets of the newlines that are remembered
	lines int64   // newlines before those
}

// Read implements io.Reader.
func (l *lineReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			l.ends = append(l.ends, l.read+int64(i))
		}
	}
	l.read += int64(n)
	if l.read > l.limit {
		return 0, errTooLarge
	}
	return n, err //nolint:wrapcheck // io.EOF must stay as it is
}

// forget drops the lines before the offset.
func (l *lineReader) forget(offset int64) {
	n, _ := slices.BinarySearch(l.ends, offset)
	l.ends = slices.Delete(l.ends, 0, n)
	l.lines += int64(n)
}

func (l *lineReader) at(offset int64, path string) Position {
	n, _ := slices.BinarySearch(l.ends, offset)
	return Position{Offset: offset, Line: l.lines + int64(n) + 1, Path: path}
}

// place extracts position and reason from an error of the JSON decoder, whose own
// text may quote the bundle. base is the offset and path of the decoded part.
func place(err error, base Position) (offset int64, path, reason string) {
	var syntax *jsontext.SyntacticError
	var meaning *json.SemanticError
	switch {
	case errors.Is(err, errTooLarge):
		return base.Offset, base.Path, "the file is larger than the limit"
	case errors.As(err, &meaning):
		return base.Offset + meaning.ByteOffset, base.Path + safePath(meaning.JSONPointer), "expected a value of another kind"
	case errors.Is(err, io.ErrUnexpectedEOF):
		reason = "the file ends too early"
	case errors.Is(err, jsontext.ErrDuplicateName):
		reason = "an object has the same name twice"
	case errors.As(err, &syntax):
		reason = "this is not JSON"
	default:
		return base.Offset, base.Path, "the file cannot be read further"
	}
	if errors.As(err, &syntax) {
		return base.Offset + syntax.ByteOffset, base.Path + safePath(syntax.JSONPointer), reason
	}
	return base.Offset, base.Path, reason
}

// longestPath is longer than the path of any supported element.
const longestPath = 256

// safePath keeps the part of the path that can be FHIR: a broken file may have
// any name, at any depth.
func safePath(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		if token == "" || len(token) > 64 || b.Len()+len(token) > longestPath || strings.ContainsFunc(token, func(r rune) bool {
			return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) {
			return b.String() + "/..."
		}
		b.WriteString("/" + token)
	}
	return b.String()
}
