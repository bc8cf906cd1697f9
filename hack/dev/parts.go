package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit/process"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

const (
	readyTimeout  = 60 * time.Second
	apiPort       = 8000
	administrator = "admin"
)

// part is one of the platform's long-running programs.
type part struct {
	name      string
	adminPort int
	env       []string
}

func (r *runner) startParts(ctx context.Context) error {
	port, err := r.port(ctx, apiPort)
	if err != nil {
		return err
	}
	r.baseURL = "http://" + address(port)
	totpKey := filepath.Join(r.state, "totp-key")
	if _, err := services.Secret(totpKey); err != nil {
		return err
	}
	r.parts = []part{
		{name: "controller", adminPort: 8003, env: []string{
			"KUBECONFIG=" + r.kubeconfig(), "LEADER_ELECT=true", "LEADER_ELECTION_NAMESPACE=default", "REQUESTER_STAMPED=true",
		}},
		{name: "worker", adminPort: 8002, env: []string{"AUDIT_KEYS_DIR=" + r.auditKeys()}},
		{name: "server", adminPort: 8001, env: append(
			unlessSet("TOTP_KEY_FILE="+totpKey, "DOCTOR_AUTO_VERIFY=true", "DOCTOR_SELF_ASSIGNMENT=open"),
			"LISTEN_ADDRESS="+address(port), "SIGNING_KEYS_DIR="+r.keys(),
		)},
	}
	started := make([]*process.Process, len(r.parts))
	for i := range r.parts { // stopped in reverse order: the server first
		if started[i], err = r.startPart(ctx, &r.parts[i]); err != nil {
			return err
		}
	}
	for i, p := range r.parts {
		if err := r.awaitPart(ctx, started[i], p); err != nil {
			return err
		}
	}
	return nil
}

// unlessSet returns the settings that the environment does not set, as NAME or as NAME_FILE.
func unlessSet(settings ...string) []string {
	return slices.DeleteFunc(settings, func(setting string) bool {
		name, _, _ := strings.Cut(setting, "=")
		name = strings.TrimSuffix(name, "_FILE")
		return os.Getenv(name) != "" || os.Getenv(name+"_FILE") != ""
	})
}

func (r *runner) startPart(ctx context.Context, p *part) (*process.Process, error) {
	port, err := r.port(ctx, p.adminPort)
	if err != nil {
		return nil, err
	}
	p.adminPort = port
	login, err := r.login(p.name)
	if err != nil {
		return nil, err
	}
	child, err := process.Start(r.program(p.name, append(p.env, login, "ADMIN_ADDRESS="+address(port)), p.name))
	if err != nil {
		return nil, err
	}
	r.atStop("the "+p.name, child.Stop)
	r.watch(child)
	return child, nil
}

func (r *runner) awaitPart(ctx context.Context, child *process.Process, p part) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return child.WaitReady(ctx, func(ctx context.Context) error {
		return services.GetOK(ctx, http.DefaultClient, "http://"+address(p.adminPort)+"/readyz")
	})
}

// migrate also creates the parts' roles, so that development uses the same rights as production.
func (r *runner) migrate(ctx context.Context) error {
	var passwords []string
	for _, part := range []string{"server", "worker", "controller"} {
		file := r.databasePassword(part)
		if _, err := services.Secret(file); err != nil {
			return err
		}
		passwords = append(passwords, strings.ToUpper(part)+"_DATABASE_PASSWORD_FILE="+file)
	}
	return r.onceWith(ctx, passwords, "migrate")
}

func (r *runner) databasePassword(part string) string {
	return filepath.Join(r.state, part+"-database-password")
}

// login returns the setting with which a part logs in to Postgres as its own role.
func (r *runner) login(part string) (string, error) {
	password, err := services.Secret(r.databasePassword(part))
	if err != nil {
		return "", err
	}
	location, err := url.Parse(r.postgres.DSN(database))
	if err != nil {
		return "", fmt.Errorf("reading the database's URL: %w", err)
	}
	location.User = url.UserPassword("healthrecords_"+part, password)
	return "DATABASE_URL=" + location.String(), nil
}

func (r *runner) keys() string { return filepath.Join(r.state, "keys") }

func (r *runner) auditKeys() string { return filepath.Join(r.state, "audit-keys") }

func (r *runner) makeKeys(ctx context.Context) error {
	if err := r.once(ctx, "keys", "generate", "--dir", r.keys()); err != nil {
		return err
	}
	return r.once(ctx, "keys", "generate", "--dir", r.auditKeys())
}

func (r *runner) createAdministrator(ctx context.Context) (err error) {
	file := filepath.Join(r.state, "admin-password")
	if r.password, err = services.Secret(file); err != nil {
		return err
	}
	return r.once(ctx, "admin", "create", "--if-missing", "--username", administrator, "--password-file", file)
}

func (r *runner) importBundles(ctx context.Context) error {
	return r.once(ctx, "import", "fhir", r.bundles)
}

// once runs a subcommand as the owner of the database, and waits until it ends.
func (r *runner) once(ctx context.Context, args ...string) error {
	return r.onceWith(ctx, nil, args...)
}

func (r *runner) onceWith(ctx context.Context, env []string, args ...string) error {
	child, err := process.Start(r.program(args[0], env, args...))
	if err != nil {
		return err
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return errors.Join(ctx.Err(), child.Stop(stopping))
	}
	if err := child.Err(); err != nil {
		return fmt.Errorf("running healthrecords %s: %w", args[0], err)
	}
	return nil
}

// program describes a subcommand of the platform's program. The environment's settings apply unless the runner sets them.
func (r *runner) program(name string, env []string, args ...string) process.Options {
	env = append(append(os.Environ(), "DATABASE_URL="+r.postgres.DSN(database), "REDIS_URL="+r.redis.URL(0)), env...)
	return process.Options{
		Name: name, Path: filepath.Join(r.root, "bin/healthrecords"), Args: args, Env: env, Dir: r.root,
		Output: r.console.writer(name),
	}
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
