package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/healthrecords/healthrecords/internal/telemetry"
)

func TestLoggerWritesFromItsLevelOnWithTraceIDs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, slog.LevelInfo, "json").With("part", "test")
	ctx, span := sdktrace.NewTracerProvider().Tracer("").Start(t.Context(), "span")
	log.DebugContext(ctx, "left out")
	log.InfoContext(ctx, "kept")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if line["msg"] != "kept" || line["part"] != "test" || line["trace_id"] != span.SpanContext().TraceID().String() {
		t.Errorf("the line is %v", line)
	}
	out.Reset()
	telemetry.NewLogger(&out, slog.LevelDebug, "text").DebugContext(t.Context(), "plain")
	if got := out.String(); !strings.Contains(got, "msg=plain") || strings.Contains(got, "trace_id") {
		t.Errorf("the line is %q", got)
	}
}

func TestAdminPort(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	var logged bytes.Buffer
	part, stopPart := context.WithCancel(t.Context())
	defer stopPart()
	admin, err := telemetry.NewAdmin(t.Context(), telemetry.AdminOptions{
		Address: "127.0.0.1:0", Gatherer: telemetry.NewRegistry("v1.2.3"), Log: telemetry.NewLogger(&logged, slog.LevelInfo, "text"),
		Checks: []telemetry.Check{telemetry.Draining(part), {Name: "postgres", Run: func(context.Context) error {
			if down.Load() {
				return errors.New("the cause")
			}
			return nil
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- admin.Start(ctx) }()

	expect := func(path string, status int, text string) {
		t.Helper()
		got, body := get(t, "http://"+admin.Address()+path)
		if got != status || !strings.Contains(body, text) || strings.Contains(body, "the cause") {
			t.Errorf("%s answers %d %q, want %d with %q", path, got, body, status, text)
		}
	}
	expect("/healthz", http.StatusOK, "ok")
	expect("/readyz", http.StatusOK, "postgres ok")
	expect("/metrics", http.StatusOK, `healthrecords_build_info{version="v1.2.3"} 1`)
	down.Store(true)
	expect("/readyz", http.StatusServiceUnavailable, "postgres failed")
	expect("/readyz", http.StatusServiceUnavailable, "postgres failed")
	expect("/healthz", http.StatusOK, "ok")
	down.Store(false)
	expect("/readyz", http.StatusOK, "postgres ok")
	stopPart()
	expect("/readyz", http.StatusServiceUnavailable, "draining failed")

	if _, err := telemetry.NewAdmin(t.Context(), telemetry.AdminOptions{Address: admin.Address(), Gatherer: telemetry.NewRegistry("")}); err == nil {
		t.Error("a port in use was accepted")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := strings.Count(logged.String(), "check=postgres"); got != 2 {
		t.Errorf("%d lines name postgres, want its failure and its recovery:\n%s", got, logged.String())
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// collectorServer receives spans as an OpenTelemetry collector does.
type collectorServer struct {
	collector.UnimplementedTraceServiceServer
	received chan *collector.ExportTraceServiceRequest
}

func (c *collectorServer) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	c.received <- r
	return &collector.ExportTraceServiceResponse{}, nil
}

// Not parallel: the specification's variables belong to the process.
func TestTracesAreExportedWhereAnEndpointIsSet(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	options := telemetry.TraceOptions{Service: "healthrecords-test", Version: "v1", Log: slog.Default()}
	traces, err := telemetry.NewTraces(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if traces.Provider != nil {
		t.Error("there is a provider without an exporter")
	}

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan *collector.ExportTraceServiceRequest, 1)
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, &collectorServer{received: received})
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+listener.Addr().String())
	if traces, err = telemetry.NewTraces(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	_, span := traces.Provider.Tracer("").Start(t.Context(), "seen")
	span.End()
	if err := traces.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case request := <-received:
		if got := request.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0].GetName(); got != "seen" {
			t.Errorf("the span is %q", got)
		}
		if !strings.Contains(request.String(), "healthrecords-test") {
			t.Errorf("the service's name is missing in %v", request)
		}
	case <-time.After(10 * time.Second):
		t.Error("no span arrived")
	}
}
