package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/token"
)

type callerKey struct{}

// callerOf returns who authenticate proved. Without a proof it is the zero
// Caller, which has no role and so may do nothing.
func callerOf(ctx context.Context) clinic.Caller {
	caller, _ := ctx.Value(callerKey{}).(clinic.Caller)
	return caller
}

type humaMiddleware = func(huma.Context, func(huma.Context))

// authenticate lets in who bears a valid access token (RFC 6750, header only).
// Who may only enrol a second factor gets refuseEnrolling's error elsewhere.
func authenticate(verifier *token.Verifier, refuseEnrolling func(context.Context, clinic.Caller) error) humaMiddleware {
	return func(ctx huma.Context, next func(huma.Context)) {
		caller, err := bearer(ctx.Header("Authorization"), verifier)
		if err != nil {
			_, w := humachi.Unwrap(ctx)
			problemOf(ctx.Context(), err).write(w)
			return
		}
		x := exchangeOf(ctx.Context())
		x.user = caller.UserID
		caller.Request = clinic.Request{Operation: x.operation, ID: x.id, Address: clinic.ClientOf(ctx.Context())}
		if caller.Enrolling && !slices.Contains(enrolment(), ctx.Operation().OperationID) {
			_, w := humachi.Unwrap(ctx)
			problemOf(ctx.Context(), refuseEnrolling(ctx.Context(), caller)).write(w)
			return
		}
		next(huma.WithValue(ctx, callerKey{}, caller))
	}
}

// enrolment are the operations that set up a second factor, and all that can be
// done without one where the caller's role requires it.
func enrolment() []string {
	return []string{"getProfile", "getTOTP", "enrolTOTP", "confirmTOTP"}
}

func bearer(header string, verifier *token.Verifier) (clinic.Caller, error) {
	scheme, credential, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || credential == "" {
		return clinic.Caller{}, clinic.Unauthenticated("log in and send the access token as Authorization: Bearer TOKEN")
	}
	return verifier.Verify(credential)
}

// challenge is the WWW-Authenticate header of a 401. Who sent no credential is
// not told that it was wrong (RFC 6750 section 3.1).
func challenge(x *exchange) string {
	if x.credential {
		return `Bearer realm="healthrecords", error="invalid_token"`
	}
	return `Bearer realm="healthrecords"`
}

// readBody refuses a body that the operation cannot decode, and reads the rest
// whole: huma would answer 500 to one that breaks off.
func readBody(ctx huma.Context, next func(huma.Context)) {
	body := ctx.Operation().RequestBody
	if body == nil {
		next(ctx)
		return
	}
	r, w := humachi.Unwrap(ctx)
	if sent := r.Header.Get("Content-Type"); sent != "" {
		mediaType, _, err := mime.ParseMediaType(sent)
		if _, known := body.Content[mediaType]; err != nil || !known {
			newProblem(ctx.Context(), http.StatusUnsupportedMediaType, codeMediaType, "send the body as application/json").write(w)
			return
		}
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		unreadable(ctx.Context(), err).write(w)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(content))
	next(ctx)
}

func unreadable(ctx context.Context, err error) *problem {
	var tooLarge *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &tooLarge):
		return newProblem(ctx, http.StatusRequestEntityTooLarge, codeTooLarge, "the body may have at most 1 MiB")
	case errors.As(err, &network) && network.Timeout():
		return newProblem(ctx, http.StatusRequestTimeout, codeTimeout, "the body did not arrive in time")
	}
	return newProblem(ctx, http.StatusBadRequest, codeMalformed, "the body broke off")
}
