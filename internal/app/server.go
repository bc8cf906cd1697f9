package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/healthrecords/healthrecords/internal/cache"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/telemetry"
	"github.com/healthrecords/healthrecords/internal/token"
	"github.com/healthrecords/healthrecords/server"
)

func newServerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "server",
		Short: "Serve the REST API",
		Long:  "Serve the REST API until SIGTERM, then wait for running requests to end.\n\n" + settings.Usage(&settings.Server{}),
		Args:  takesNoArguments,
		RunE:  runServer,
	}
}

func runServer(cmd *cobra.Command, _ []string) error {
	ctx := cmd.Context()
	var cfg settings.Server
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	p, err := newProcess(ctx, "server", cmd.ErrOrStderr(), cfg.Common, cfg.Admin)
	if err != nil {
		return err
	}
	p.log.InfoContext(ctx, "the terms of doctors' access", "self_assignment", cfg.SelfAssignment, "verified_at_registration", cfg.DoctorAutoVerify,
		"break_glass", cfg.BreakGlass)
	db, err := openDB(ctx, schema.PartServer, cfg.Database, p.traces.Provider)
	if err != nil {
		return err
	}
	defer db.Close()
	redisClient, err := openRedis(cfg.Redis.Options(), p.traces.Provider)
	if err != nil {
		return err
	}
	defer func() { _ = redisClient.Close() }()
	keys, err := token.OpenKeys(token.KeysOptions{Dir: cfg.SigningKeysDir, Log: p.log})
	if err != nil {
		return fmt.Errorf("loading the signing keys: %w", err)
	}
	handler, err := newAPI(cfg, p, db, redisClient, keys)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, cfg, p.registry)
	if err != nil {
		return err
	}
	httpServer := server.NewHTTPServer(cfg.ListenAddress, handler, p.log)
	parts := []func(context.Context) error{keys.Watch, func(ctx context.Context) error {
		return server.Serve(ctx, httpServer, listener, cfg.ShutdownDelay, cfg.ShutdownGrace)
	}}
	if cfg.HasTLS() {
		watch, err := useTLS(httpServer, cfg.TLSCertFile, cfg.TLSKeyFile)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		parts = append(parts, watch)
	}
	p.log.InfoContext(ctx, "serving the API", "address", listener.Addr().String(), "tls", cfg.HasTLS())
	// Readiness requires the schema only until it has been found once. Otherwise every
	// replica would leave the Service when Postgres fails, and clients would find their
	// connections refused instead of getting 503 with Retry-After.
	return p.run(ctx, []telemetry.Check{databaseCheck(db).Latched()}, parts...)
}

// listen opens the API's port.
func listen(ctx context.Context, cfg settings.Server, metrics prometheus.Registerer) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.ListenAddress)
	if err != nil {
		return nil, fmt.Errorf("opening the API's port: %w", err)
	}
	limited, err := server.LimitConnections(listener, server.ConnectionOptions{
		Most: cfg.Connections, PerAddress: cfg.PerAddress, TrustedProxies: cfg.TrustedProxies, Metrics: metrics,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("limiting the API's connections: %w", err), listener.Close())
	}
	return limited, nil
}

// newAPI returns the HTTP handler of the API with its use cases.
func newAPI(cfg settings.Server, p *process, db *store.DB, redisClient redis.UniversalClient, keys *token.Keys) (http.Handler, error) {
	access := token.AccessOptions{Keys: keys, Issuer: cfg.TokenIssuer, Audience: cfg.TokenAudience}
	signer, err := token.NewSigner(access)
	if err != nil {
		return nil, fmt.Errorf("setting up the token signer: %w", err)
	}
	verifier, err := token.NewVerifier(access)
	if err != nil {
		return nil, fmt.Errorf("setting up the token verifier: %w", err)
	}
	passwords, err := token.NewHasher(token.HasherOptions{})
	if err != nil {
		return nil, fmt.Errorf("setting up the password hasher: %w", err)
	}
	err = p.registry.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "healthrecords_password_hashes_total", Help: "Password hashes computed: one for each login, registration and confirmation of a password.",
	}, func() float64 { return float64(passwords.Computed()) }))
	if err != nil {
		return nil, fmt.Errorf("registering the metric of password hashes: %w", err)
	}
	secondFactor, err := newTOTP(cfg)
	if err != nil {
		return nil, err
	}
	var required []clinic.Role
	for _, role := range cfg.TOTPRoles {
		required = append(required, clinic.Role(role))
	}
	directory, err := cache.NewDirectory(cache.DirectoryOptions{Client: redisClient, Prefix: cfg.Redis.KeyPrefix, Log: p.log})
	if err != nil {
		return nil, fmt.Errorf("setting up the directory's cache: %w", err)
	}
	throttle, err := cache.NewThrottle(cache.ThrottleOptions{
		Client: redisClient, Prefix: cfg.Redis.KeyPrefix, Log: p.log, Metrics: p.registry,
		Key: func() []byte { return keys.Derive("throttle") },
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the throttle: %w", err)
	}
	svc, err := service.NewAPI(service.APIOptions{
		DB: db, Passwords: passwords, Tokens: signer, Directory: directory, Throttle: throttle, TOTP: secondFactor, TOTPRequired: required,
		AutoVerifyDoctors: cfg.DoctorAutoVerify, SessionsPerUser: cfg.SessionsPerUser, CommentCorrection: cfg.CommentCorrection,
		BreakGlass: cfg.BreakGlass, ResetCodeLifetime: cfg.ResetCodes, SearchLanguage: clinic.Language(cfg.Search.Language),
		SelfAssignment: clinic.SelfAssignment(cfg.SelfAssignment), Log: p.log,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the use cases: %w", err)
	}
	api, err := server.New(server.Options{
		Service: svc, Verifier: verifier, Log: p.log, Metrics: p.registry,
		CORSOrigins: cfg.CORSOrigins, PublicURL: cfg.PublicURL, TrustedProxies: cfg.TrustedProxies, HSTS: cfg.HasTLS(), Version: Version(),
		AccessLogSample: cfg.AccessLogSample,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the API: %w", err)
	}
	return traced(api, p.traces), nil
}

// traced makes a span of each request, unless traces are off. A handler that made none would still cost each request 30
// allocations.
func traced(api http.Handler, traces telemetry.Traces) http.Handler {
	if traces.Provider == nil {
		return api
	}
	return otelhttp.NewHandler(api, "http", otelhttp.WithTracerProvider(traces.Provider), otelhttp.WithPropagators(traces.Propagator))
}

// newTOTP returns nil if no key is set.
func newTOTP(cfg settings.Server) (*token.TOTP, error) {
	if cfg.TOTPKey == "" {
		return nil, nil //nolint:nilnil // second factors are optional
	}
	secondFactor, err := token.NewTOTP(token.TOTPOptions{Key: cfg.TOTPKey.Reveal(), Issuer: cfg.TokenIssuer})
	if err != nil {
		return nil, fmt.Errorf("setting up second factors: %w", err)
	}
	return secondFactor, nil
}
