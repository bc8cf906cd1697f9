package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/testkit/process"
)

const (
	minimumPostgres = 15
	superuser       = "postgres"
	// Role owns the databases of an instance. It may make databases and roles, but is no superuser, so that
	// what works here works on a managed Postgres too.
	Role = "healthrecords"
)

// PostgresOptions describe a Postgres instance.
type PostgresOptions struct {
	// Dir is the directory of the data; it is made when missing. Every user must be able to reach it when the caller is root.
	Dir     string
	Port    int       // 0 chooses a free one
	Durable bool      // survives the loss of power, at the cost of speed
	Output  io.Writer // receives the log; nil for none
}

// Postgres is a private instance. Its address and password stay the same over Stop and Start.
type Postgres struct {
	options  PostgresOptions
	binaries string
	user     *syscall.Credential // nil: the caller
	password string
	process  *process.Process
}

// StartPostgres starts an instance, made first when its directory is empty.
func StartPostgres(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	p := &Postgres{options: options}
	steps := []func(context.Context) error{p.prepare, p.initialize, p.Start, p.createRole}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("starting Postgres: %w", err), p.Stop(ctx))
		}
	}
	return p, nil
}

func (p *Postgres) prepare(ctx context.Context) (err error) {
	if p.binaries, err = postgresBinaries(); err != nil {
		return err
	}
	if os.Geteuid() == 0 { // initdb refuses root
		if p.user, err = unprivileged(); err != nil {
			return err
		}
	}
	if p.options.Port == 0 {
		if p.options.Port, err = FreePort(ctx); err != nil {
			return err
		}
	}
	if err = own(p.options.Dir, p.user); err != nil {
		return err
	}
	if p.password, err = Secret(p.passwordFile()); err != nil || p.user == nil {
		return err
	}
	return os.Chown(p.passwordFile(), int(p.user.Uid), int(p.user.Gid)) // initdb reads it
}

// initialize makes the database cluster beside its final place, so that an interrupted initdb leaves nothing that
// looks finished.
func (p *Postgres) initialize(ctx context.Context) error {
	data := p.data()
	if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	unfinished := data + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return fmt.Errorf("removing an unfinished database cluster: %w", err)
	}
	args := []string{
		"--pgdata=" + unfinished, "--username=" + superuser, "--pwfile=" + p.passwordFile(), "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--no-instructions",
	}
	if !p.options.Durable {
		args = append(args, "--no-sync")
	}
	command := exec.CommandContext(ctx, filepath.Join(p.binaries, "initdb"), args...)
	command.Dir = p.options.Dir
	command.SysProcAttr = &syscall.SysProcAttr{Credential: p.user}
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("running initdb: %w\n%s", err, output)
	}
	if err := os.Rename(unfinished, data); err != nil {
		return fmt.Errorf("finishing the database cluster: %w", err)
	}
	return nil
}

// Start starts the instance again after Stop or Kill and returns once it answers.
func (p *Postgres) Start(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	args := []string{
		"-D", p.data(), "-p", strconv.Itoa(p.options.Port),
		"-c", "listen_addresses=" + loopback, "-c", "unix_socket_directories=", "-c", "max_connections=300",
		"-c", "timezone=UTC", "-c", "log_min_error_statement=panic", "-c", "log_error_verbosity=terse",
	}
	if !p.options.Durable {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
			"-c", "max_wal_size=128MB") // the data may be in memory
	}
	// The children of a killed server keep the data open for a moment longer.
	lock, err := Lock(ctx, filepath.Join(p.options.Dir, lockName))
	if err != nil {
		return err
	}
	defer lock.Close()
	p.process, err = process.Start(process.Options{
		Name: "postgres", Path: filepath.Join(p.binaries, "postgres"), Args: args, Dir: p.options.Dir, Credential: p.user,
		Files: []*os.File{lock}, Output: p.options.Output, StopSignal: syscall.SIGINT, DeathSignal: syscall.SIGQUIT, // "fast" and "immediate" shutdown
	})
	if err != nil {
		return err
	}
	return p.process.WaitReady(ctx, func(ctx context.Context) error { return p.Exec(ctx, "SELECT 1") })
}

func (p *Postgres) createRole(ctx context.Context) error {
	exists, err := p.exists(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", Role)
	if err != nil || exists {
		return err
	}
	// The password is base32 text and cannot end the literal.
	return p.Exec(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN CREATEDB CREATEROLE PASSWORD '%s'", Role, p.password))
}

func (p *Postgres) exists(ctx context.Context, query, name string) (exists bool, err error) {
	connection, err := pgx.Connect(ctx, p.dsn(superuser, superuser))
	if err != nil {
		return false, fmt.Errorf("connecting: %w", err)
	}
	defer connection.Close(ctx)
	if err := connection.QueryRow(ctx, query, name).Scan(&exists); err != nil {
		return false, fmt.Errorf("looking for %s: %w", name, err)
	}
	return exists, nil
}

// Exec runs a statement as superuser in the maintenance database.
func (p *Postgres) Exec(ctx context.Context, statement string) error {
	return p.execIn(ctx, superuser, statement)
}

func (p *Postgres) execIn(ctx context.Context, database, statement string) error {
	connection, err := pgx.Connect(ctx, p.dsn(superuser, database))
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer connection.Close(ctx)
	if _, err := connection.Exec(ctx, statement); err != nil {
		return fmt.Errorf("executing a statement: %w", err)
	}
	return nil
}

// CreateDatabase makes a database owned by Role, as a copy of template, or empty when template is "".
func (p *Postgres) CreateDatabase(ctx context.Context, name, template string) error {
	statement := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize() + " OWNER " + Role
	if template != "" {
		statement += " TEMPLATE " + pgx.Identifier{template}.Sanitize()
	}
	return p.Exec(ctx, statement)
}

// EnsureDatabase makes an empty database owned by Role, unless one of that name exists. It forbids large objects there, as
// docs/operations.md asks a superuser to.
func (p *Postgres) EnsureDatabase(ctx context.Context, name string) error {
	exists, err := p.exists(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name)
	if err == nil && !exists {
		err = p.CreateDatabase(ctx, name, "")
	}
	if err != nil {
		return err
	}
	return p.execIn(ctx, name, "REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC")
}

// DropDatabase removes a database and ends the connections to it. A missing one is no error.
func (p *Postgres) DropDatabase(ctx context.Context, name string) error {
	return p.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
}

// DSN is the connection URL of a database, as its owner.
func (p *Postgres) DSN(database string) string { return p.dsn(Role, database) }

func (p *Postgres) dsn(role, database string) string {
	location := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, p.password), Host: address(p.options.Port), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	return location.String()
}

// Program is the path of a program that belongs to the server, such as pgbench.
func (p *Postgres) Program(name string) string { return filepath.Join(p.binaries, name) }

// Process is the running server, nil before the first Start.
func (p *Postgres) Process() *process.Process { return p.process }

// Stop disconnects the clients and shuts the instance down.
func (p *Postgres) Stop(ctx context.Context) error { return stop(ctx, p.process) }

// Kill ends the instance as a crash would.
func (p *Postgres) Kill() { p.process.Kill() }

func (p *Postgres) data() string { return filepath.Join(p.options.Dir, "data") }

func (p *Postgres) passwordFile() string { return filepath.Join(p.options.Dir, "password") }

// postgresBinaries finds the newest server that the system's packages installed, or else the one in PATH.
func postgresBinaries() (string, error) {
	newest, dir := 0, ""
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", fmt.Errorf("looking for Postgres: %w", err)
	}
	for _, path := range found {
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err == nil && version > newest {
			newest, dir = version, filepath.Dir(path)
		}
	}
	if newest >= minimumPostgres {
		return dir, nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", fmt.Errorf("looking for Postgres %d or newer, which `make deps` installs: %w", minimumPostgres, err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil { // initdb is beside the real file
		return "", fmt.Errorf("looking for Postgres: %w", err)
	}
	return filepath.Dir(path), nil
}
