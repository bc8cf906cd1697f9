package web

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// APIPrefix is the prefix of the operations' paths.
const APIPrefix = "/api/"

// versionedPrefix is an alias of APIPrefix.
const versionedPrefix = "/api/v1/"

// CanonicalPath rewrites every spelling of a path to the one that is routed:
// /api/v1/x, /api/x and /api/x/ become /api/x/. If the last segment has a dot, it
// is a file and gets no slash.
func CanonicalPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawPath == "" && canonical(r.URL.Path) == r.URL.Path {
			next.ServeHTTP(w, r)
			return
		}
		u := *r.URL
		u.Path = canonical(u.Path)
		if u.RawPath != "" {
			u.RawPath = canonical(u.RawPath)
		}
		routed := *r
		routed.URL = &u
		next.ServeHTTP(w, &routed)
	})
}

func canonical(path string) string {
	last := path[strings.LastIndexByte(path, '/')+1:]
	if last != "" && !strings.Contains(last, ".") {
		path += "/"
	}
	if rest, ok := strings.CutPrefix(path, versionedPrefix); ok {
		path = APIPrefix + rest
	}
	return path
}

// NoSuchPath is the answer for a path without a route.
func NoSuchPath(w http.ResponseWriter, r *http.Request) {
	e := clinic.NotFound("path")
	e.Message += "; GET " + APIPrefix + " lists the operations"
	if lacksNumber(r) {
		e.Message = "the id in this path must be a whole number of at most 18 digits, such as 1"
	}
	ProblemOf(r.Context(), e).Write(w)
}

// mostSegments is more than any path of an operation has.
const mostSegments = 10

// lacksNumber reports whether the path would exist if one of its segments were a number.
func lacksNumber(r *http.Request) bool {
	segments := strings.Split(r.URL.Path, "/")
	if len(segments) > mostSegments {
		return false
	}
	for i, segment := range segments {
		segments[i] = "1"
		if segment != "" && len(allowed(r, strings.Join(segments, "/"))) > 0 {
			return true
		}
		segments[i] = segment
	}
	return false
}

// WrongMethod is the answer for a method that the path does not support.
func WrongMethod(w http.ResponseWriter, r *http.Request) {
	p := newProblem(r.Context(), http.StatusMethodNotAllowed, codeMethodNotAllowed, "this path does not support the method; Allow lists the methods that it supports")
	p.header.Set("Allow", strings.Join(allowed(r, r.URL.Path), ", "))
	p.Write(w)
}

// allowed returns the methods that a path supports.
func allowed(r *http.Request, path string) []string {
	var has []string
	for _, method := range methods() {
		asked := method
		if method == http.MethodHead { // supported wherever GET is
			asked = http.MethodGet
		}
		if chi.RouteContext(r.Context()).Routes.Match(chi.NewRouteContext(), asked, path) {
			has = append(has, method)
		}
	}
	return has
}
