package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/healthrecords/healthrecords/internal/telemetry"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/server"
)

// The most allocations that a read may need, in the middleware, the use case and the database's client together: a tenth more
// than were measured.
const (
	recordAllocations = 218
	listAllocations   = 560
)

// TestAReadAllocatesLittle calls the handler with the real database, and without a connection to the client. Postgres is
// another process: its memory does not count.
func TestAReadAllocatesLittle(t *testing.T) { // not in parallel, because it counts the allocations of the whole process
	for name, read := range newReads(t) {
		got := testing.AllocsPerRun(300, func() { read.send(t) })
		t.Logf("%s: %.0f allocations, at most %.0f are allowed", name, got, read.most)
		if got > read.most {
			t.Errorf("reading a %s needs %.0f allocations, which is more than %.0f", name, got, read.most)
		}
	}
}

// BenchmarkRead measures what a read costs this process. Its time includes that of Postgres.
func BenchmarkRead(b *testing.B) {
	for name, read := range newReads(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				read.send(b)
			}
		})
	}
}

// read is a request that can be sent repeatedly.
type read struct {
	handler http.Handler
	request *http.Request
	header  http.Header // of the answer
	status  int
	most    float64 // allocations
}

// newReads returns the reads of a patient who has 20 records, each with a comment.
func newReads(t testing.TB) map[string]*read {
	t.Helper()
	database := testkit.NewDatabase(t, rights.Migrate)
	log := telemetry.NewLogger(io.Discard, slog.LevelInfo, "json") // as in production, where each request has a line
	w := newWorldOn(t, database, func(o *server.Options) { o.Log = log })
	db := testkit.NewFactory(t, database)
	doctor, patient := db.Doctor(testkit.DoctorOptions{}), db.Patient(testkit.PatientOptions{})
	var id int64
	for range 20 {
		record := db.Record(testkit.RecordOptions{Patient: patient})
		db.Comment(testkit.CommentOptions{Record: record, Doctor: doctor})
		id = record.ID
	}
	token, err := w.parts.Tokens.Issue(db.LoggedIn(patient.User))
	testkit.Must(t, err)
	prepare := func(path string, most float64) *read {
		request := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, path, http.NoBody)
		request.Header.Set("Authorization", "Bearer "+token)
		return &read{handler: w.handler, request: request, header: http.Header{}, most: most}
	}
	return map[string]*read{
		"record": prepare(fmt.Sprintf("/api/health-records/%d/", id), recordAllocations),
		"list":   prepare("/api/health-records/", listAllocations),
	}
}

func (r *read) send(t testing.TB) {
	t.Helper()
	clear(r.header)
	r.status = 0
	r.handler.ServeHTTP(r, r.request)
	if r.status != http.StatusOK {
		t.Fatalf("GET %s answered %d", r.request.URL.Path, r.status)
	}
}

// Header implements http.ResponseWriter.
func (r *read) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *read) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *read) Write(b []byte) (int, error) { return len(b), nil }
