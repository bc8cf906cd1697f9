// Package compose_test runs the services of hack/compose/compose.yaml without Docker: their commands as processes, with their
// environment, on the Postgres and the Redis of the test.
package compose_test

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/healthrecords/healthrecords/internal/app"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
)

func TestMain(m *testing.M) { program.Main(m, app.Run) }

// file has the fields of the Compose specification that compose.yaml uses. An unknown field fails the test.
type file struct {
	Name     string
	Program  any                `yaml:"x-program"`
	Owner    any                `yaml:"x-owner"`
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`
}

type service struct {
	Image       string
	Build       struct{ Context, Dockerfile string }
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	NetworkMode string   `yaml:"network_mode"`
	User        string
	Restart     string
	Entrypoint  []string
	Command     []string
	Environment map[string]string
	Ports       []string
	Volumes     []string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck struct {
		Test              []string
		Interval, Timeout string
		Retries           int
	}
}

func load(t *testing.T) file {
	t.Helper()
	content := testkit.Value(os.ReadFile(filepath.Join(testkit.Root(t), "hack/compose/compose.yaml")))(t)
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	var f file
	testkit.Must(t, decoder.Decode(&f))
	return f
}

// stack runs the services in the order of their dependencies.
type stack struct {
	file
	directory string            // of the volumes
	settings  map[string]string // what .env and the network of Docker would give
	done      []string
	admins    map[string]string // admin ports of the running parts
	api       string
}

func TestServicesWork(t *testing.T) {
	t.Parallel()
	postgres, redis := testkit.StartPostgres(t), testkit.StartRedis(t)
	testkit.Must(t, postgres.EnsureDatabase(t.Context(), "healthrecords"))
	database, cache := parse(t, postgres.DSN("healthrecords")), parse(t, redis.URL(0))
	owner, _ := database.User.Password()
	password, _ := cache.User.Password()
	s := &stack{file: load(t), directory: t.TempDir(), api: program.FreeAddress(t), admins: map[string]string{}, settings: map[string]string{
		"POSTGRES_PASSWORD": owner, "REDIS_PASSWORD": password, "database": database.Host, "role": database.User.Username(), "redis": cache.Host,
	}}
	for name := range s.Services {
		s.up(t, name)
	}
	if len(s.admins) != 2 {
		t.Fatalf("the parts %v run", s.admins)
	}
	for name, admin := range s.admins {
		test := s.Services[name].Healthcheck.Test
		if len(test) < 3 || !slices.Equal(test[:2], []string{"CMD", "/healthrecords"}) {
			t.Fatalf("the health check of %s is %q", name, test)
		}
		port := map[string]string{"server": "127.0.0.1:9090", "worker": "127.0.0.1:9091"}[name]
		program.Run(t, strings.Split(strings.Replace(strings.Join(test[2:], "\n"), port, admin, 1), "\n")...)
	}
	secret := filepath.Join(s.directory, "owner-secrets/admin")
	program.Run(t, "check", "--url", "http://"+s.api, "--username", "admin", "--password-file", secret)

	// A second start changes no password and no key.
	before := testkit.Value(os.ReadFile(secret))(t)
	s.done = nil
	for _, name := range []string{"signing-keys", "admin"} {
		s.up(t, name)
	}
	if after := testkit.Value(os.ReadFile(secret))(t); len(before) < 24 || !bytes.Equal(before, after) {
		t.Error("the administrator's password is short, or changed at the second start")
	}
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	return testkit.Value(url.Parse(text))(t)
}

// up starts a service after those that it depends on. The test's own Postgres and Redis stand for those two.
func (s *stack) up(t *testing.T, name string) {
	t.Helper()
	if slices.Contains(s.done, name) {
		return
	}
	s.done = append(s.done, name)
	definition := s.Services[name]
	for dependency := range definition.DependsOn {
		s.up(t, dependency)
	}
	switch {
	case name == "postgres" || name == "redis":
	case name == "passwords":
		s.makePasswords(t, definition)
	case definition.Restart == "":
		program.RunWith(t, s.environment(t, definition), s.local(t, definition, definition.Command)...)
	case s.admins[name] == "":
		part := program.Start(t, definition.Command[0], s.environment(t, definition)...)
		s.admins[name] = part.Admin
	}
}

// makePasswords runs the script, with a chown that needs no root.
func (s *stack) makePasswords(t *testing.T, definition service) {
	t.Helper()
	bin := t.TempDir()
	testkit.Must(t, os.WriteFile(filepath.Join(bin, "chown"), []byte("#!/bin/sh\n"), 0o700))
	args := slices.Concat(definition.Entrypoint[1:], s.local(t, definition, definition.Command))
	cmd := exec.CommandContext(t.Context(), definition.Entrypoint[0], args...)
	cmd.Env = append([]string{"PATH=" + bin + ":" + os.Getenv("PATH")}, s.environment(t, definition)...)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
}

// environment is the service's, with the addresses and paths of the test.
func (s *stack) environment(t *testing.T, definition service) []string {
	t.Helper()
	host, port, _ := strings.Cut(s.settings["database"], ":")
	var environment []string
	for name, value := range definition.Environment {
		value = s.local(t, definition, []string{value})[0]
		switch {
		case name == "DATABASE_HOST":
			environment = append(environment, "DATABASE_PORT="+port)
			value = host
		case name == "DATABASE_USER" && value == "healthrecords":
			value = s.settings["role"]
		case name == "REDIS_URL":
			value = strings.Replace(value, "redis:6379", s.settings["redis"], 1)
		case name == "LISTEN_ADDRESS":
			value = s.api
		case strings.HasPrefix(value, "${"): // from .env, or the default
			_, fallback, _ := strings.Cut(strings.Trim(value, "${}"), ":-")
			value = fallback
			if set := s.settings[name]; set != "" {
				value = set
			}
		}
		environment = append(environment, name+"="+value)
	}
	return environment
}

// local replaces the paths of the service's volumes, and Compose's notation of a dollar sign.
func (s *stack) local(t *testing.T, definition service, texts []string) []string {
	t.Helper()
	replacements := []string{"$$", "$"}
	for _, volume := range definition.Volumes {
		parts := strings.Split(volume, ":")
		if _, declared := s.Volumes[parts[0]]; !declared {
			t.Errorf("the volume %s is not declared", parts[0])
		}
		directory := filepath.Join(s.directory, parts[0])
		testkit.Must(t, os.MkdirAll(directory, 0o700))
		replacements = append(replacements, parts[1], directory)
	}
	local := make([]string, len(texts))
	for i, text := range texts {
		local[i] = strings.NewReplacer(replacements...).Replace(text)
	}
	return local
}
