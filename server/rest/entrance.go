package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/server/internal/web"
)

// entrance is the answer at "/" for programs, and the content of the page for browsers.
// The version is also in the OpenAPI document, which anybody can read.
type entrance struct {
	Name          string `json:"name"`
	Version       string `json:"version"`
	Documentation string `json:"documentation"`
	OpenAPI       string `json:"openapi"`
	Operations    string `json:"operations"`
	Health        string `json:"health"`
}

// indexed is an operation in the index at "/api/".
type indexed struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	ID      string `json:"operation_id"`
	Summary string `json:"summary"`
	Access  access `json:"access"`
}

// addEntrance serves "/" and the index of the operations. Like the OpenAPI document, they
// describe the API and are not operations of it.
func addEntrance(add func(string, http.Handler), info *huma.Info, opts Options) error {
	about := entrance{
		Name: info.Title, Version: info.Version,
		Documentation: opts.PublicURL + docsPath, OpenAPI: opts.PublicURL + "/api/openapi.json",
		Operations: opts.PublicURL + web.APIPrefix, Health: opts.PublicURL + "/health/",
	}
	home, err := template.ParseFS(docsFiles, "docs/home.html")
	if err != nil {
		return fmt.Errorf("reading the page at /: %w", err)
	}
	var html bytes.Buffer
	if err := home.Execute(&html, about); err != nil {
		return fmt.Errorf("writing the page at /: %w", err)
	}
	add("/", negotiated(page("style-src 'self'; img-src 'self'", html.Bytes()), answerJSON(func(*http.Request) any { return about })))
	add(web.APIPrefix, answerJSON(index))
	return nil
}

// index lists the operations, with the prefix that the client uses.
func index(r *http.Request) any {
	prefix := web.ExchangeOf(r.Context()).Prefix() + "/"
	list := []indexed{}
	for _, o := range routes(&handlers{}) {
		if below, ok := strings.CutPrefix(o.path, web.APIPrefix); ok {
			o.path = prefix + below
		}
		list = append(list, indexed{Method: o.method, Path: o.path, ID: o.id, Summary: o.summary, Access: o.access})
	}
	return map[string]any{"operations": list}
}

// negotiated serves the page to browsers, which ask for HTML by name, and the other answer to programs.
func negotiated(html, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			html.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

func answerJSON(content func(*http.Request) any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(content(r)) // an error means that the client has gone away
	})
}
