package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

func TestWithoutPostgresTheAnswerIs503UntilItIsBack(t *testing.T) {
	t.Parallel()
	postgres := testkit.StartPostgres(t)
	testkit.Must(t, postgres.CreateDatabase(t.Context(), "outage", ""))
	testkit.Must(t, rights.Migrate(t.Context(), postgres.DSN("outage")))
	w := newWorldOn(t, postgres.DSN("outage"))
	p := w.patient("patient1")
	w.record(p)
	postgres.Kill()
	for _, c := range []call{
		{method: get, path: "/api/health-records/", token: p.token},
		{method: post, path: "/api/health-records/", token: p.token, body: visit()},
		{method: post, path: "/api/auth/login/", body: map[string]any{"username": "patient1", "password": password}},
	} {
		got := w.do(c)
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || got.object(t)["code"] != "unavailable" {
			t.Errorf("%s %s answered %d %v %s, want 503 with Retry-After", c.method, c.path, got.status, got.header, got.body)
		}
	}
	if log := w.log.String(); !strings.Contains(log, `"code":"unavailable"`) {
		t.Error("the log does not tell operators")
	}
	w.want(http.StatusOK, call{method: get, path: "/health/"})
	testkit.Must(t, postgres.Start(t.Context()))
	deadline := time.Now().Add(time.Minute)
	for w.do(call{method: get, path: "/api/health-records/", token: p.token}).status != http.StatusOK {
		if time.Now().After(deadline) {
			t.Fatal("Postgres is back, the API is not")
		}
	}
}
