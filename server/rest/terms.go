package rest

import (
	"cmp"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// terms are on what an operation runs. The zero value is right for most.
type terms struct {
	body     bodyMode
	pool     poolMode
	deadline time.Duration // of the work; 0: workTimeout
}

const unlimited time.Duration = -1 // a deadline

type bodyMode int

const (
	buffered bodyMode = iota // read whole before the work begins. No body is read where the handler's type has none.
	streamed                 // read by the handler, at streamPace or faster
)

type poolMode int

const (
	byAccess poolMode = iota // that of who is logged in, or that of operations without login
	free                     // none: the answer is in memory, and depends on nothing
	streams                  // for operations without a deadline
)

// front is what a request passes before its handler.
type front struct {
	authenticate  humaMiddleware
	requireFactor humaMiddleware
	pools         *pools
	pace          pace
}

// steps are those of one operation, the cheap refusals first: where a token is
// needed, only who has one gets a place, for the body or for the work.
func (f *front) steps(r route) huma.Middlewares {
	var steps huma.Middlewares
	body, work, most := f.pools.body, f.pools.work, int64(maxBody)
	if r.access == anybody {
		body, work, most = f.pools.publicBody, f.pools.publicWork, smallBody
	} else {
		steps = append(steps, f.authenticate)
	}
	steps = append(steps, checkMediaType)
	if r.terms.body == buffered {
		steps = append(steps, f.pools.readBody(body, most))
	}
	if r.terms.pool == streams {
		work = f.pools.streams
	}
	if r.terms.pool != free {
		steps = append(steps, work.run(cmp.Or(r.terms.deadline, workTimeout)))
	}
	if r.access != anybody {
		steps = append(steps, f.requireFactor)
	}
	if r.terms.body == streamed {
		steps = append(steps, f.pace.stream)
	}
	return steps
}
