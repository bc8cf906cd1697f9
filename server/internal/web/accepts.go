package web

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// longestSample keeps a message short.
const longestSample = 60

// accepts describes what a field takes, such as "a whole number from 0 to 80, such as 5". The schema is the only source.
func accepts(name string, s *huma.Schema) string {
	text := ""
	switch {
	case len(s.Enum) > 0:
		text = "one of " + listed(s.Enum)
	case s.Format == "date-time":
		text = "a time such as " + sample(s, "2025-05-27T10:00:00Z")
	case s.Format == "date":
		text = "a day such as " + sample(s, "1980-02-29")
	case s.Type == huma.TypeString:
		text = "a text" + length(s) + quotedSample(name, s)
	case s.Type == huma.TypeInteger:
		text = "a whole number" + bounds(s) + ", such as " + sample(s, lowest(s))
	case s.Type == huma.TypeBoolean:
		text = "true or false"
	case s.Type == huma.TypeArray:
		text = "a list"
	case s.Type == huma.TypeObject:
		text = "an object with " + strings.Join(taken(s), ", ")
	default:
		return "another value"
	}
	if s.Nullable {
		text += ", or null"
	}
	return text
}

// taken returns the names of the fields that an operation takes, without those that it ignores and former names.
func taken(object *huma.Schema) []string {
	names := slices.Sorted(maps.Keys(object.Properties))
	return slices.DeleteFunc(names, func(name string) bool { return object.Properties[name].ReadOnly || object.Properties[name].Deprecated })
}

func length(s *huma.Schema) string {
	switch {
	case s.MinLength != nil && s.MaxLength != nil:
		return fmt.Sprintf(" of %d to %d characters", *s.MinLength, *s.MaxLength)
	case s.MaxLength != nil:
		return fmt.Sprintf(" of at most %d characters", *s.MaxLength)
	case s.MinLength != nil:
		return fmt.Sprintf(" of at least %d characters", *s.MinLength)
	}
	return ""
}

func bounds(s *huma.Schema) string {
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf(" from %.0f to %.0f", *s.Minimum, *s.Maximum)
	case s.Minimum != nil:
		return fmt.Sprintf(" of at least %.0f", *s.Minimum)
	case s.Maximum != nil:
		return fmt.Sprintf(" of at most %.0f", *s.Maximum)
	}
	return ""
}

func lowest(s *huma.Schema) string {
	if s.Minimum == nil {
		return "1"
	}
	return strconv.FormatFloat(*s.Minimum, 'f', 0, 64)
}

func sample(s *huma.Schema, otherwise string) string {
	if len(s.Examples) == 0 {
		return otherwise
	}
	return cmp.Or(fmt.Sprint(s.Examples[0]), otherwise)
}

// quotedSample has no password, which people would copy.
func quotedSample(name string, s *huma.Schema) string {
	if text := sample(s, ""); text != "" && len(text) <= longestSample && !strings.Contains(name, "password") {
		return `, such as "` + text + `"`
	}
	return ""
}

func listed(values []any) string {
	texts := make([]string, 0, len(values))
	for _, value := range values {
		texts = append(texts, fmt.Sprint(value))
	}
	return strings.Join(texts, ", ")
}
