package rest

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	swagger "github.com/swaggest/swgui/v5/static"
	"github.com/swaggest/swgui/v5emb"

	"github.com/healthrecords/healthrecords/server/internal/web"
)

const docsPath = "/api/docs/"

//go:embed docs
var docsFiles embed.FS

// addDocs serves the OpenAPI document and the page for trying the API out. All
// that the page loads is embedded, because hospitals often have no access to the internet.
func addDocs(router chi.Router, api huma.API, guard *web.Guard) error {
	index, err := docsFiles.ReadFile("docs/index.html")
	if err != nil {
		return fmt.Errorf("reading the documentation page: %w", err)
	}
	script, err := docsFiles.ReadFile("docs/start.js")
	if err != nil {
		return fmt.Errorf("reading the documentation page: %w", err)
	}
	add := func(path string, handler http.Handler) { addFile(router, path, guard.Serve(handler)) }
	add("/api/openapi.json", written("application/openapi+json", func() ([]byte, error) { return documentJSON(api.OpenAPI()) }))
	add("/api/openapi.yaml", written("application/openapi+yaml", func() ([]byte, error) { return documentYAML(api.OpenAPI()) }))
	add(docsPath, docsPage(index))
	add(docsPath+"start.js", static("text/javascript; charset=utf-8", script))
	assets := v5emb.New("", "", docsPath)
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js"} {
		add(docsPath+name, unpackOnce(name, assets))
	}
	add(docsPath+"favicon-32x32.png", assets)
	return nil
}

// unpackOnce serves a compressed file to clients that do not accept gzip. The
// library would decompress it at each request, which takes longer than most requests.
func unpackOnce(name string, packed http.Handler) http.Handler {
	unpacked := sync.OnceValues(func() ([]byte, error) {
		file, err := swagger.FS.Open(name + ".gz")
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", name, err)
		}
		content, err := gzip.NewReader(file)
		if err != nil {
			return nil, fmt.Errorf("unpacking %s: %w", name, err)
		}
		return io.ReadAll(content)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			if content, err := unpacked(); err == nil {
				w.Header().Set("Vary", "Accept-Encoding")
				http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
				return
			}
		}
		packed.ServeHTTP(w, r)
	})
}

func addFile(router chi.Router, path string, handler http.Handler) {
	router.Method(http.MethodGet, path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.ExchangeOf(r.Context()).Route = path
		handler.ServeHTTP(w, r)
	}))
}

func static(contentType string, content []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(content) // an error means that the client has gone away
	})
}

// written creates its content at the first request, because writing the document
// takes longer than the rest of the start.
func written(contentType string, write func() ([]byte, error)) http.Handler {
	once := sync.OnceValues(write)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, err := once()
		if err != nil {
			web.ProblemOf(r.Context(), fmt.Errorf("writing %s: %w", r.URL.Path, err)).Write(w)
			return
		}
		static(contentType, content).ServeHTTP(w, r)
	})
}

// docsPage serves the page with a policy under which it loads from this server
// only. Swagger UI needs style attributes, and icons in data URLs; its scripts are files.
func docsPage(index []byte) http.Handler {
	page := static("text/html; charset=utf-8", index)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "+
			"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		page.ServeHTTP(w, r)
	})
}
