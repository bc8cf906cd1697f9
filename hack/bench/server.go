package main

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit/process"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

const (
	readyTimeout  = 30 * time.Second
	readyInterval = time.Millisecond
)

// server is one process of `healthrecords server`.
type server struct {
	process        *process.Process
	address, admin string        // host:port
	log            string        // path of the access log
	ready          time.Duration // from its start until /readyz answered 200
}

// serverSettings lift the limits that one client would meet: all connections come from a trusted proxy, and name a client each.
func serverSettings() []string { return []string{"TRUSTED_PROXIES=127.0.0.1/32", "LOG_FORMAT=json"} }

// startServer starts the program's server with its own role of the database. It reaches the database through a proxy at the
// address through, unless that is "".
func (s *stage) startServer(ctx context.Context, database, through string) (*server, error) {
	location, err := s.roleURL(database, through)
	if err != nil {
		return nil, err
	}
	totpKey, err := services.Secret(filepath.Join(s.dir, "totp-key"))
	if err != nil {
		return nil, err
	}
	v := &server{log: filepath.Join(s.dir, "server-"+database+".log")}
	for _, address := range []*string{&v.address, &v.admin} {
		port, err := services.FreePort(ctx)
		if err != nil {
			return nil, err
		}
		*address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	env := append([]string{
		"PATH=" + os.Getenv("PATH"), "BENCH_PROGRAM=" + s.options.binary, "BENCH_LOG=" + v.log,
		"DATABASE_URL=" + location, "REDIS_URL=" + s.redis.URL(0), "LISTEN_ADDRESS=" + v.address, "ADMIN_ADDRESS=" + v.admin,
		"SIGNING_KEYS_DIR=" + s.keys(), "TOTP_KEY=" + totpKey + totpKey,
	}, append(serverSettings(), s.options.settings...)...)
	start := time.Now()
	v.process, err = process.Start(process.Options{
		Name: "server", Path: "/bin/sh", Args: []string{"-c", `exec "$BENCH_PROGRAM" server >>"$BENCH_LOG" 2>&1`}, Env: env,
	})
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, v.process.Stop) // which does nothing if the server was stopped before
	if err := v.awaitReady(ctx); err != nil {
		output, _ := fs.ReadFile(os.DirFS(s.dir), filepath.Base(v.log)) // its error says less than the other one
		return nil, fmt.Errorf("%w\n%s", err, output)
	}
	v.ready = time.Since(start)
	return v, nil
}

// awaitReady looks every millisecond, to measure how long the start takes.
func (v *server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	ticker := time.NewTicker(readyInterval)
	defer ticker.Stop()
	for {
		err := services.GetOK(ctx, http.DefaultClient, "http://"+v.admin+"/readyz")
		if err == nil {
			return nil
		}
		select {
		case <-v.process.Done():
			return fmt.Errorf("starting the server: it ended: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("waiting for the server: %w", err)
		case <-ticker.C:
		}
	}
}

func (v *server) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return v.process.Stop(ctx)
}

// forgetLog empties the access log, which would fill the disk in a long run.
func (v *server) forgetLog() error {
	if err := os.Truncate(v.log, 0); err != nil {
		return fmt.Errorf("emptying the access log: %w", err)
	}
	return nil
}

// roleURL is the URL with which the server logs in to Postgres as its own role.
func (s *stage) roleURL(database, through string) (string, error) {
	rolePassword, err := s.rolePassword()
	if err != nil {
		return "", err
	}
	location, err := url.Parse(s.postgres.DSN(database))
	if err != nil {
		return "", fmt.Errorf("reading the database's URL: %w", err)
	}
	location.User = url.UserPassword("healthrecords_server", rolePassword)
	if through != "" {
		location.Host = through
	}
	return location.String(), nil
}
