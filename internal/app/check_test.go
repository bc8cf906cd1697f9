package app

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// platform answers as the API does, if the password is right and the database is available. It begins to do so after a
// number of requests.
func platform(t *testing.T, database bool, late int32) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	var asked atomic.Int32
	mux.HandleFunc("GET /health/", func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) <= late {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /api/auth/login/", func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		switch {
		case !database:
			w.WriteHeader(http.StatusServiceUnavailable)
		case !strings.Contains(body.String(), `"password":"right"`):
			w.WriteHeader(http.StatusUnauthorized)
		default:
			_, _ = w.Write([]byte(`{"access": "token", "refresh": "other"}`))
		}
	})
	mux.HandleFunc("GET /api/auth/profile/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		database bool
		late     int32
		wait     string
		password string // "": no login
		code     int
		calls    int
	}{
		{"the process serves", false, 0, "0s", "", 0, 1},
		{"all works", true, 0, "0s", "right", 0, 3},
		{"it comes late", true, 1, "1m", "right", 0, 4},
		{"it comes too late", true, 1, "0s", "right", 1, 1},
		{"the password is another", true, 0, "0s", "wrong", 1, 2},
		{"the database is away", false, 0, "0s", "right", 1, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"check", "--wait", test.wait, "--url", platform(t, test.database, test.late).URL}
			if test.password != "" {
				file := filepath.Join(t.TempDir(), "password")
				if err := os.WriteFile(file, []byte(test.password+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				args = append(args, "--username", "admin", "--password-file", file)
			}
			var stdout, stderr bytes.Buffer
			if code := Main(args, strings.NewReader(""), &stdout, &stderr); code != test.code {
				t.Errorf("exit code %d, want %d: %s", code, test.code, stderr.String())
			}
			if calls := strings.Count(stdout.String(), "\n"); calls != test.calls {
				t.Errorf("%d calls, want %d:\n%s", calls, test.calls, stdout.String())
			}
			if strings.Contains(stdout.String()+stderr.String(), "right") {
				t.Error("the password is shown")
			}
		})
	}
}

// TestCheckOfAPart is the health check of a container that has no other program.
func TestCheckOfAPart(t *testing.T) {
	t.Parallel()
	for ready, code := range map[int]int{http.StatusOK: 0, http.StatusServiceUnavailable: 1} {
		part := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				t.Errorf("%s was requested", r.URL.Path)
			}
			w.WriteHeader(ready)
		}))
		t.Cleanup(part.Close)
		var output bytes.Buffer
		if got := Main([]string{"check", "--ready", "--url", part.URL}, strings.NewReader(""), &output, &output); got != code {
			t.Errorf("exit code %d, want %d: %s", got, code, output.String())
		}
	}
}
