package rest

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// methods are those that the API uses.
func methods() []string {
	return []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
}

// securityHeaders are for every answer. A page that needs more overrides them.
func securityHeaders(hsts bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header := w.Header()
			header.Set("Cache-Control", "no-store")
			header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
			header.Set("Referrer-Policy", "no-referrer")
			header.Set("X-Content-Type-Options", "nosniff")
			header.Set("X-Frame-Options", "DENY")
			if hsts {
				header.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
			}
			next.ServeHTTP(w, r)
		})
	}
}

func noSuchPath(w http.ResponseWriter, r *http.Request) {
	problemOf(r.Context(), clinic.NotFound("path")).write(w)
}

func wrongMethod(w http.ResponseWriter, r *http.Request) {
	p := newProblem(r.Context(), http.StatusMethodNotAllowed, codeMethodNotAllowed, "this path has no such method; Allow lists those it has")
	p.header.Set("Allow", strings.Join(allowed(r), ", "))
	p.write(w)
}

func allowed(r *http.Request) []string {
	var has []string
	for _, method := range methods() {
		asked := method
		if method == http.MethodHead { // answered wherever GET is
			asked = http.MethodGet
		}
		if chi.RouteContext(r.Context()).Routes.Match(chi.NewRouteContext(), asked, r.URL.Path) {
			has = append(has, method)
		}
	}
	return has
}
