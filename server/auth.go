package server

import (
	"context"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

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
func authenticate(verifier *token.Verifier) humaMiddleware {
	return func(ctx huma.Context, next func(huma.Context)) {
		caller, err := bearer(ctx.Header("Authorization"), verifier)
		if err != nil {
			refuse(ctx, problemOf(ctx.Context(), err))
			return
		}
		x := exchangeOf(ctx.Context())
		x.user = caller.UserID
		caller.Request = clinic.Request{Operation: x.operation, ID: x.id, Address: clinic.AddressOf(ctx.Context())}
		next(huma.WithValue(ctx, callerKey{}, caller))
	}
}

// requireFactor gives who may only enrol a second factor the error of
// refuseEnrolling elsewhere. That writes an audit row, which is work.
func requireFactor(refuseEnrolling func(context.Context, clinic.Caller) error) humaMiddleware {
	return func(ctx huma.Context, next func(huma.Context)) {
		caller := callerOf(ctx.Context())
		if caller.Enrolling && !slices.Contains(enrolment(), ctx.Operation().OperationID) {
			refuse(ctx, problemOf(ctx.Context(), refuseEnrolling(ctx.Context(), caller)))
			return
		}
		next(ctx)
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
