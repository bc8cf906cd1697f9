package web

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Codes of problems that only HTTP has. The other codes are the codes and reasons
// of package clinic.
const (
	codeMalformed        = "malformed"
	codeMethodNotAllowed = "method_not_allowed"
	codeTimeout          = "request_timeout"
	codeTooLarge         = "too_large"
	codeMediaType        = "unsupported_media_type"
	codeTooManyAtOnce    = "too_many_at_once"
)

// ErrorCode documents a code of problems. The OpenAPI document, its examples and
// docs/errors.md are derived from it; a test in test/docs finds codes that lack an entry.
type ErrorCode struct {
	Code     string `json:"code"`
	Statuses []int  `json:"statuses"`
	Meaning  string `json:"meaning"`
	Remedy   string `json:"remedy"` // what the client or its user can do
	field    string // the field of the example, if the problem names fields
}

// Example returns a problem with the code. Its status is one of those of the code.
func (c ErrorCode) Example(status int) *Problem {
	p := &Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: c.Meaning, Code: c.Code,
		RequestID: "0f8c2a51-7b1e-4f3c-9a55-2f1c7b8f3d10",
	}
	if c.field != "" {
		p.Errors = []FieldProblem{{Field: c.field, Message: c.Meaning}}
	}
	if c.Code == string(clinic.CodeInvalid) {
		p.Errors[0].Message = "this field is required"
	}
	return p
}

// CodesOf returns the codes that problems with the status can have.
func CodesOf(status int) []ErrorCode {
	return slices.DeleteFunc(ErrorCodes(), func(c ErrorCode) bool { return !slices.Contains(c.Statuses, status) })
}

// ErrorCodes returns all codes, by status. The first code of a status is the general one.
func ErrorCodes() []ErrorCode {
	all := slices.Concat(requestCodes(), loginCodes(), conflictCodes(), serverCodes())
	slices.SortStableFunc(all, func(a, b ErrorCode) int { return cmp.Compare(a.Statuses[0], b.Statuses[0]) })
	return all
}

func one(status int, code clinic.Code, meaning, remedy string) ErrorCode {
	return ErrorCode{Code: string(code), Statuses: []int{status}, Meaning: meaning, Remedy: remedy}
}

// naming sets the field that the example names.
func (c ErrorCode) naming(field string) ErrorCode {
	c.field = field
	return c
}

// also adds a status.
func (c ErrorCode) also(status int) ErrorCode {
	c.Statuses = append(c.Statuses, status)
	return c
}

// requestCodes are the codes of requests that the API cannot carry out in any state.
func requestCodes() []ErrorCode {
	return []ErrorCode{
		one(http.StatusBadRequest, codeMalformed, "the body is missing or is not JSON, or If-Match is not a list of entity tags",
			"Correct the request. Repeating it does not help."),
		one(http.StatusNotFound, clinic.CodeNotFound, "the object does not exist, or the caller may not see it",
			"Check the id, and whether the caller's access has ended."),
		one(http.StatusMethodNotAllowed, codeMethodNotAllowed, "the path does not support the method",
			"Use one of the methods in the header Allow."),
		one(http.StatusRequestTimeout, codeTimeout, "the body did not arrive in time", "Repeat the request over a better connection."),
		one(http.StatusGone, clinic.CodeGone, "a request with this Idempotency-Key has succeeded before, and its result has been deleted since",
			"To create the object again, send another Idempotency-Key."),
		one(http.StatusPreconditionFailed, clinic.CodePreconditionFailed, "the object has changed since the client read it",
			"Read the object again, repeat the change, and send the new ETag."),
		one(http.StatusRequestEntityTooLarge, codeTooLarge, "the body is larger than the operation accepts", "Send less."),
		one(http.StatusUnsupportedMediaType, codeMediaType, "the operation does not accept the media type of the body",
			"Send the body as application/json."),
		one(http.StatusUnprocessableEntity, clinic.CodeInvalid, "some fields are not valid", "Correct the fields that errors names.").naming("title"),
		one(http.StatusUnprocessableEntity, "confirmation_required", "a doctor who assigns themselves must confirm it",
			"Send a reason, and the password or a current code.").naming("password"),
		one(http.StatusUnprocessableEntity, "idempotency_key_reused", "this Idempotency-Key was used for another request",
			"Send another Idempotency-Key for each new request.").also(http.StatusConflict),
		one(http.StatusUnprocessableEntity, "wrong_password", "the password is wrong", "Ask the user for their password again.").naming("password"),
	}
}

// loginCodes are the codes of requests whose caller is unknown or lacks a right.
func loginCodes() []ErrorCode {
	return []ErrorCode{
		one(http.StatusUnauthorized, clinic.CodeUnauthenticated, "the access token is missing", "Log in, and send the token in the header Authorization."),
		one(http.StatusUnauthorized, "token_invalid", "the access token is not valid", "Log in again."),
		one(http.StatusUnauthorized, "token_expired", "the access token has expired", "Exchange the refresh token for a new one, then repeat the request."),
		one(http.StatusUnauthorized, "refresh_token_invalid", "the refresh token is not valid, has expired or was used before", "Log in again."),
		one(http.StatusUnauthorized, "session_ended", "the session has ended", "Log in again."),
		one(http.StatusUnauthorized, "account_inactive", "the account is disabled or deleted, or its password was changed",
			"Log in again. If that fails, ask an administrator."),
		one(http.StatusUnauthorized, "bad_credentials", "the username or the password is wrong", "Ask the user for both again."),
		one(http.StatusUnauthorized, "reset_code_invalid", "the username and the one-time code do not fit together, or the code has expired, was used or was replaced",
			"Check both. If they are right, ask an administrator for another code."),
		one(http.StatusUnauthorized, "totp_required", "the login needs a code of the second factor",
			"Ask the user for a code, and repeat the login with totp_code or recovery_code."),
		one(http.StatusUnauthorized, "totp_invalid", "the code of the second factor is not valid, or was used before",
			"Wait for the next code.").also(http.StatusUnprocessableEntity).naming("totp_code"),
		one(http.StatusForbidden, clinic.CodeForbidden, "the caller's role may not call this operation", "Use an account of another role."),
		one(http.StatusForbidden, "totp_enrolment_required", "the caller's role requires a second factor", "Enroll and confirm a second factor first."),
		one(http.StatusForbidden, "self_assignment_off", "doctors cannot assign themselves on this server", "Ask an administrator for the assignment."),
		one(http.StatusForbidden, "read_only", "emergency access allows reading only", "Ask an administrator for an assignment."),
		one(http.StatusForbidden, "not_author", "only the author can correct a comment", "Add a comment of your own."),
		one(http.StatusTooManyRequests, clinic.CodeTooMany, "there were too many attempts", "Wait for the time in Retry-After."),
		one(http.StatusTooManyRequests, "totp_throttled", "there were too many wrong codes of the second factor", "Wait for the time in Retry-After."),
		one(http.StatusTooManyRequests, codeTooManyAtOnce, "too many requests from the client's address are in progress",
			"Wait for the time in Retry-After, and send fewer requests at once."),
	}
}

// conflictCodes are the codes of requests that the current state does not allow.
func conflictCodes() []ErrorCode {
	conflict := func(reason clinic.Code, meaning, remedy string) ErrorCode {
		return one(http.StatusConflict, reason, meaning, remedy)
	}
	return []ErrorCode{
		conflict(clinic.CodeConflict, "the request conflicts with the current state", "Read the current state, then decide again."),
		conflict("username_taken", "the username is taken", "Choose another username.").naming("username"),
		conflict("license_number_taken", "the license number is already registered", "Check the license number.").naming("license_number"),
		conflict("name_pending", "another new name waits for an administrator's decision", "Change the name after the decision."),
		conflict("password_changed", "the password or the second factor was changed at the same time", "Log in, and try again."),
		conflict("totp_not_configured", "the server has no key for second factors", "Ask an operator to set TOTP_KEY."),
		conflict("totp_not_enrolled", "the account has no second factor", "Enroll one first."),
		conflict("totp_enabled", "the account already has a second factor", "Disable it first."),
		conflict("own_account", "administrators cannot do this to their own account",
			"To disable it, ask another administrator. To change your password, use POST /api/auth/password/."),
		conflict("legal_hold", "a legal hold keeps the patient's data", "Lift the hold first, if the law allows it."),
		conflict("erasure_requested", "the erasure of the patient's data was requested before", "Ask another administrator to confirm it, or withdraw it."),
		conflict("own_request", "whoever requested an erasure cannot confirm it", "Ask another administrator to confirm it."),
		conflict("erased", "the patient's data was erased", "Nothing brings it back. The same person can register again."),
		conflict("account_disabled", "the account is disabled", "Enable the account first."),
		conflict("comment_final", "the time in which the comment could be corrected is over", "Add another comment."),
		conflict("doctor_not_verified", "the doctor's license is not verified", "An administrator has to verify the license first."),
		conflict("doctor_changed", "the doctor's name or license number has changed since it was checked", "Read the doctor again, then send what you see."),
		conflict("assignment_over", "the assignment would end before it begins", "Send a later ends_at.").naming("ends_at"),
		conflict("managed_by_kubernetes", "only DoctorAssignment objects declare the assignment",
			"Change or delete the objects that detail names or, in an emergency or if their cluster is lost, send force=true."),
	}
}

// serverCodes are the codes of failures that are not the client's fault.
func serverCodes() []ErrorCode {
	return []ErrorCode{
		one(http.StatusInternalServerError, clinic.CodeInternal, "an error in the server",
			"Quote the request id when you report it: the server's log has the cause."),
		one(http.StatusServiceUnavailable, clinic.CodeUnavailable, "the service is not available at the moment",
			"Repeat the request after the time in Retry-After; send an Idempotency-Key if it creates something."),
	}
}
