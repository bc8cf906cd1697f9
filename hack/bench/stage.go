package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/testkit/process"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
	"github.com/healthrecords/healthrecords/internal/token"
)

const stopTimeout = 30 * time.Second

// errLeft means that a process or data may be left behind.
var errLeft = errors.New("cleaning up failed")

// stage is everything that a measurement needs beside the servers: Postgres, Redis, keys, and the load generator.
type stage struct {
	options   options
	progress  io.Writer
	dir       string
	postgres  *services.Postgres
	redis     *services.Redis
	generator *generator
	signer    *token.Signer
	usage     *usageReader
	stops     []func(context.Context) error
}

// newStage makes a directory and starts the services in it. The caller stops the stage also after an error.
func newStage(ctx context.Context, o options, progress io.Writer) (*stage, error) {
	s := &stage{options: o, progress: progress}
	for _, step := range []func(context.Context) error{s.makeDir, s.startPostgres, s.startRedis, s.makeKeys, s.startGenerator} {
		if err := step(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *stage) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.progress, "bench: "+format+"\n", args...)
}

// makeDir makes the directory of all data. It is on a disk, not in memory as those of tests are: commits must wait for a disk.
func (s *stage) makeDir(context.Context) error {
	if os.Getenv("TMPDIR") == "" {
		if err := os.Setenv("TMPDIR", "/var/tmp"); err != nil {
			return fmt.Errorf("choosing a directory: %w", err)
		}
	}
	workspace, err := services.NewWorkspace()
	if err != nil {
		return err
	}
	s.dir = workspace.Dir()
	s.stops = append(s.stops, func(context.Context) error { return workspace.Remove() })
	if err := checkSpace(s.dir, s.options.patients); err != nil {
		return err
	}
	if err := os.CopyFS(s.dir, plainStatements); err != nil { // for pgbench
		return fmt.Errorf("writing the plain statements: %w", err)
	}
	return nil
}

// postgresSettings are those beside the defaults of Postgres and of services.StartPostgres.
func postgresSettings() [][2]string {
	return [][2]string{{"shared_buffers", "512MB"}, {"max_wal_size", "4GB"}, {"fsync", "on"}, {"synchronous_commit", "on"}}
}

func (s *stage) startPostgres(ctx context.Context) (err error) {
	s.say("starting Postgres and Redis in %s", s.dir)
	s.postgres, err = services.StartPostgres(ctx, services.PostgresOptions{Dir: filepath.Join(s.dir, "postgres"), Durable: true})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, s.postgres.Stop)
	for _, setting := range postgresSettings() {
		if err := s.postgres.Exec(ctx, fmt.Sprintf("ALTER SYSTEM SET %s = '%s'", setting[0], setting[1])); err != nil {
			return fmt.Errorf("setting %s: %w", setting[0], err)
		}
	}
	if err := s.postgres.Stop(ctx); err != nil {
		return err
	}
	if err := s.postgres.Start(ctx); err != nil {
		return err
	}
	s.usage, err = newUsageReader(s.postgres.Process().Pid())
	return err
}

func (s *stage) startRedis(ctx context.Context) (err error) {
	s.redis, err = services.StartRedis(ctx, services.RedisOptions{Dir: filepath.Join(s.dir, "redis")})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, s.redis.Stop)
	return nil
}

func (s *stage) keys() string { return filepath.Join(s.dir, "keys") }

// makeKeys makes the keys of the server, which also sign the tokens of the scenarios.
func (s *stage) makeKeys(ctx context.Context) error {
	if err := s.once(ctx, nil, "keys", "generate", "--dir", s.keys()); err != nil {
		return err
	}
	keys, err := token.LoadKeys(s.keys())
	if err != nil {
		return fmt.Errorf("loading the signing keys: %w", err)
	}
	s.signer, err = token.NewSigner(token.AccessOptions{Keys: keys, Issuer: "healthrecords", Audience: "healthrecords"})
	return err
}

func (s *stage) startGenerator(ctx context.Context) (err error) {
	s.generator, err = startGenerator(ctx)
	if err == nil {
		s.stops = append(s.stops, s.generator.stop)
	}
	return err
}

// rolePassword is the one of the parts' database roles.
func (s *stage) rolePassword() (string, error) {
	return services.Secret(filepath.Join(s.dir, "role-password"))
}

// newDatabase makes a database with the program's schema and the roles of its parts, and fills it.
func (s *stage) newDatabase(ctx context.Context, name string, content ...[]table) error {
	if err := s.postgres.EnsureDatabase(ctx, name); err != nil {
		return err
	}
	rolePassword, err := s.rolePassword()
	if err != nil {
		return err
	}
	env := []string{"DATABASE_URL=" + s.postgres.DSN(name)}
	for _, part := range []string{"SERVER", "WORKER", "CONTROLLER"} {
		env = append(env, part+"_DATABASE_PASSWORD="+rolePassword)
	}
	if err := s.once(ctx, env, "migrate"); err != nil {
		return err
	}
	connection, err := pgx.Connect(ctx, s.postgres.DSN(name))
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer connection.Close(context.WithoutCancel(ctx))
	start := time.Now()
	l := loader{connection: connection, progress: s.progress}
	if err := l.load(ctx, slices.Concat(content...)); err != nil {
		return err
	}
	s.say("loaded %s in %.0f s", name, time.Since(start).Seconds())
	if err := s.index(ctx, name); err != nil {
		return err
	}
	return s.postgres.Exec(ctx, "CHECKPOINT")
}

// once runs a subcommand of the program until it ends.
func (s *stage) once(ctx context.Context, env []string, args ...string) error {
	child, err := process.Start(process.Options{
		Name: args[0], Path: s.options.binary, Args: args, Env: append([]string{"PATH=" + os.Getenv("PATH")}, env...),
	})
	if err != nil {
		return err
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		child.Kill()
		return ctx.Err()
	}
	if err := child.Err(); err != nil {
		return fmt.Errorf("running healthrecords %s: %w\n%s", strings.Join(args, " "), err, child.Tail())
	}
	return nil
}

// stop ends all processes, the last started first, and deletes the data.
func (s *stage) stop(ctx context.Context) error {
	var faults []error
	for _, stop := range slices.Backward(s.stops) {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		faults = append(faults, stop(stopping))
		cancel()
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("%w: %w", errLeft, err)
	}
	return nil
}
