package web

import "testing"

func TestCanonical(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"/":                                    "/",
		"/health":                              "/health/",
		"/health/":                             "/health/",
		"/api":                                 "/api/",
		"/api/v1":                              "/api/",
		"/api/v1/":                             "/api/",
		"/api/health-records":                  "/api/health-records/",
		"/api/health-records/":                 "/api/health-records/",
		"/api/v1/health-records/7":             "/api/health-records/7/",
		"/api/v1/health-records/7/comments/":   "/api/health-records/7/comments/",
		"/api/openapi.json":                    "/api/openapi.json",
		"/api/v1/openapi.yaml":                 "/api/openapi.yaml",
		"/api/docs":                            "/api/docs/",
		"/api/docs/swagger-ui.css":             "/api/docs/swagger-ui.css",
		"/api/v10/health-records":              "/api/v10/health-records/",
		"/api/v1/v1/health-records":            "/api/v1/health-records/",
		"/api/health-records/7//":              "/api/health-records/7//",
		"/api/health-records/../notifications": "/api/health-records/../notifications/",
	} {
		if got := canonical(sent); got != want {
			t.Errorf("canonical(%q) = %q, want %q", sent, got, want)
		}
	}
}
