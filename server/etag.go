package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// entityTag is an ETag as a client sends it (RFC 9110 section 8.8.3).
type entityTag struct {
	weak   bool
	opaque string // without the quotes
}

func etag(r clinic.Revision) string { return `"` + opaque(r) + `"` }

func opaque(r clinic.Revision) string { return fmt.Sprintf("%d-%d", r.Version, r.Comments) }

// parseTags reads If-Match and If-None-Match; all is true for "*".
func parseTags(header string) (tags []entityTag, all, ok bool) {
	rest := strings.TrimSpace(header)
	if rest == "*" {
		return nil, true, true
	}
	for {
		var tag entityTag
		if rest, tag.weak = strings.CutPrefix(rest, "W/"); !strings.HasPrefix(rest, `"`) {
			return nil, false, false
		}
		if tag.opaque, rest, ok = strings.Cut(rest[1:], `"`); !ok {
			return nil, false, false
		}
		tags = append(tags, tag)
		rest = strings.TrimSpace(rest)
		if rest == "" {
			return tags, false, true
		}
		if rest, ok = strings.CutPrefix(rest, ","); !ok {
			return nil, false, false
		}
		rest = strings.TrimSpace(rest)
	}
}

// notModified reports whether the client has this revision already. A header
// that cannot be read is none: the whole answer is never wrong.
func notModified(ifNoneMatch string, r clinic.Revision) bool {
	tags, all, ok := parseTags(ifNoneMatch)
	return ok && (all || slices.ContainsFunc(tags, func(t entityTag) bool { return t.opaque == opaque(r) }))
}

// expect turns If-Match into the revision that the service is to find, in the
// change's own transaction. Without the header, and for "*", it is nil.
func (h *handlers) expect(ctx context.Context, ifMatch string, id int64) (*clinic.Revision, error) {
	if ifMatch == "" {
		return nil, nil //nolint:nilnil // no expectation is not a fault
	}
	tags, all, ok := parseTags(ifMatch)
	if !ok {
		return nil, newProblem(ctx, http.StatusBadRequest, codeMalformed, "If-Match must be * or a list of quoted entity tags")
	}
	if all {
		return nil, nil //nolint:nilnil // whatever exists is expected
	}
	expected := revisions(tags)
	switch len(expected) {
	case 0:
		return &clinic.Revision{Version: -1}, nil // no record has it
	case 1:
		return &expected[0], nil
	}
	record, err := h.service.Record(ctx, callerOf(ctx), id)
	if err != nil {
		return nil, err
	}
	now := record.Revision()
	if !slices.Contains(expected, now) {
		return nil, clinic.PreconditionFailed()
	}
	return &now, nil
}

// revisions are those that the tags name. A weak tag never matches here
// (RFC 9110 section 13.1.1), nor does one that this API did not make.
func revisions(tags []entityTag) []clinic.Revision {
	var named []clinic.Revision
	for _, tag := range tags {
		var r clinic.Revision
		if n, _ := fmt.Sscanf(tag.opaque, "%d-%d", &r.Version, &r.Comments); n == 2 && opaque(r) == tag.opaque && !tag.weak {
			named = append(named, r)
		}
	}
	return named
}
