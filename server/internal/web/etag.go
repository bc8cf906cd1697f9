package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// entityTag is an ETag as a client sends it (RFC 9110 section 8.8.3).
type entityTag struct {
	weak   bool
	opaque string // without the quotes
}

// ETag returns the ETag of a record's revision (RFC 9110 section 8.8.3).
func ETag(r clinic.Revision) string { return `"` + opaque(r) + `"` }

// Without corrections, it is as in earlier releases.
func opaque(r clinic.Revision) string {
	text := strconv.AppendInt(nil, r.Version, 10)
	text = strconv.AppendInt(append(text, '-'), int64(r.Comments), 10)
	if r.Corrections != 0 {
		text = strconv.AppendInt(append(text, '-'), r.Corrections, 10)
	}
	return string(text)
}

// parseTags parses If-Match and If-None-Match; all is true for "*".
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

// NotModified reports whether the client already has the version with this ETag. A
// header that is not valid is ignored, because a complete answer is always right.
func NotModified(ifNoneMatch, etag string) bool {
	tags, all, ok := parseTags(ifNoneMatch)
	return ok && (all || slices.ContainsFunc(tags, func(t entityTag) bool { return `"`+t.opaque+`"` == etag }))
}

// Expect returns the revisions that If-Match names. The service checks, in the
// transaction of the change, that the record has one of them. Without the header,
// and for "*", the result is nil.
func Expect(ctx context.Context, ifMatch string) ([]clinic.Revision, error) {
	tags, anyOne, err := expected(ctx, ifMatch)
	if anyOne || err != nil {
		return nil, err
	}
	return append([]clinic.Revision{}, revisions(tags)...), nil // never nil: if no tag can match, no revision is expected
}

// ExpectETag is Expect for an object without revisions: the result reports whether If-Match names an ETag.
func ExpectETag(ctx context.Context, ifMatch string) (func(etag string) bool, error) {
	tags, anyOne, err := expected(ctx, ifMatch)
	if anyOne || err != nil {
		return nil, err
	}
	return func(etag string) bool {
		return slices.ContainsFunc(tags, func(t entityTag) bool { return !t.weak && `"`+t.opaque+`"` == etag })
	}, nil
}

// expected parses If-Match; anyOne is true for "*", and without the header.
func expected(ctx context.Context, ifMatch string) (tags []entityTag, anyOne bool, err error) {
	if ifMatch == "" {
		return nil, true, nil
	}
	tags, anyOne, ok := parseTags(ifMatch)
	if !ok {
		return nil, false, newProblem(ctx, http.StatusBadRequest, codeMalformed, `If-Match must be * or a list of quoted entity tags, such as the ETag of the last answer: "3-1"`)
	}
	return tags, anyOne, nil
}

// DigestETag returns an ETag for an answer that shows an object without revisions. Whatever the answer shows is part of
// its version.
func DigestETag(answer any) string {
	b, _ := json.Marshal(answer) // huma encodes the same value as the body
	sum := sha256.Sum256(b)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// revisions returns the revisions that the tags name. A weak tag never matches
// (RFC 9110 section 13.1.1), and neither does a tag that this API did not create.
func revisions(tags []entityTag) []clinic.Revision {
	var named []clinic.Revision
	for _, tag := range tags {
		var r clinic.Revision
		if n, _ := fmt.Sscanf(tag.opaque, "%d-%d-%d", &r.Version, &r.Comments, &r.Corrections); n >= 2 && opaque(r) == tag.opaque && !tag.weak {
			named = append(named, r)
		}
	}
	return named
}
