package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// TraceOptions describe the process in its traces.
type TraceOptions struct {
	Service string // e.g. healthrecords-server; OTEL_SERVICE_NAME overrides it
	Version string
	Log     *slog.Logger // logs failed exports; nil: slog.Default()
}

func (o *TraceOptions) setDefaults() { o.Log = cmp.Or(o.Log, slog.Default()) }

// Traces makes spans. Pass Provider to the parts that make spans, and call Shutdown
// last: it sends the spans that are waiting.
type Traces struct {
	Provider   trace.TracerProvider          // nil: traces are off, and no part should do any work for them
	Propagator propagation.TextMapPropagator // W3C Trace Context
	Shutdown   func(context.Context) error
}

// NewTraces exports spans by OTLP over gRPC when OTEL_EXPORTER_OTLP_ENDPOINT or
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, and makes none otherwise. The
// variables of the OpenTelemetry specification decide the rest: headers, TLS,
// sampling, limits. It does not wait for the endpoint.
func NewTraces(ctx context.Context, options TraceOptions) (Traces, error) {
	options.setDefaults()
	traces := Traces{Propagator: propagation.TraceContext{}, Shutdown: func(context.Context) error { return nil }}
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return traces, nil
	}
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return Traces{}, fmt.Errorf("making the OTLP exporter: %w", err)
	}
	described, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", options.Service), attribute.String("service.version", options.Version)),
		resource.WithFromEnv(),
	)
	if err != nil {
		return Traces{}, fmt.Errorf("describing the process to OpenTelemetry: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		options.Log.WarnContext(ctx, "exporting traces failed", "error", err)
	}))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described))
	traces.Provider, traces.Shutdown = provider, provider.Shutdown
	return traces, nil
}
