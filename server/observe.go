package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// statusLeft is what log and metrics have of a request whose client went away
// before its answer was made, as with nginx. It is nobody's failure.
const statusLeft = 499

// observer writes the access log and the metrics. Neither holds a path, a query
// or anything else that a client wrote, but the request id.
type observer struct {
	log      *slog.Logger
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	// breakGlass is counted here, and not by route: a repetition opens nothing.
	breakGlass prometheus.Counter
}

func newObserver(opts Options) (*observer, error) {
	o := &observer{
		log: opts.Log,
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "healthrecords_http_request_duration_seconds",
			Help:    "Time from a request's header to the end of its answer, by route pattern, method and class of status, 499 where the client left before; its count is the number of requests.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route", "method", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "healthrecords_http_requests_in_flight",
			Help: "Requests being served now.",
		}),
		breakGlass: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "healthrecords_break_glass_total",
			Help: "Emergency accesses that doctors opened.",
		}),
	}
	if opts.Metrics == nil {
		return o, nil
	}
	if err := errors.Join(opts.Metrics.Register(o.duration), opts.Metrics.Register(o.inFlight), opts.Metrics.Register(o.breakGlass)); err != nil {
		return nil, fmt.Errorf("registering the HTTP metrics: %w", err)
	}
	return o, nil
}

// countSelfAssignments exposes what the service counts: a repetition makes nothing.
func countSelfAssignments(opts Options) error {
	if opts.Metrics == nil {
		return nil
	}
	_, terms := opts.Service.Assignments.SelfAssignments()
	err := opts.Metrics.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "healthrecords_self_assignments_total", ConstLabels: prometheus.Labels{"mode": string(terms)},
		Help: "Assignments that doctors made for themselves, by DOCTOR_SELF_ASSIGNMENT.",
	}, func() float64 {
		made, _ := opts.Service.Assignments.SelfAssignments()
		return float64(made)
	}))
	if err != nil {
		return fmt.Errorf("registering the metric of self-assignments: %w", err)
	}
	return nil
}

// observe makes the exchange and tells of its end.
func (o *observer) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		x := newExchange(r)
		w.Header().Set("X-Request-ID", x.id)
		wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		o.inFlight.Inc()
		defer func() {
			r.Pattern = x.route // as http.ServeMux does it: tracing in front names its span so
			o.inFlight.Dec()
			o.done(r, x, wrapped.Status(), time.Since(start))
		}()
		next.ServeHTTP(wrapped, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
	})
}

func (o *observer) done(r *http.Request, x *exchange, status int, took time.Duration) {
	if status == 0 { // a handler that writes nothing answers 200
		status = http.StatusOK
	}
	method := r.Method
	if !slices.Contains(methods(), method) { // else a client could make up new series
		method = "other"
	}
	class := strconv.Itoa(status/100) + "xx"
	if x.left {
		status, class = statusLeft, strconv.Itoa(statusLeft)
	}
	o.duration.WithLabelValues(x.route, method, class).Observe(took.Seconds())
	attributes := []slog.Attr{
		slog.String("method", method), slog.String("route", x.route), slog.Int("status", status),
		slog.Duration("duration", took), slog.String("request_id", x.id),
	}
	if x.user != 0 {
		attributes = append(attributes, slog.Int64("user_id", x.user))
	}
	o.log.LogAttrs(r.Context(), slog.LevelInfo, "request", attributes...)
}

// recover turns a panic into a 500.
func (o *observer) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer o.rescue(w, r)
		next.ServeHTTP(w, r)
	})
}

// rescue is deferred. The log gets the stack, and the panic's text only where
// the runtime wrote it: any other may quote data.
func (o *observer) rescue(w http.ResponseWriter, r *http.Request) {
	caught := recover()
	if caught == nil {
		return
	}
	if caught == http.ErrAbortHandler { //nolint:errorlint // the documented way to abort, never wrapped
		panic(caught) //nolint:forbidigo // net/http expects it
	}
	cause := fmt.Sprintf("%T", caught)
	if fault, ok := caught.(runtime.Error); ok {
		cause = fault.Error()
	}
	x := exchangeOf(r.Context())
	o.log.ErrorContext(r.Context(), "panic", slog.String("request_id", x.id), slog.String("route", x.route),
		slog.String("cause", cause), slog.String("stack", string(debug.Stack())))
	if wrapped, ok := w.(middleware.WrapResponseWriter); ok && wrapped.Status() == 0 {
		problemOf(r.Context(), clinic.Internal(nil)).write(w)
	}
}

// logFailure tells operators why a request was answered 5xx, in words that the
// platform wrote: the message of a cause may quote a row, its type and SQLSTATE
// do not.
func logFailure(ctx context.Context, log *slog.Logger, err error) {
	cause := err
	for next := errors.Unwrap(cause); next != nil; next = errors.Unwrap(cause) {
		cause = next
	}
	x := exchangeOf(ctx)
	if x.left {
		return // the request's own line says so
	}
	attributes := []slog.Attr{
		slog.String("request_id", x.id), slog.String("operation", x.operation),
		slog.String("code", string(clinic.CodeOf(err))), slog.String("cause", fmt.Sprintf("%T", cause)),
	}
	var postgres interface{ SQLState() string }
	if errors.As(err, &postgres) {
		attributes = append(attributes, slog.String("sqlstate", postgres.SQLState()))
	}
	log.LogAttrs(ctx, slog.LevelError, "request failed", attributes...)
}
