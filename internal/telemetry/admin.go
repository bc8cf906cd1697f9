package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const shutdownGrace = 5 * time.Second

// AdminOptions describe the admin port of a process.
type AdminOptions struct {
	Address  string // host:port; port 0 chooses a free one
	Gatherer prometheus.Gatherer
	Checks   []Check      // all must pass for /readyz to answer 200
	Log      *slog.Logger // nil: slog.Default()
}

func (o *AdminOptions) setDefaults() { o.Log = cmp.Or(o.Log, slog.Default()) }

func (o *AdminOptions) validate() error {
	if o.Gatherer == nil {
		return errors.New("the admin port needs a gatherer of metrics")
	}
	return nil
}

// Admin answers /healthz (the process runs), /readyz (it can do its work) and
// /metrics, on a port that users never reach.
type Admin struct {
	listener net.Listener
	server   *http.Server
}

// NewAdmin opens the port, so that a port in use is found before anything
// starts. Start serves it.
func NewAdmin(ctx context.Context, options AdminOptions) (*Admin, error) {
	options.setDefaults()
	if err := options.validate(); err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", options.Address)
	if err != nil {
		return nil, fmt.Errorf("opening the admin port: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.Handle("GET /readyz", &readiness{checks: options.Checks, log: options.Log, failing: map[string]bool{}})
	mux.Handle("GET /metrics", promhttp.HandlerFor(options.Gatherer, promhttp.HandlerOpts{}))
	return &Admin{listener: listener, server: &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}}, nil
}

// Address is host:port of the opened port.
func (a *Admin) Address() string { return a.listener.Addr().String() }

// Start serves until ctx ends. Give it a context that ends after those of the
// parts it watches, so that they can be watched while they drain.
func (a *Admin) Start(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(a.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving the admin port: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := a.server.Shutdown(grace); err != nil {
		return fmt.Errorf("closing the admin port: %w", errors.Join(err, a.server.Close()))
	}
	return nil
}
