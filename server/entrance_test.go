package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/server"
)

func TestEntrance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	version := dig[string](t, w.want(http.StatusOK, call{method: get, path: "/api/openapi.json"}), "info", "version")
	browser := "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for accept, want := range map[string]string{
		"": "application/json", "*/*": "application/json", "application/json, text/plain, */*": "application/json",
		browser: "text/html; charset=utf-8", "text/html": "text/html; charset=utf-8",
	} {
		got := w.do(call{method: get, path: "/", header: map[string]string{"Accept": accept}})
		if got.status != http.StatusOK || got.header.Get("Content-Type") != want || got.header.Get("Vary") != "Accept" {
			t.Errorf("Accept: %s is answered %d %v", accept, got.status, got.header)
		}
		if !strings.Contains(string(got.body), version) {
			t.Errorf("Accept: %s: the version of the document, %s, is not in %s", accept, version, got.body)
		}
	}
	about := w.want(http.StatusOK, call{method: get, path: "/"})
	page := string(w.do(call{method: get, path: "/", header: map[string]string{"Accept": browser}}).body)
	for _, key := range []string{"documentation", "openapi", "operations", "health"} {
		link := dig[string](t, about, key)
		if got := w.do(call{method: get, path: link}); got.status != http.StatusOK {
			t.Errorf("%s: GET %s is answered %d", key, link, got.status)
		}
		if !strings.Contains(page, `href="`+link+`"`) {
			t.Errorf("the page has no link to %s", link)
		}
	}
	if got := w.do(call{method: get, path: "/nothing", header: map[string]string{"Accept": browser}}); got.status != http.StatusNotFound ||
		got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a browser at an unknown path gets %d %v", got.status, got.header)
	}
	public := newWorld(t, func(o *server.Options) { o.PublicURL = "https://records.example.org/" })
	if got := dig[string](t, public.want(http.StatusOK, call{method: get, path: "/"}), "documentation"); got != "https://records.example.org/api/docs/" {
		t.Errorf("with a public URL the documentation is at %s", got)
	}
}

func TestIndexListsTheOperationsOfTheDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, prefix := range map[string]string{"/api/": "/api/", "/api": "/api/", "/api/v1/": "/api/v1/", "/api/v1": "/api/v1/"} {
		want, got := map[string][]string{}, map[string][]string{}
		w.contract.each(func(path, method string, op *openapi3.Operation) {
			if below, ok := strings.CutPrefix(path, "/api/"); ok {
				path = prefix + below
			}
			want[op.OperationID] = []string{method, path, op.Summary, fmt.Sprint(op.Extensions["x-access"])}
		})
		index := w.want(http.StatusOK, call{method: get, path: path})
		for i := range dig[[]any](t, index, "operations") {
			fact := func(name string) string { return dig[string](t, index, "operations", i, name) }
			got[fact("operation_id")] = []string{fact("method"), fact("path"), fact("summary"), fact("access")}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("GET %s (-document +index)\n%s", path, diff)
		}
	}
}
