package testkit

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

type postgresInstance struct {
	*services.Postgres
	templates map[uintptr]string // by the address of the migrate function
	databases int
}

// NewDatabase returns the connection URL of a database of the test's own, removed when the test ends. migrate fills
// it: it is called once per process, on a template that each database is copied from, so it must be a
// top-level function and close its connections. With nil the database is empty.
func NewDatabase(t testing.TB, migrate func(ctx context.Context, dsn string) error) string {
	t.Helper()
	server, name, template, err := instances.nameDatabase(t.Context(), migrate)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.CreateDatabase(t.Context(), name, template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.DropDatabase(context.WithoutCancel(t.Context()), name); err != nil {
			t.Error(err)
		}
	})
	return server.DSN(name)
}

// StartPostgres starts an instance for one test alone, which may Stop, Kill and Start it again. It ends with the test.
func StartPostgres(t testing.TB) *services.Postgres {
	t.Helper()
	server, err := services.StartPostgres(t.Context(), services.PostgresOptions{Dir: instances.newDir(t, "postgres"), Durable: true})
	return forTest(t, server, err)
}

// StartStandby starts a hot standby of a primary that StartPostgres started, for the same test.
func StartStandby(t testing.TB, primary *services.Postgres) *services.Postgres {
	t.Helper()
	server, err := services.StartStandby(t.Context(), primary, services.PostgresOptions{Dir: instances.newDir(t, "postgres")})
	return forTest(t, server, err)
}

func forTest(t testing.TB, server *services.Postgres, err error) *services.Postgres {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return server
}

// nameDatabase returns a new database's name and the template to copy it from.
func (s *shared) nameDatabase(ctx context.Context, migrate func(context.Context, string) error) (*services.Postgres, string, string, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.postgres == nil {
		dir, err := s.dir("postgres")
		if err != nil {
			return nil, "", "", err
		}
		server, err := services.StartPostgres(ctx, services.PostgresOptions{Dir: dir})
		if err != nil {
			return nil, "", "", err
		}
		s.stops = append(s.stops, server.Stop)
		s.postgres = &postgresInstance{Postgres: server, templates: map[uintptr]string{}}
	}
	template, err := s.postgres.template(ctx, migrate)
	if err != nil {
		return nil, "", "", err
	}
	s.postgres.databases++
	return s.postgres.Postgres, fmt.Sprintf("test_%d", s.postgres.databases), template, nil
}

func (p *postgresInstance) template(ctx context.Context, migrate func(context.Context, string) error) (string, error) {
	if migrate == nil {
		return "", nil
	}
	key := reflect.ValueOf(migrate).Pointer()
	if name, found := p.templates[key]; found {
		return name, nil
	}
	name := fmt.Sprintf("template_%d", len(p.templates))
	if err := p.CreateDatabase(ctx, name, ""); err != nil {
		return "", err
	}
	if err := migrate(ctx, p.DSN(name)); err != nil {
		return "", fmt.Errorf("migrating the template database: %w", err)
	}
	p.templates[key] = name
	return name, nil
}
