package settings

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

func pieces(extra ...string) map[string]string {
	return environ(append([]string{"DATABASE_URL", "", "DATABASE_HOST", "db.example", "DATABASE_NAME", "records", "DATABASE_USER", "owner"}, extra...)...)
}

func TestDatabaseInPiecesMeansWhatItSays(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "plain", `a b+c%2F&d=e'f"g\h/i?j#k@l:m`, "пароль 密码", "%"} {
		var tool Tool
		err := load(pieces("DATABASE_PASSWORD", password, "DATABASE_PORT", "6432", "DATABASE_SSLMODE", "disable",
			"DATABASE_NAME", "a name/with?all&of=it", "DATABASE_USER", "the owner@home"), &tool)
		if err != nil {
			t.Fatal(err)
		}
		config, err := pgx.ParseConfig(tool.Database.ConnString().Reveal())
		if err != nil {
			t.Fatal(err)
		}
		got := []any{config.Host, config.Port, config.Database, config.User, config.Password, config.TLSConfig == nil}
		if diff := cmp.Diff([]any{"db.example", uint16(6432), "a name/with?all&of=it", "the owner@home", password, true}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestDatabaseInPiecesHasDefaults(t *testing.T) {
	t.Parallel()
	var tool Tool
	if err := load(pieces("DATABASE_HOST", "one,two"), &tool); err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(tool.Database.ConnString().Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "one" || config.Port != 5432 || config.TLSConfig == nil {
		t.Errorf("it goes to %s:%d, with TLS: %v", config.Host, config.Port, config.TLSConfig != nil)
	}
	var hosts []string
	for _, f := range config.Fallbacks {
		hosts = append(hosts, f.Host)
		if f.Port != 5432 {
			t.Errorf("a fallback goes to port %d", f.Port)
		}
	}
	if diff := cmp.Diff([]string{"one", "two", "two"}, hosts); diff != "" { // each with TLS and without
		t.Error(diff)
	}
	if err := load(pieces("DATABASE_HOST", "/run/postgresql"), &tool); err != nil {
		t.Fatal(err)
	}
	config, err = pgx.ParseConfig(tool.Database.ConnString().Reveal())
	if err != nil || config.Host != "/run/postgresql" {
		t.Errorf("a socket's directory is refused: %v", err)
	}
}

func TestDatabaseFaults(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	certificate, _ := pair(t)
	certificates := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(certificates, []byte(certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := load(pieces("DATABASE_SSLROOTCERT", certificates, "DATABASE_SSLMODE", "verify-full"), &Tool{}); err != nil {
		t.Errorf("certificates that TLS checks: %v", err)
	}
	for _, test := range []struct {
		name    string
		environ map[string]string
		want    []string
	}{
		{"URL and pieces", environ("DATABASE_HOST", "db.example"), []string{"DATABASE_URL"}},
		{"URL and a port", environ("DATABASE_PORT", "5432"), []string{"DATABASE_URL"}},
		{"no host", pieces("DATABASE_HOST", ""), []string{"DATABASE_HOST"}},
		{"no name, no user", pieces("DATABASE_NAME", "", "DATABASE_USER", ""), []string{"DATABASE_NAME", "DATABASE_USER"}},
		{"a port out of range", pieces("DATABASE_PORT", "65536"), []string{"DATABASE_PORT"}},
		{"no such mode", pieces("DATABASE_SSLMODE", "yes"), []string{"DATABASE_SSLMODE"}},
		{"no certificates", pieces("DATABASE_SSLROOTCERT", empty, "DATABASE_SSLMODE", "require"), []string{"DATABASE_SSLROOTCERT"}},
		{"certificates that TLS does not check", pieces("DATABASE_SSLROOTCERT", certificates), []string{"DATABASE_SSLROOTCERT"}},
		{"certificates without TLS", pieces("DATABASE_SSLROOTCERT", certificates, "DATABASE_SSLMODE", "disable"), []string{"DATABASE_SSLROOTCERT"}},
		{"no file of certificates", pieces("DATABASE_SSLROOTCERT", empty+"x", "DATABASE_SSLMODE", "require"), []string{"DATABASE_SSLROOTCERT"}},
	} {
		if diff := cmp.Diff(test.want, names(load(test.environ, &Tool{}))); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}
