package rest

import (
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/healthrecords/healthrecords/server/internal/web"
)

// TestARouteKnowsWhetherItHasABody: otherwise huma would read the body, without a place
// in a pool and without a limit.
func TestARouteKnowsWhetherItHasABody(t *testing.T) {
	t.Parallel()
	h := &handlers{}
	api := newAPI(chi.NewRouter(), h, func(web.Terms) huma.Middlewares { return nil }, "test")
	documented := operationsByID(api.OpenAPI())
	for _, r := range routes(h) {
		if has := documented[r.id].RequestBody != nil; has != (r.terms.Body != web.NoBody) {
			t.Errorf("%s has a body: %t in the document, and its mode is %d", r.id, has, r.terms.Body)
		}
	}
}

func TestEachRouteIsWellFormed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range routes(&handlers{}) {
		if seen[r.id] {
			t.Errorf("%s has two routes", r.id)
		}
		seen[r.id] = true
		if r.method == "" || r.path == "" || r.path[0] != '/' || len(r.access.roles()) == 0 {
			t.Errorf("%s is %q %q for %q", r.id, r.method, r.path, r.access)
		}
		for _, status := range r.failures {
			if status < http.StatusBadRequest || commonFailures()[status] == "" {
				t.Errorf("%s may answer %d, which has no description", r.id, status)
			}
		}
	}
}
