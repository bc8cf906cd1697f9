package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Problem is the body of every error (RFC 9457). It repeats nothing from the
// request except the request id.
type Problem struct { //nolint:errname // RFC 9457 calls it a problem
	Type      string         `json:"type" doc:"Always about:blank. The code says what happened." example:"about:blank"`
	Title     string         `json:"title" doc:"The name of the status." example:"Unprocessable Entity"`
	Status    int            `json:"status" example:"422"`
	Detail    string         `json:"detail" doc:"An explanation for people. It may change." example:"some fields are not valid"`
	Code      string         `json:"code" doc:"The code of the error, for programs. It does not change." example:"invalid"`
	RequestID string         `json:"request_id" doc:"The id of the request. Quote it when you ask for help." example:"0f8c2a51-7b1e-4f3c-9a55-2f1c7b8f3d10"`
	Errors    []FieldProblem `json:"errors,omitempty" nullable:"false" doc:"One entry for each wrong field or parameter."`
	header    http.Header
}

// FieldProblem says what is wrong with one field.
type FieldProblem struct {
	Field   string `json:"field" doc:"The name of the field or parameter, such as title or patient_profile.blood_type; empty for the body as a whole. An unknown field has the name of the object that contains it." example:"title"`
	Message string `json:"message" example:"must be a text of 1 to 200 characters, such as \"Annual Physical\""`
}

// Error implements error.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func newProblem(ctx context.Context, status int, code, detail string) *Problem {
	p := &Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: detail, Code: code, RequestID: ExchangeOf(ctx).ID, header: http.Header{},
	}
	switch status {
	case http.StatusUnauthorized:
		p.header.Set("WWW-Authenticate", challenge(ExchangeOf(ctx)))
	case http.StatusServiceUnavailable:
		p.header.Set("Retry-After", retryAfter)
	}
	return p
}

// ProblemOf is the only place that maps errors of the domain to HTTP. An error
// without a code becomes an internal one.
func ProblemOf(ctx context.Context, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var e *clinic.Error
	if !errors.As(err, &e) {
		e = clinic.Internal(err)
		if ctx.Err() != nil {
			e = clinic.Unavailable(err)
		}
	}
	if e.Code == clinic.CodeUnavailable && errors.Is(ctx.Err(), context.Canceled) {
		ExchangeOf(ctx).clientClosed = true
	}
	code := string(e.Code)
	if e.Reason != "" {
		code = e.Reason
	}
	p = newProblem(ctx, statusOf(e.Code), code, e.Message)
	if e.After > 0 {
		p.header.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.After.Seconds()))))
	}
	for _, f := range e.Fields {
		p.Errors = append(p.Errors, FieldProblem{Field: f.Field, Message: f.Message})
	}
	return p
}

func statusOf(code clinic.Code) int {
	switch code {
	case clinic.CodeInvalid:
		return http.StatusUnprocessableEntity
	case clinic.CodeUnauthenticated:
		return http.StatusUnauthorized
	case clinic.CodeForbidden:
		return http.StatusForbidden
	case clinic.CodeNotFound:
		return http.StatusNotFound
	case clinic.CodeGone:
		return http.StatusGone
	case clinic.CodeConflict:
		return http.StatusConflict
	case clinic.CodePreconditionFailed:
		return http.StatusPreconditionFailed
	case clinic.CodeTooMany:
		return http.StatusTooManyRequests
	case clinic.CodeUnavailable:
		return http.StatusServiceUnavailable
	case clinic.CodeInternal:
	}
	return http.StatusInternalServerError
}

// Fail returns the problem for an error of an operation. It logs errors that are the server's fault.
func Fail(ctx context.Context, log *slog.Logger, err error) *Problem {
	p := ProblemOf(ctx, err)
	if p.Status >= http.StatusInternalServerError {
		logFailure(ctx, log, err)
	}
	return p
}

// Write sends the problem without huma.
func (p *Problem) Write(w http.ResponseWriter) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // an error means that the client has gone away
}
