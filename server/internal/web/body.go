package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
)

// readBody reads the whole body before the operation gets a place to work in, so
// that a client that sends slowly, or nothing, occupies no such place. (huma
// would also answer 500 to an incomplete body.)
func (p *pools) readBody(from *pool, most int64) humaMiddleware {
	return func(ctx huma.Context, next func(huma.Context)) {
		taken, refusal := from.acquire(ctx.Context())
		if refusal != nil {
			refuse(ctx, refusal)
			return
		}
		defer taken.release()
		r, w := humachi.Unwrap(ctx)
		body := http.MaxBytesReader(w, r.Body, most)
		var content bytes.Buffer
		_, err := content.ReadFrom(io.LimitReader(body, smallBody+1))
		if err == nil && content.Len() > smallBody {
			large, refusal := p.large.acquire(ctx.Context())
			if refusal != nil {
				refuse(ctx, refusal)
				return
			}
			defer large.release()
			_, err = content.ReadFrom(body)
		}
		if err != nil {
			refuse(ctx, unreadable(ctx.Context(), err))
			return
		}
		r.Body = io.NopCloser(&content)
		next(ctx)
	}
}

// checkMediaType refuses a body that the operation cannot decode.
func checkMediaType(ctx huma.Context, next func(huma.Context)) {
	types, sent := ctx.Operation().RequestBody.Content, ctx.Header("Content-Type")
	if sent != "" {
		mediaType, _, err := mime.ParseMediaType(sent)
		if _, known := types[mediaType]; err != nil || !known {
			accepted := strings.Join(slices.Sorted(maps.Keys(types)), " or ")
			refuse(ctx, newProblem(ctx.Context(), http.StatusUnsupportedMediaType, codeMediaType, "send the body as "+accepted+", and say so in the header Content-Type"))
			return
		}
	}
	next(ctx)
}

func unreadable(ctx context.Context, err error) *Problem {
	var tooLarge *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &tooLarge):
		return newProblem(ctx, http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("the body may have at most %d KiB", tooLarge.Limit>>10))
	case errors.As(err, &network) && network.Timeout():
		return newProblem(ctx, http.StatusRequestTimeout, codeTimeout, "the body did not arrive in time")
	}
	return newProblem(ctx, http.StatusBadRequest, codeMalformed, "the body is incomplete")
}

// LimitUnreadBody limits how long net/http waits for the part of a body that no
// handler has read. By default it waits until readTimeout, so that the connection
// can be used again. There is no limit after the end of a body: there, net/http
// would treat a client that takes longer to read its answer as gone.
func LimitUnreadBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		body := &endingBody{ReadCloser: r.Body}
		r.Body = body
		next.ServeHTTP(w, r)
		if !body.ended { // the error means that a test uses no connection
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(unreadTimeout))
		}
	})
}

// endingBody records whether it was read to its end.
type endingBody struct {
	io.ReadCloser
	ended bool
}

// Read implements io.Reader.
func (b *endingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || err == io.EOF
	return n, err
}

// pace is how slow a streamed body may be.
type pace struct {
	rate  int           // bytes per second
	grace time.Duration // how long the client may be slower, or send nothing
}

// stream lets the handler read the body from the connection while the client
// keeps the pace. The time that the handler itself takes does not count.
func (p pace) stream(ctx huma.Context, next func(huma.Context)) {
	r, w := humachi.Unwrap(ctx)
	r.Body = &pacedBody{ReadCloser: r.Body, ctx: ctx.Context(), connection: http.NewResponseController(w), pace: p, left: p.grace}
	next(ctx)
}

// pacedBody is a body whose Read fails with a Problem.
type pacedBody struct {
	io.ReadCloser
	ctx        context.Context //nolint:containedctx // a reader has no other way to the request
	connection *http.ResponseController
	pace       pace
	left       time.Duration // how much longer the client may keep the handler waiting
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	began := time.Now()
	until := began.Add(b.left)
	if err := errors.Join(b.connection.SetReadDeadline(until), b.connection.SetWriteDeadline(until.Add(writeTimeout))); err != nil {
		return 0, fmt.Errorf("setting the deadline of a body: %w", err)
	}
	n, err := b.ReadCloser.Read(p)
	b.left = min(b.left-time.Since(began)+time.Duration(n)*time.Second/time.Duration(b.pace.rate), b.pace.grace)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		_ = b.connection.SetReadDeadline(time.Time{}) // otherwise net/http would treat the client as gone
		return n, io.EOF
	}
	return n, unreadable(b.ctx, err)
}
