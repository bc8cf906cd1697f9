package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Rules adds the rules of the domain for a body to its request: if anything else in the request is wrong, the answer
// also contains what they refuse. Otherwise the service checks them, after it has admitted the caller. A request's body
// calls this from Resolve.
func Rules(ctx huma.Context, check func() error) []error {
	ExchangeOf(ctx.Context()).rules = check
	return nil
}

// byRule marks the location of an error of this API's own resolvers, whose message is sent as it is.
const byRule = "rule"

// Refuse returns the error of a resolver.
func Refuse(field, message string) []error {
	return []error{&huma.ErrorDetail{Location: byRule + "." + field, Message: message}}
}

// NoteUnknown is the middleware that finds parameters of the URL that the operation does not know. huma would report
// them without the other faults. The handler must call Unfit.
func NoteUnknown(ctx huma.Context, next func(huma.Context)) {
	if u := ctx.URL(); u.RawQuery != "" {
		x := ExchangeOf(ctx.Context())
		all := ctx.Operation().Parameters
		if _, err := url.QueryUnescape(u.RawQuery); err != nil { // nobody would read the parameter, such as a filter
			x.unknown = append(x.unknown, clinic.FieldError{Message: "the query of the URL has a % that does not begin an escape; write % as %25"})
		}
		for sent := range u.Query() {
			if !slices.ContainsFunc(all, func(p *huma.Param) bool { return p.In == "query" && p.Name == sent }) {
				x.unknown = append(x.unknown, clinic.FieldError{Message: unknown("parameter", sent, queryNames(all))})
			}
		}
	}
	next(ctx)
}

func queryNames(all []*huma.Param) (names []string) {
	for _, p := range all {
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	return names
}

// Unfit returns the error for a request whose only faults huma has not found: unknown parameters, and the rules for its body.
func Unfit(ctx context.Context) error {
	x := ExchangeOf(ctx)
	if len(x.unknown) == 0 {
		return nil
	}
	return x.refusal(nil)
}

// refusal joins the faults that the schema finds with the others. A field's own fault hides what the rules say about it.
func (x *Exchange) refusal(found []clinic.FieldError) *clinic.Error {
	var all []clinic.FieldError
	for _, f := range found {
		if !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	var broken *clinic.Error
	whole := slices.ContainsFunc(found, func(f clinic.FieldError) bool { return f.Field == "" }) // no field was decoded
	if !whole && x.rules != nil && errors.As(x.rules(), &broken) {
		for _, f := range broken.Fields {
			if !slices.ContainsFunc(found, func(other clinic.FieldError) bool { return other.Field == f.Field }) {
				all = append(all, f)
			}
		}
	}
	slices.SortFunc(x.unknown, func(a, b clinic.FieldError) int { // they come from maps
		return cmp.Or(strings.Compare(a.Field, b.Field), strings.Compare(a.Message, b.Message))
	})
	return clinic.InvalidFields(append(all, slices.Compact(x.unknown)...))
}

// Explain returns a huma transformer, which processes every answer of the API. It replaces huma's own error document,
// which quotes the input: what is wrong comes from huma, and what would be right from the schema. It is a setting of
// the API, and so does not change the global huma.NewError.
func Explain(schemas huma.Registry) huma.Transformer {
	return func(ctx huma.Context, _ string, answer any) (any, error) {
		model, ok := answer.(*huma.ErrorModel)
		if !ok {
			return answer, nil
		}
		e := explainer{schemas: schemas, operation: ctx.Operation()}
		switch model.Status {
		case http.StatusUnprocessableEntity:
			x := ExchangeOf(ctx.Context())
			found, strangers := e.all(model.Errors)
			x.unknown = append(x.unknown, strangers...)
			return ProblemOf(ctx.Context(), x.refusal(found)), nil
		case http.StatusBadRequest:
			return newProblem(ctx.Context(), model.Status, codeMalformed, e.malformed(model.Errors)), nil
		}
		return ProblemOf(ctx.Context(), clinic.Internal(nil)), nil
	}
}

// explainer turns huma's details into faults. It keeps nothing that comes from the request.
type explainer struct {
	schemas   huma.Registry
	operation *huma.Operation
}

// malformed describes a body that cannot be decoded. Its decoder has already said why, if there was a body.
func (e explainer) malformed(details []*huma.ErrorDetail) string {
	for _, d := range details {
		if d.Location == "body" {
			return d.Message
		}
	}
	return "the body is missing; send " + accepts("", e.bodySchema())
}

// mostUnknown is how many unknown fields of one body are compared with the known ones.
const mostUnknown = 50

// all returns the faults of known fields and parameters, and those of unknown fields.
func (e explainer) all(details []*huma.ErrorDetail) (faults, strangers []clinic.FieldError) {
	for _, d := range details {
		in, field, _ := strings.Cut(d.Location, ".")
		switch {
		case in == byRule:
			faults = append(faults, clinic.FieldError{Field: field, Message: d.Message})
		case in != "body":
			faults = append(faults, e.parameter(in, field, d.Message))
		case d.Message == validation.MsgUnexpectedProperty:
			if len(strangers) < mostUnknown {
				strangers = append(strangers, e.stranger(field))
			}
		case strings.HasPrefix(d.Message, undecodable):
			for name := range strings.SplitSeq(strings.TrimPrefix(d.Message, undecodable), nameEnd) {
				faults = append(faults, e.wrong(name))
			}
		default:
			faults = append(faults, e.body(field, d.Message))
		}
	}
	return faults, strangers
}

func (e explainer) parameter(in, name, message string) clinic.FieldError {
	for _, p := range e.operation.Parameters {
		if p.In != in || p.Name != name {
			continue
		}
		if described, ok := strings.CutPrefix(message, "expected string to be "); ok && p.Schema.Pattern != "" {
			return clinic.FieldError{Field: name, Message: "must be " + described} // the schema's own description of its pattern
		}
		return clinic.FieldError{Field: name, Message: "must be " + accepts(name, p.Schema)}
	}
	return clinic.FieldError{Message: "a parameter does not fit this operation"}
}

// body describes the fault of a known field.
func (e explainer) body(field, message string) clinic.FieldError {
	var required string
	if n, _ := fmt.Sscanf(message, validation.MsgExpectedRequiredProperty, &required); n == 1 {
		field = joined(field, required)
		s, ok := e.at(field)
		if !ok {
			return clinic.FieldError{Message: "the body does not fit this operation"}
		}
		return clinic.FieldError{Field: field, Message: "this field is required: send " + accepts(field, s)}
	}
	return e.wrong(field)
}

func (e explainer) wrong(field string) clinic.FieldError {
	s, ok := e.at(field)
	switch {
	case !ok:
		return clinic.FieldError{Message: "the body does not fit this operation"}
	case field == "":
		return clinic.FieldError{Message: "the body must be " + accepts(field, s)}
	}
	return clinic.FieldError{Field: field, Message: "must be " + accepts(field, s)}
}

// stranger describes an unknown field under the object that contains it. Its name contains no dots: see plainNames.
func (e explainer) stranger(path string) clinic.FieldError {
	dot := strings.LastIndexByte(path, '.')
	object, sent := path[:max(dot, 0)], path[dot+1:]
	s, ok := e.at(object)
	if !ok {
		return clinic.FieldError{Message: "the body has a field that this operation does not know"}
	}
	return clinic.FieldError{Field: object, Message: unknown("field", sent, taken(s))}
}

// unknown names the nearest name and all others. All of them are the schema's.
func unknown(what, sent string, names []string) string {
	if len(names) == 0 {
		return "unknown " + what + "; this operation takes none"
	}
	text := "unknown " + what + "; "
	if near := nearest(sent, names); near != "" {
		text += "did you mean " + near + "? "
	}
	return text + "this operation takes: " + strings.Join(names, ", ")
}

func (e explainer) bodySchema() *huma.Schema {
	return e.resolved(e.operation.RequestBody.Content["application/json"].Schema)
}

// at returns the schema of a field of the body, such as patient_profile.blood_type.
func (e explainer) at(path string) (*huma.Schema, bool) {
	s := e.bodySchema()
	if path == "" {
		return s, true
	}
	for name := range strings.SplitSeq(path, ".") {
		name, _, list := strings.Cut(name, "[")
		property, ok := s.Properties[name]
		if !ok {
			return nil, false
		}
		if s = e.resolved(property); list && s.Items != nil {
			s = e.resolved(s.Items)
		}
	}
	return s, true
}

func (e explainer) resolved(s *huma.Schema) *huma.Schema {
	for s.Ref != "" {
		s = e.schemas.SchemaFromRef(s.Ref)
	}
	return s
}

func joined(object, field string) string {
	if object == "" {
		return field
	}
	return object + "." + field
}
