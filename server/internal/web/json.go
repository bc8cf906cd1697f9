package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Formats returns the format of bodies for huma.
func Formats() map[string]huma.Format {
	format := huma.Format{Marshal: newEncoder().encode, Unmarshal: decode}
	return map[string]huma.Format{"application/json": format, "json": format}
}

// decode decodes a body. huma calls it twice: first to validate the body, and then to fill in the request. huma keeps only the
// text of an error, which is for Explain: a position, or the names that follow undecodable.
func decode(body []byte, into any) error {
	if whole, first := into.(*any); first {
		if err := strict.Unmarshal(body, whole); err != nil {
			return errors.New(misplaced(body, err))
		}
		plainNames(*whole)
		return nil
	}
	if json.Unmarshal(body, into) == nil {
		return nil
	}
	wrong := eachField(body, into)
	return errors.New(undecodable + strings.Join(wrong, nameEnd))
}

// plainNames removes the characters from the names of fields with which huma separates the names in a path. No field of the API
// has them. With them, huma would report what comes later under a wrong path.
func plainNames(value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			plainNames(inner)
			if strings.ContainsAny(name, ".[") {
				delete(v, name)
				v[strings.NewReplacer(".", "/", "[", "/").Replace(name)] = inner
			}
		}
	case []any:
		for _, inner := range v {
			plainNames(inner)
		}
	}
}

const (
	undecodable = "undecodable: "
	nameEnd     = "\n"
)

// misplaced says where a body is not JSON. It repeats nothing from the body, as the decoder's own text does.
func misplaced(body []byte, err error) string {
	var syntax *jsontext.SyntacticError
	var meaning *strict.SemanticError
	offset := int64(len(body))
	switch {
	case errors.As(err, &syntax):
		offset = syntax.ByteOffset
	case errors.As(err, &meaning):
		offset = meaning.ByteOffset
	}
	before := body[:min(max(offset, 0), int64(len(body)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	at := fmt.Sprintf("line %d, column %d", line, column)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the body is not complete JSON: it ends at " + at
	case errors.Is(err, jsontext.ErrDuplicateName):
		return "the body has a field twice, the second time at " + at + "; send each field once"
	case meaning != nil:
		return "the body has a number that is too large, at " + at
	}
	return "the body is not JSON in UTF-8: see " + at
}

// mostFields is more than a body of any operation has, with its objects.
const mostFields = 200

// eachField decodes the fields one by one, so that a wrong one does not hide the others, and returns the paths of the
// wrong ones.
func eachField(body []byte, into any) (wrong []string) {
	left := mostFields
	var visit func(path []string, value json.RawMessage)
	visit = func(path []string, value json.RawMessage) {
		var fields map[string]json.RawMessage
		if bytes.HasPrefix(value, []byte("{")) && len(path) < 3 && json.Unmarshal(value, &fields) == nil && len(fields) > 0 {
			for name, inner := range fields {
				if len(name) > longestName { // no operation has it, and each field below would copy it
					continue
				}
				visit(append(path[:len(path):len(path)], name), inner)
			}
			return
		}
		if left--; left >= 0 && json.Unmarshal(wrapped(path, value), into) != nil {
			wrong = append(wrong, strings.Join(path, "."))
		}
	}
	visit(nil, bytes.TrimSpace(body))
	return wrong
}

// wrapped returns an object that contains only the value, at the path.
func wrapped(path []string, value json.RawMessage) []byte {
	var b bytes.Buffer
	for _, name := range path {
		quoted, _ := json.Marshal(name) // a string can always be encoded
		b.WriteString("{" + string(quoted) + ":")
	}
	b.Write(value)
	b.WriteString(strings.Repeat("}", len(path)))
	return b.Bytes()
}
