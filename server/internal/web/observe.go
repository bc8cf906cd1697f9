package web

import (
	"cmp"
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

// statusClientClosed is the status in logs and metrics of a request whose client
// closed the connection before the answer, as in nginx. It does not count as a failure.
const statusClientClosed = 499

// Observer writes the access log and the metrics. Neither contains a path, a
// query or anything else that a client sent, except the request id.
type Observer struct {
	log      *accessLog
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

// ObserverOptions are the parts of an Observer.
type ObserverOptions struct {
	Log     *slog.Logger          // nil: slog.Default()
	Metrics prometheus.Registerer // nil: no metrics
	// LogSample is N if the access log has a line for one of N successful requests; 0 means 1. Each failed request has
	// a line, except for those that a full pool refuses: they have one line a second.
	LogSample int
}

func (o *ObserverOptions) setDefaults() {
	o.Log = cmp.Or(o.Log, slog.Default())
	o.LogSample = cmp.Or(o.LogSample, 1)
}

// NewObserver returns an observer, and registers its metrics.
func NewObserver(opts ObserverOptions) (*Observer, error) {
	opts.setDefaults()
	o := &Observer{
		log: &accessLog{Logger: opts.Log, sample: int64(opts.LogSample)},
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "healthrecords_http_request_duration_seconds",
			Help:    "Time from a request's header to the end of its answer, by route pattern, method and status class. The class is 499 if the client closed the connection first. The count is the number of requests.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route", "method", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "healthrecords_http_requests_in_flight",
			Help: "Requests being served now.",
		}),
	}
	if opts.Metrics == nil {
		return o, nil
	}
	if err := errors.Join(opts.Metrics.Register(o.duration), opts.Metrics.Register(o.inFlight)); err != nil {
		return nil, fmt.Errorf("registering the HTTP metrics: %w", err)
	}
	return o, nil
}

// Observe creates the exchange, and logs and measures the request when it has ended.
func (o *Observer) Observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		x := newExchange(r)
		w.Header().Set(requestIDHeader, x.ID)
		wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		o.inFlight.Inc()
		defer func() {
			r.Pattern = x.Route // as http.ServeMux does; the tracing middleware names its span after it
			o.inFlight.Dec()
			o.done(r, x, wrapped.Status(), time.Since(start))
		}()
		next.ServeHTTP(wrapped, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
	})
}

func (o *Observer) done(r *http.Request, x *Exchange, status int, took time.Duration) {
	if status == 0 { // a handler that writes nothing answers 200
		status = http.StatusOK
	}
	method := r.Method
	if !slices.Contains(methods(), method) { // otherwise a client could create new series
		method = "other"
	}
	class := strconv.Itoa(status/100) + "xx"
	if x.clientClosed {
		status, class = statusClientClosed, strconv.Itoa(statusClientClosed)
	}
	o.duration.WithLabelValues(x.Route, method, class).Observe(took.Seconds())
	o.log.write(r.Context(), x, line{method: method, status: status, took: took})
}

// Recover turns a panic into a 500.
func (o *Observer) Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer o.rescue(w, r)
		next.ServeHTTP(w, r)
	})
}

// rescue is deferred. It logs the stack, and the panic's text only if it comes
// from the runtime: any other text may quote data.
func (o *Observer) rescue(w http.ResponseWriter, r *http.Request) {
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
	x := ExchangeOf(r.Context())
	o.log.ErrorContext(r.Context(), "panic", slog.String("request_id", x.ID), slog.String("route", x.Route),
		slog.String("cause", cause), slog.String("stack", string(debug.Stack())))
	if wrapped, ok := w.(middleware.WrapResponseWriter); ok && wrapped.Status() == 0 {
		ProblemOf(r.Context(), clinic.Internal(nil)).Write(w)
	}
}

// logFailure logs why the answer to a request is 5xx. It logs the type and the
// SQLSTATE of the cause but not its message, which may quote a row.
func logFailure(ctx context.Context, log *slog.Logger, err error) {
	cause := err
	for next := errors.Unwrap(cause); next != nil; next = errors.Unwrap(cause) {
		cause = next
	}
	x := ExchangeOf(ctx)
	if x.clientClosed {
		return // the access log says so
	}
	attributes := []slog.Attr{
		slog.String("request_id", x.ID), slog.String("operation", x.Operation),
		slog.String("code", string(clinic.CodeOf(err))), slog.String("cause", fmt.Sprintf("%T", cause)),
	}
	var postgres interface{ SQLState() string }
	if errors.As(err, &postgres) {
		attributes = append(attributes, slog.String("sqlstate", postgres.SQLState()))
	}
	log.LogAttrs(ctx, slog.LevelError, "request failed", attributes...)
}
