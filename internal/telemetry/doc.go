// Package telemetry sets up what every part of the platform is watched by: logs
// by slog, metrics by Prometheus, traces by OpenTelemetry, and the admin port
// with probes and metrics. None of them may carry health data: ids, codes,
// counts and times only.
package telemetry
