package web

import (
	"maps"
	"net/http"

	"github.com/go-chi/cors"
)

// methods returns the methods that the API uses.
func methods() []string {
	return []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
}

// SecurityHeaders adds headers to every answer. A page that needs a wider policy overrides them.
func SecurityHeaders(hsts bool) func(http.Handler) http.Handler {
	always := http.Header{
		"Cache-Control":           {"no-store"},
		"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
		"Referrer-Policy":         {"no-referrer"},
		"X-Content-Type-Options":  {"nosniff"},
		"X-Frame-Options":         {"DENY"},
	}
	if hsts {
		always.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			maps.Copy(w.Header(), always) // all answers share the values; Set and Add replace them in one answer
			next.ServeHTTP(w, r)
		})
	}
}

// AllowOrigins lets pages of these origins, such as "https://app.example.org", call the API.
func AllowOrigins(origins []string) func(http.Handler) http.Handler {
	return cors.Handler(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: methods(),
		AllowedHeaders: []string{"Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key", "X-Request-ID"},
		ExposedHeaders: []string{"Allow", "ETag", "Location", "Retry-After", "WWW-Authenticate", "X-Request-ID"},
		MaxAge:         600,
	})
}
