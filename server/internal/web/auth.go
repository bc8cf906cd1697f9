package web

import (
	"context"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// CallerOf returns the authenticated caller. Without authentication it is the
// zero Caller, which has no role and may therefore do nothing.
func CallerOf(ctx context.Context) clinic.Caller {
	return ExchangeOf(ctx).Caller
}

type humaMiddleware = func(huma.Context, func(huma.Context))

// Verify returns the caller whom a valid access token names.
type Verify func(accessToken string) (clinic.Caller, error)

// authenticate requires a valid access token (RFC 6750, in the header only).
func authenticate(verify Verify) humaMiddleware {
	return func(ctx huma.Context, next func(huma.Context)) {
		caller, err := verify.Bearer(ctx.Header("Authorization"))
		if err != nil {
			refuse(ctx, ProblemOf(ctx.Context(), err))
			return
		}
		x := ExchangeOf(ctx.Context())
		caller.Request = clinic.Request{Operation: x.Operation, ID: x.ID}
		x.Caller = caller
		next(ctx)
	}
}

// requireFactor refuses callers who have yet to set up a second factor, with the
// error of refuseEnrolling. It writes an audit row, and so runs within a pool's place.
func requireFactor(refuseEnrolling func(context.Context, clinic.Caller) error) humaMiddleware {
	return func(ctx huma.Context, next func(huma.Context)) {
		if caller := CallerOf(ctx.Context()); caller.Enrolling {
			refuse(ctx, ProblemOf(ctx.Context(), refuseEnrolling(ctx.Context(), caller)))
			return
		}
		next(ctx)
	}
}

// Bearer returns the caller whom an Authorization header names.
func (v Verify) Bearer(header string) (clinic.Caller, error) {
	scheme, credential, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || credential == "" {
		return clinic.Caller{}, clinic.Unauthenticated("log in and send the access token as Authorization: Bearer TOKEN")
	}
	return v(credential)
}

// challenge returns the WWW-Authenticate header of a 401. It has no error code
// if the client sent no credential (RFC 6750 section 3.1).
func challenge(x *Exchange) string {
	if x.credential {
		return `Bearer realm="healthrecords", error="invalid_token"`
	}
	return `Bearer realm="healthrecords"`
}
