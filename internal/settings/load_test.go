package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func environ(extra ...string) map[string]string {
	result := map[string]string{
		"DATABASE_URL":     "postgres://owner:hidden@127.0.0.1:5432/records",
		"REDIS_URL":        "redis://:hidden@127.0.0.1:6379/3",
		"SIGNING_KEYS_DIR": "keys",
		"AUDIT_KEYS_DIR":   "audit-keys",
	}
	for pair := range slices.Chunk(extra, 2) {
		result[pair[0]] = pair[1]
	}
	return result
}

func commands() map[string]Settings {
	return map[string]Settings{"server": &Server{}, "worker": &Worker{}, "controller": &Controller{}, "finalizers": &Finalizers{}, "tool": &Tool{}, "migrate": &Migrate{}, "import": &Import{}, "audit": &Audit{}}
}

func TestLoadFillsDefaults(t *testing.T) {
	t.Parallel()
	for name, target := range commands() {
		if err := load(environ(), target); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var s Server
	if err := load(environ("LOG_LEVEL", "debug", "CORS_ORIGINS", "https://a.example, https://b.example:8443"), &s); err != nil {
		t.Fatal(err)
	}
	if s.ListenAddress != "127.0.0.1:8000" || s.Admin.Address != "127.0.0.1:9090" || s.DoctorAutoVerify || s.ShutdownGrace != 20*time.Second {
		t.Errorf("defaults are %+v", s)
	}
	if s.Common.LogLevel != slog.LevelDebug {
		t.Errorf("log level = %v, want what was given", s.Common.LogLevel)
	}
	if diff := cmp.Diff(List{"https://a.example", "https://b.example:8443"}, s.CORSOrigins); diff != "" {
		t.Error(diff)
	}
}

func TestLoadReportsAllFaultsTogether(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		target  Settings
		environ map[string]string
		want    []string
	}{
		{"nothing is set", &Server{}, map[string]string{}, []string{"DATABASE_URL", "REDIS_URL", "SIGNING_KEYS_DIR"}},
		{"roles without the key", &Server{}, map[string]string{"TOTP_REQUIRED_ROLES": "ADMIN"}, []string{"DATABASE_URL", "REDIS_URL", "SIGNING_KEYS_DIR", "TOTP_REQUIRED_ROLES"}},
		{
			"a short key and a wrong role", &Server{},
			map[string]string{"TOTP_REQUIRED_ROLES": "ADMIN,NURSE", "TOTP_KEY": "short"},
			[]string{"DATABASE_URL", "REDIS_URL", "SIGNING_KEYS_DIR", "TOTP_KEY", "TOTP_REQUIRED_ROLES"},
		},
		{
			"values that cannot be read", &Worker{},
			environ("LOG_LEVEL", "loud", "DATABASE_MAX_CONNS", "many", "WORKER_BATCH_SIZE", "1.5", "WORKER_RETRY_AFTER", "10", "REDIS_TLS", "perhaps"),
			[]string{"LOG_LEVEL", "DATABASE_MAX_CONNS", "REDIS_TLS", "WORKER_BATCH_SIZE", "WORKER_RETRY_AFTER"},
		},
		{
			"values out of range", &Worker{},
			environ("WORKER_CONCURRENCY", "0", "WORKER_BATCH_SIZE", "200", "WORKER_MAX_BACKLOG", "100", "WORKER_MAX_ATTEMPTS", "0",
				"WORKER_POLL_INTERVAL", "0s", "WORKER_KEEP_FINISHED", "1s", "RECORDS_RETENTION", "23h", "DATABASE_MAX_CONNS", "0"),
			[]string{
				"DATABASE_MAX_CONNS", "WORKER_CONCURRENCY", "WORKER_POLL_INTERVAL", "WORKER_MAX_ATTEMPTS", "WORKER_MAX_BACKLOG", "WORKER_KEEP_FINISHED", "RECORDS_RETENTION",
			},
		},
		{
			"addresses and URLs", &Server{},
			environ("LISTEN_ADDRESS", "8000", "ADMIN_ADDRESS", "localhost:http", "PUBLIC_URL", "records.example.org", "CORS_ORIGINS", "https://a.example/x",
				"TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.1", "DATABASE_URL", "mysql://x", "REDIS_URL", "http://x"),
			[]string{"ADMIN_ADDRESS", "DATABASE_URL", "REDIS_URL", "LISTEN_ADDRESS", "PUBLIC_URL", "CORS_ORIGINS", "TRUSTED_PROXIES"},
		},
		{"two ways to Redis", &Server{}, environ("REDIS_CLUSTER_ADDRESSES", "a:1,b"), []string{"REDIS_URL", "REDIS_CLUSTER_ADDRESSES"}},
		{
			"Sentinel without a master", &Server{},
			environ("REDIS_URL", "", "REDIS_SENTINEL_ADDRESSES", "a:1"),
			[]string{"REDIS_MASTER_NAME"},
		},
		{
			"certificates", &Server{},
			environ("REDIS_TLS_CA", "x", "REDIS_TLS_CERT", "y"),
			[]string{"REDIS_TLS_CA", "REDIS_TLS_CERT"},
		},
		{"a controller", &Controller{}, environ("RESYNC_INTERVAL", "1ms", "LEADER_ELECT", "maybe"), []string{"LEADER_ELECT", "RESYNC_INTERVAL"}},
		{"a tool", &Tool{}, environ("LOG_FORMAT", "xml"), []string{"LOG_FORMAT"}},
		{"codes for ever", &Server{}, environ("RESET_CODE_LIFETIME", "721h"), []string{"RESET_CODE_LIFETIME"}},
		{"too many sessions", &Server{}, environ("SESSIONS_PER_USER", "0"), []string{"SESSIONS_PER_USER"}},
		{"comments that change for days", &Server{}, environ("COMMENT_CORRECTION", "25h"), []string{"COMMENT_CORRECTION"}},
		{"emergency access without an end", &Server{}, environ("BREAK_GLASS_DURATION", "25h"), []string{"BREAK_GLASS_DURATION"}},
		{
			"no connections", &Server{},
			environ("MAX_CONNECTIONS", "0", "MAX_CONNECTIONS_PER_ADDRESS", "-1", "ACCESS_LOG_SAMPLE", "0"),
			[]string{"MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_ADDRESS", "ACCESS_LOG_SAMPLE"},
		},
		{
			"several at once", &Server{},
			environ("DOCTOR_SELF_ASSIGNMENT", "Confirm", "BREAK_GLASS_DURATION", "1s"),
			[]string{"BREAK_GLASS_DURATION", "DOCTOR_SELF_ASSIGNMENT"},
		},
		{"half a certificate", &Server{}, environ("TLS_KEY_FILE", "tls.key"), []string{"TLS_CERT_FILE"}},
		{
			"one role for two parts", &Migrate{},
			environ("WORKER_DATABASE_ROLE", "healthrecords_server", "CONTROLLER_DATABASE_ROLE", strings.Repeat("x", 64)),
			[]string{"WORKER_DATABASE_ROLE", "CONTROLLER_DATABASE_ROLE"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := load(test.environ, test.target)
			if diff := cmp.Diff(test.want, names(err)); diff != "" {
				t.Errorf("%s\n%v", diff, err)
			}
		})
	}
}

func names(err error) (result []string) {
	var faults ValidationErrors
	errors.As(err, &faults)
	for _, fault := range faults {
		result = append(result, fault.Name)
	}
	return result
}

func TestLoadReadsFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(path, []byte("postgres://file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var tool Tool
	if err := load(map[string]string{"DATABASE_URL_FILE": path}, &tool); err != nil {
		t.Fatal(err)
	}
	if got := tool.Database.URL.Reveal(); got != "postgres://file" {
		t.Errorf("URL = %q, want the file's line", got)
	}
	for name, environ := range map[string]map[string]string{
		"both":    environ("DATABASE_URL_FILE", path),
		"no file": {"DATABASE_URL_FILE": path + "x"},
	} {
		if diff := cmp.Diff([]string{"DATABASE_URL"}, names(load(environ, &Tool{}))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	var single, s Server
	sentinel := environ("REDIS_URL", "", "REDIS_SENTINEL_ADDRESSES", "s0:1", "REDIS_MASTER_NAME", "main", "REDIS_PASSWORD", "hidden", "REDIS_SENTINEL_PASSWORD", "hidden")
	if err := errors.Join(load(environ(), &single), load(sentinel, &s)); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		fmt.Fprintf(&b, verb+verb+verb, s, s.Database.URL, single)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(handler).Info("settings", "all", s, "url", s.Database.URL)
	}
	if err := load(environ("DATABASE_URL", "hidden", "REDIS_URL", "redis://:hidden@[", "REDIS_TLS_KEY", "hidden"), &Server{}); err == nil {
		t.Error("the faulty settings were accepted")
	} else {
		b.WriteString(err.Error())
	}
	if !strings.Contains(b.String(), redacted) {
		t.Error("nothing replaces the secrets")
	}
	for _, form := range []string{"hidden", fmt.Sprintf("%x", "hidden"), fmt.Sprintf("%d", []byte("hidden"))} {
		if strings.Contains(b.String(), form) {
			t.Errorf("a secret is shown as %q", form)
		}
	}
}

func TestEveryVariableIsToldOfAndFound(t *testing.T) {
	t.Parallel()
	for name, target := range commands() {
		usage := Usage(target)
		seen := map[string]bool{}
		for _, v := range variablesOf(target) {
			if v.help == "" || !strings.Contains(usage, v.name+" ") {
				t.Errorf("%s: usage does not mention %s", name, v.name)
			}
			key := v.name
			if v.kind.Kind() != reflect.String {
				key = v.field + v.kind.String() // what explain finds a variable by
			}
			if seen[key] {
				t.Errorf("%s: two variables are known as %s", name, key)
			}
			seen[key] = true
		}
	}
}
