package rest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/healthrecords/healthrecords/server/internal/web"
)

// BenchmarkValidation decodes and validates a good request, from the router to a handler that does nothing.
func BenchmarkValidation(b *testing.B) {
	router := chi.NewRouter()
	api := newAPI(router, &handlers{}, func(web.Terms) huma.Middlewares { return nil }, "test")
	type created struct{ Body struct{} }
	op := huma.Operation{OperationID: "bench", Method: http.MethodPost, Path: "/bench/", MaxBodyBytes: web.MaxBody, BodyReadTimeout: -1, Middlewares: huma.Middlewares{web.NoteUnknown}}
	to(func(context.Context, *createRecordRequest) (*created, error) { return &created{}, nil }).register(api, op, slog.Default())
	op.OperationID, op.Method = "benchList", http.MethodGet
	to(func(context.Context, *listRecordsRequest) (*created, error) { return &created{}, nil }).register(api, op, slog.Default())
	text := strings.Repeat("Routine annual physical examination. ", 40)
	body := `{"record_type":"CHECKUP","title":"Annual Physical","description":"` + text + `","symptoms":"` + text + `","visit_date":"2025-05-27T10:00:00Z"}`
	for name, request := range map[string]func() *http.Request{
		"body": func() *http.Request {
			return httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/bench/", strings.NewReader(body))
		},
		"query": func() *http.Request {
			return httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/bench/?page=2&record_type=CHECKUP&from=2025-01-01", http.NoBody)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				recorder := httptest.NewRecorder()
				if router.ServeHTTP(recorder, request()); recorder.Code != http.StatusOK {
					b.Fatal(recorder.Code, recorder.Body)
				}
			}
		})
	}
}
