package clinic

import (
	"errors"
	"strings"
	"time"
)

// Code classifies an error. Each edge (HTTP, controller, worker) maps a code
// to its own terms in exactly one place.
type Code string

// The codes. A new one needs a row in every edge's table.
const (
	CodeInvalid            Code = "invalid"
	CodeUnauthenticated    Code = "unauthenticated"
	CodeForbidden          Code = "forbidden"
	CodeNotFound           Code = "not_found"
	CodeGone               Code = "gone"
	CodeConflict           Code = "conflict"
	CodePreconditionFailed Code = "precondition_failed"
	CodeTooMany            Code = "too_many_attempts"
	CodeUnavailable        Code = "unavailable"
	CodeInternal           Code = "internal"
)

// RefusalCodes lists the codes that are an answer to a known caller, rather
// than a failure: the audit log has them as decisions.
func RefusalCodes() []Code {
	return []Code{
		CodeNotFound, CodeGone, CodeForbidden, CodeInvalid, CodeConflict, CodePreconditionFailed, CodeTooMany,
	}
}

// Error is the one error type of the application. Message and Fields are
// written for the caller and contain nothing of the request and nothing of the
// database; the cause is for errors.Is and never leaves the process.
type Error struct {
	Code    Code
	Reason  string // stable machine-readable refinement of Code, e.g. "username_taken"; may be empty
	Message string
	Fields  []FieldError
	After   time.Duration // of CodeTooMany: when to try again
	cause   error
}

// FieldError describes the fault of one submitted field.
type FieldError struct {
	Field   string // name in the API, e.g. "visit_date"
	Message string
}

// Error returns the code and the public message, never the cause: so no
// log can quote a row.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Code))
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	for _, f := range e.Fields {
		b.WriteString("; " + f.Field + ": " + f.Message)
	}
	return b.String()
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.cause }

// WithReason sets the stable refinement of the code.
func (e *Error) WithReason(reason string) *Error {
	e.Reason = reason
	return e
}

// CodeOf returns the code of err: CodeInternal for an error that carries none,
// and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// ReasonOf returns the stable refinement of err's code, "" when it has none.
func ReasonOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// Invalid reports one wrong field.
func Invalid(field, message string) *Error {
	return InvalidFields([]FieldError{{Field: field, Message: message}})
}

// InvalidFields reports every wrong field at once.
func InvalidFields(fields []FieldError) *Error {
	return &Error{Code: CodeInvalid, Message: "some fields are not valid", Fields: fields}
}

// NotFound means that the object (e.g. "health record") does not exist for the
// caller: a missing one and another user's get the same answer.
func NotFound(what string) *Error {
	return &Error{Code: CodeNotFound, Message: "no such " + what}
}

// Gone means that the request was carried out before, and that its result was
// deleted since. It is for callers who might have seen the result.
func Gone() *Error {
	return &Error{Code: CodeGone, Message: "this request was carried out before, and its result was deleted since; to create it again, send another Idempotency-Key"}
}

// Forbidden means that the caller's role may never do this.
func Forbidden(message string) *Error {
	return &Error{Code: CodeForbidden, Message: message}
}

// Unauthenticated means that the caller did not prove their identity.
func Unauthenticated(message string) *Error {
	return &Error{Code: CodeUnauthenticated, Message: message}
}

// Conflict means that the present state does not allow the change.
func Conflict(reason, message string) *Error {
	return &Error{Code: CodeConflict, Reason: reason, Message: message}
}

// DoctorUnverified means that a doctor gets no access because their license is not
// verified. It is a conflict, with reason "doctor_not_verified", and not CodeForbidden:
// the caller's role may do this, and the same request succeeds once an administrator
// has verified the license.
func DoctorUnverified() *Error {
	return Conflict("doctor_not_verified", "the doctor's license is not verified yet; an administrator has to verify it first")
}

// PreconditionFailed means that the object changed since the caller read it
// (RFC 9110 section 13.1.1).
func PreconditionFailed() *Error {
	return &Error{Code: CodePreconditionFailed, Message: "it was changed since you read it; read it again, then repeat the change with the new ETag"}
}

// TooMany means that there were too many attempts, and that the caller may try again
// after the time. The submitted values were not checked.
func TooMany(after time.Duration) *Error {
	return &Error{Code: CodeTooMany, Message: "too many attempts; wait, then try again", After: after}
}

// Unavailable wraps the failure of a part that may be back soon.
func Unavailable(cause error) *Error {
	return &Error{Code: CodeUnavailable, Message: "the service is not available at the moment; try again shortly", cause: cause}
}

// Internal wraps a failure that the caller can do nothing about.
func Internal(cause error) *Error {
	return &Error{Code: CodeInternal, Message: "something went wrong on our side", cause: cause}
}
