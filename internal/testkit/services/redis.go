package services

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/testkit/process"
)

// RedisDatabases is how many logical databases an instance has.
const RedisDatabases = 4096

// RedisOptions describe a Redis instance.
type RedisOptions struct {
	Dir    string    // working directory, made when missing
	Port   int       // 0 chooses a free one
	Output io.Writer // receives the log; nil for none
}

// Redis is a private instance without persistence: it is empty after each Start. Its address and password stay the
// same over Stop and Start.
type Redis struct {
	options  RedisOptions
	binary   string
	password string
	process  *process.Process
}

// StartRedis starts an instance.
func StartRedis(ctx context.Context, options RedisOptions) (*Redis, error) {
	r := &Redis{options: options}
	if err := r.prepare(ctx); err != nil {
		return nil, fmt.Errorf("starting Redis: %w", err)
	}
	if err := r.Start(ctx); err != nil {
		return nil, fmt.Errorf("starting Redis: %w", err)
	}
	return r, nil
}

func (r *Redis) prepare(ctx context.Context) (err error) {
	if r.binary, err = exec.LookPath("redis-server"); err != nil {
		return fmt.Errorf("looking for redis-server, which `make deps` installs: %w", err)
	}
	if r.options.Port == 0 {
		if r.options.Port, err = FreePort(ctx); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(r.options.Dir, 0o700); err != nil {
		return fmt.Errorf("making the working directory: %w", err)
	}
	if r.password, err = Secret(filepath.Join(r.options.Dir, "password")); err != nil {
		return err
	}
	// A file instead of arguments, which every user of the machine can read.
	configuration := fmt.Sprintf("bind %s\nport %d\nrequirepass %s\ndatabases %d\nsave \"\"\nappendonly no\n",
		loopback, r.options.Port, r.password, RedisDatabases)
	if err := os.WriteFile(r.configuration(), []byte(configuration), 0o600); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}

// Start starts the instance again, empty, after Stop or Kill, and returns once it answers.
func (r *Redis) Start(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	configuration, err := filepath.Abs(r.configuration())
	if err != nil {
		return fmt.Errorf("finding the configuration: %w", err)
	}
	r.process, err = process.Start(process.Options{
		Name: "redis", Path: r.binary, Args: []string{configuration}, Dir: r.options.Dir, Output: r.options.Output,
	})
	if err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: address(r.options.Port), Password: r.password, MaxRetries: -1})
	defer client.Close()
	return r.process.WaitReady(ctx, func(ctx context.Context) error { return client.Ping(ctx).Err() })
}

// URL is the connection URL of a logical database, counted from 0.
func (r *Redis) URL(database int) string {
	location := url.URL{
		Scheme: "redis", User: url.UserPassword("default", r.password), Host: address(r.options.Port), Path: "/" + strconv.Itoa(database),
	}
	return location.String()
}

// Process is the running server.
func (r *Redis) Process() *process.Process { return r.process }

// Stop shuts the instance down. Its content is lost.
func (r *Redis) Stop(ctx context.Context) error { return stop(ctx, r.process) }

// Kill ends the instance as a crash would.
func (r *Redis) Kill() { r.process.Kill() }

func (r *Redis) configuration() string { return filepath.Join(r.options.Dir, "redis.conf") }
