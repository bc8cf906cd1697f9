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
	ProblemOf(r.Context(), clinic.NotFound("path")).Write(w)
}

// WrongMethod is the answer for a method that the path does not support.
func WrongMethod(w http.ResponseWriter, r *http.Request) {
	p := newProblem(r.Context(), http.StatusMethodNotAllowed, codeMethodNotAllowed, "this path does not support the method; Allow lists the methods that it supports")
	p.header.Set("Allow", strings.Join(allowed(r), ", "))
	p.Write(w)
}

func allowed(r *http.Request) []string {
	var has []string
	for _, method := range methods() {
		asked := method
		if method == http.MethodHead { // supported wherever GET is
			asked = http.MethodGet
		}
		if chi.RouteContext(r.Context()).Routes.Match(chi.NewRouteContext(), asked, r.URL.Path) {
			has = append(has, method)
		}
	}
	return has
}
