package rest

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"io/fs"
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

// addDocs serves the OpenAPI document, the page for trying the API out, and the entrance
// at "/". All that the pages load is embedded, because hospitals often have no access to
// the internet.
func addDocs(router chi.Router, api huma.API, opts Options) error {
	add := func(path string, handler http.Handler) { addFile(router, path, opts.Guard.Serve(handler)) }
	add("/api/openapi.json", written("application/openapi+json", func() ([]byte, error) { return documentJSON(api.OpenAPI()) }))
	add("/api/openapi.yaml", written("application/openapi+yaml", func() ([]byte, error) { return documentYAML(api.OpenAPI()) }))
	if err := addEntrance(add, api.OpenAPI().Info, opts); err != nil {
		return err
	}
	files, err := fs.Sub(docsFiles, "docs")
	if err != nil {
		return fmt.Errorf("reading the documentation page: %w", err)
	}
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		return fmt.Errorf("reading the documentation page: %w", err)
	}
	// Swagger UI needs style attributes, and icons in data URLs; its scripts are files.
	add(docsPath, page("style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'", index))
	for _, name := range []string{"page.css", "swagger.css", "theme.js", "session.js", "start.js"} {
		add(docsPath+name, embedded(files, name))
	}
	assets := v5emb.New("", "", docsPath)
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js"} {
		add(docsPath+name, unpackOnce(name, assets))
	}
	add(docsPath+"favicon-32x32.png", assets)
	return nil
}

func embedded(files fs.FS, name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, name) })
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

// page serves a page that loads from this server only, and what else its policy allows.
func page(policy string, content []byte) http.Handler {
	html := static("text/html; charset=utf-8", content)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; "+policy+
			"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		html.ServeHTTP(w, r)
	})
}
