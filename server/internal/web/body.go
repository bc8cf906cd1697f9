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

// readBody reads the body whole before the operation gets a place to work in, so
// that a client that sends slowly, or nothing, holds no such place. (huma would
// also answer 500 to a body that breaks off.)
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
			refuse(ctx, newProblem(ctx.Context(), http.StatusUnsupportedMediaType, codeMediaType, "send the body as "+accepted))
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
	return newProblem(ctx, http.StatusBadRequest, codeMalformed, "the body broke off")
}

// LimitUnreadBody gives what nobody has read of a body a moment to arrive. net/http waits
// for it until readTimeout, so that the connection can be used again. After the
// end of a body it would take a client that reads its answer for longer for gone.
func LimitUnreadBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		body := &endingBody{ReadCloser: r.Body}
		r.Body = body
		next.ServeHTTP(w, r)
		if !body.ended { // without a connection, in tests, there is nothing to limit
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(unreadTimeout))
		}
	})
}

// endingBody knows whether it was read to its end.
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
	rate  int           // bytes in a second
	grace time.Duration // for which it may be slower, or nothing comes
}

// stream lets the handler read the body from the connection, for as long as the
// client keeps the pace. The handler's own time does not count.
func (p pace) stream(ctx huma.Context, next func(huma.Context)) {
	r, w := humachi.Unwrap(ctx)
	r.Body = &pacedBody{ReadCloser: r.Body, ctx: ctx.Context(), connection: http.NewResponseController(w), pace: p, left: p.grace}
	next(ctx)
}

// pacedBody fails with the problem to answer.
type pacedBody struct {
	io.ReadCloser
	ctx        context.Context //nolint:containedctx // a reader has no other way to the request
	connection *http.ResponseController
	pace       pace
	left       time.Duration // for which the client may yet keep the handler waiting
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	began := time.Now()
	until := began.Add(b.left)
	if err := errors.Join(b.connection.SetReadDeadline(until), b.connection.SetWriteDeadline(until.Add(writeTimeout))); err != nil {
		return 0, fmt.Errorf("limiting the time to wait for a body: %w", err)
	}
	n, err := b.ReadCloser.Read(p)
	b.left = min(b.left-time.Since(began)+time.Duration(n)*time.Second/time.Duration(b.pace.rate), b.pace.grace)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		_ = b.connection.SetReadDeadline(time.Time{}) // else net/http would take the client for gone
		return n, io.EOF
	}
	return n, unreadable(b.ctx, err)
}
