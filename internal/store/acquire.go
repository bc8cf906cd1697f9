package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"
)

// acquireLimit bounds how long a statement waits for a connection of the pool. When
// all connections are busy, callers soon get CodeUnavailable instead of joining a
// queue of requests whose clients have given up. It is a tracer because pgx has no
// such setting: a tracer's context covers the wait alone, and neither the statement
// nor its running time.
type acquireLimit struct{ wait time.Duration }

// withAcquireLimit adds the limit to a tracer, which may be nil.
func withAcquireLimit(tracer pgx.QueryTracer, wait time.Duration) pgx.QueryTracer {
	limit := acquireLimit{wait: wait}
	if tracer == nil {
		return limit
	}
	return multitracer.New(tracer, limit)
}

type acquireCancelKey struct{}

// TraceAcquireStart implements pgxpool.AcquireTracer.
func (l acquireLimit) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	ctx, cancel := context.WithTimeout(ctx, l.wait)
	return context.WithValue(ctx, acquireCancelKey{}, cancel)
}

// TraceAcquireEnd implements pgxpool.AcquireTracer.
func (acquireLimit) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if cancel, ok := ctx.Value(acquireCancelKey{}).(context.CancelFunc); ok {
		cancel()
	}
}

// TraceQueryStart implements pgx.QueryTracer.
func (acquireLimit) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (acquireLimit) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
