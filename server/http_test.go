package server_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/server"
)

const (
	post   = http.MethodPost
	get    = http.MethodGet
	put    = http.MethodPut
	patch  = http.MethodPatch
	remove = http.MethodDelete
)

func TestEverySpellingOfAPathIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.patient("patient1")
	for _, path := range []string{
		"/health", "/health/", "/api/auth/profile", "/api/auth/profile/", "/api/v1/auth/profile", "/api/v1/auth/profile/",
		"/api/openapi.json", "/api/v1/openapi.yaml", "/api/docs", "/api/v1/docs/", "/", "/api", "/api/v1", "/api/v1/",
	} {
		if got := w.do(call{method: get, path: path, token: p.token}); got.status != http.StatusOK {
			t.Errorf("GET %s answered %d: %s", path, got.status, got.body)
		}
	}
}

func TestProblems(t *testing.T) { //nolint:tparallel // the token of a subtest that waits for its turn could expire
	t.Parallel()
	w := newWorld(t)
	p := w.patient("patient1")
	login, records := "/api/auth/login/", "/api/health-records/"
	tests := map[string]struct {
		call   call
		status int
		code   string
		fields []string
	}{
		"no JSON":            {call{method: post, path: login, body: "{"}, 400, "malformed", nil},
		"no body":            {call{method: post, path: login}, 400, "malformed", nil},
		"other JSON":         {call{method: post, path: login, body: "[]"}, 422, "invalid", []string{""}},
		"unknown field":      {call{method: post, path: login, body: `{"username":"a","password":"b","role":"ADMIN"}`}, 422, "invalid", []string{""}},
		"field in capitals":  {call{method: post, path: login, body: `{"Username":"a","password":"b"}`}, 422, "invalid", []string{"username", ""}},
		"missing field":      {call{method: post, path: login, body: `{"username":"a"}`}, 422, "invalid", []string{"password"}},
		"wrong type":         {call{method: post, path: login, body: `{"username":"a","password":1}`}, 422, "invalid", []string{"password"}},
		"form":               {call{method: post, path: login, body: "a=b", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 415, "unsupported_media_type", nil},
		"other +json":        {call{method: post, path: login, body: "{}", header: map[string]string{"Content-Type": "image/svg+json"}}, 415, "unsupported_media_type", nil},
		"broken media type":  {call{method: post, path: login, body: "{}", header: map[string]string{"Content-Type": ";"}}, 415, "unsupported_media_type", nil},
		"patch where none":   {call{method: put, path: "/api/auth/profile/", token: p.token, body: "{}", header: map[string]string{"Content-Type": "application/merge-patch+json"}}, 415, "unsupported_media_type", nil},
		"64 KiB":             {call{method: post, path: login, body: strings.Repeat(" ", 64<<10)}, 400, "malformed", nil},
		"over 64 KiB":        {call{method: post, path: login, body: strings.Repeat(" ", 64<<10+1)}, 413, "too_large", nil},
		"1 MiB":              {call{method: post, path: records, token: p.token, body: strings.Repeat(" ", 1<<20)}, 400, "malformed", nil},
		"over 1 MiB":         {call{method: post, path: records, token: p.token, body: strings.Repeat(" ", 1<<20+1)}, 413, "too_large", nil},
		"wrong method":       {call{method: remove, path: records, token: p.token}, 405, "method_not_allowed", nil},
		"unheard-of method":  {call{method: "BREW", path: records, token: p.token}, 405, "method_not_allowed", nil},
		"unknown path":       {call{method: get, path: "/api/nothing/", token: p.token}, 404, "not_found", nil},
		"id is no number":    {call{method: get, path: records + "x/", token: p.token}, 404, "not_found", nil},
		"id is out of range": {call{method: get, path: records + "99999999999999999999/", token: p.token}, 404, "not_found", nil},
		"missing record":     {call{method: get, path: records + "999999/", token: p.token}, 404, "not_found", nil},
		"unknown parameter":  {call{method: get, path: records + "?pgae=2", token: p.token}, 422, "invalid", []string{""}},
		"page 0":             {call{method: get, path: records + "?page=0", token: p.token}, 422, "invalid", []string{"page"}},
		"big page":           {call{method: get, path: records + "?page_size=101", token: p.token}, 422, "invalid", []string{"page_size"}},
		"no such page":       {call{method: get, path: records + "?page=2", token: p.token}, 404, "not_found", nil},
		"page is a word":     {call{method: get, path: records + "?page=two", token: p.token}, 422, "invalid", []string{"page"}},
		"made-up cursor":     {call{method: get, path: records + "?cursor=abc", token: p.token}, 422, "invalid", []string{"cursor"}},
		"wrong filter":       {call{method: get, path: records + "?record_type=SURGERY", token: p.token}, 422, "invalid", []string{"record_type"}},
		"wrong day":          {call{method: get, path: records + "?from=yesterday", token: p.token}, 422, "invalid", []string{"from"}},
		"key with a space":   {call{method: post, path: records, token: p.token, body: visit(), header: map[string]string{"Idempotency-Key": "a b"}}, 422, "invalid", []string{"Idempotency-Key"}},
		"key too long":       {call{method: post, path: records, token: p.token, body: visit(), header: map[string]string{"Idempotency-Key": strings.Repeat("k", 256)}}, 422, "invalid", []string{"Idempotency-Key"}},
		"If-Match unquoted":  {call{method: remove, path: records + "1/", token: p.token, header: map[string]string{"If-Match": "1-0"}}, 400, "malformed", nil},
		"no token":           {call{method: get, path: records}, 401, "unauthenticated", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := w.do(test.call)
			problem := got.object(t)
			if got.status != test.status || problem["code"] != test.code {
				t.Fatalf("answer = %d %s, want %d %s", got.status, got.body, test.status, test.code)
			}
			if diff := cmp.Diff(test.fields, fieldsOf(t, problem)); diff != "" {
				t.Errorf("fields (-want +got)\n%s", diff)
			}
			if got.header.Get("Content-Type") != "application/problem+json" || problem["status"] != float64(test.status) ||
				problem["type"] != "about:blank" || problem["title"] != http.StatusText(test.status) ||
				problem["request_id"] != got.header.Get("X-Request-ID") {
				t.Errorf("not a problem document: %v %s", got.header, got.body)
			}
		})
	}
}

func fieldsOf(t *testing.T, problem map[string]any) []string {
	t.Helper()
	list, _ := problem["errors"].([]any) // absent if there are none
	var fields []string
	for i := range list {
		fields = append(fields, dig[string](t, problem, "errors", i, "field"))
	}
	return fields
}

func TestWrongMethodsAreToldTheRightOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, want := range map[string]string{
		"/api/health-records":                "GET, HEAD, POST",
		"/api/health-records/7/":             "GET, HEAD, PUT, PATCH, DELETE",
		"/api/v1/health-records/my-patients": "GET, HEAD",
		"/api/auth/login/":                   "POST",
		"/api/openapi.json":                  "GET, HEAD",
	} {
		got := w.do(call{method: http.MethodOptions, path: path})
		if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != want {
			t.Errorf("OPTIONS %s answered %d, Allow: %s, want 405, Allow: %s", path, got.status, got.header.Get("Allow"), want)
		}
	}
	if got := w.do(call{method: remove, path: "/api/health-records/my-patients/"}); got.status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE of my-patients answered %d, want 405: it is no record", got.status)
	}
}

func TestHeadAnswersLikeGetWithoutABody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.do(call{method: http.MethodHead, path: "/health"})
	if got.status != http.StatusOK || len(got.body) != 0 || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("HEAD /health = %d %v %q", got.status, got.header, got.body)
	}
}

func TestWhoSendsNoTokenIsNotToldThatItIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain, invalid := `Bearer realm="healthrecords"`, `Bearer realm="healthrecords", error="invalid_token"`
	for authorization, want := range map[string]string{"": plain, "Bearer x.y.z": invalid, "Bearer": invalid, "Basic YTpi": invalid} {
		header := map[string]string{}
		if authorization != "" {
			header["Authorization"] = authorization
		}
		got := w.do(call{method: get, path: "/api/auth/profile/", header: header})
		if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") != want {
			t.Errorf("Authorization: %s answered %d, WWW-Authenticate: %s", authorization, got.status, got.header.Get("WWW-Authenticate"))
		}
	}
}

func TestSecurityHeadersAreOnEveryAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *server.Options) { o.HSTS = true })
	want := map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Strict-Transport-Security": "max-age=31536000; includeSubDomains",
	}
	for _, path := range []string{"/health/", "/api/auth/profile/", "/api/nothing/", "/api/docs/", "/api/docs/swagger-ui-bundle.js", "/api/docs/start.js", "/api/openapi.json", "/", "/api/"} {
		got := w.do(call{method: get, path: path})
		for name, value := range want {
			if got.header.Get(name) != value {
				t.Errorf("GET %s: %s: %s, want %s", path, name, got.header.Get(name), value)
			}
		}
		if csp := got.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("GET %s: Content-Security-Policy: %s", path, csp)
		}
	}
	if got := newWorld(t).do(call{method: get, path: "/health/"}); got.header.Get("Strict-Transport-Security") != "" {
		t.Error("without TLS there is to be no HSTS")
	}
}

func TestRequestIDsAreKeptWhenSane(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for sent, keep := range map[string]bool{"trace-4711": true, "": false, "two words": false, strings.Repeat("a", 65): false} {
		got := w.do(call{method: get, path: "/health/", header: map[string]string{"X-Request-ID": sent}})
		if id := got.header.Get("X-Request-ID"); id == "" || (id == sent) != keep {
			t.Errorf("X-Request-ID: %s was answered with %s", sent, id)
		}
	}
}

func TestCORSIsOffUnlessConfigured(t *testing.T) {
	t.Parallel()
	preflight := call{method: http.MethodOptions, path: "/api/health-records/", header: map[string]string{
		"Origin": "https://app.example.org", "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,if-match",
	}}
	if got := newWorld(t).do(preflight); got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("an origin is allowed that nobody configured")
	}
	w := newWorld(t, func(o *server.Options) { o.CORSOrigins = []string{"https://app.example.org"} })
	got := w.do(preflight)
	if got.header.Get("Access-Control-Allow-Origin") != "https://app.example.org" || got.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight = %d %v", got.status, got.header)
	}
	preflight.header["Origin"] = "https://elsewhere.example.org"
	if got := w.do(preflight); got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another origin is allowed")
	}
	plain := w.do(call{method: get, path: "/health/", header: map[string]string{"Origin": "https://app.example.org"}})
	if !strings.Contains(strings.ToLower(plain.header.Get("Access-Control-Expose-Headers")), "etag") {
		t.Errorf("scripts cannot read the ETag: %v", plain.header)
	}
}

func TestABodyThatBreaksOffIsTheClientsFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var dialer net.Dialer
	connection, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(w.url, "http://"))
	testkit.Must(t, err)
	defer func() { _ = connection.Close() }()
	_, err = fmt.Fprint(connection, "POST /api/auth/login/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk\r\n")
	testkit.Must(t, err)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	testkit.Must(t, err)
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("status = %d, want 400", response.StatusCode)
	}
}

func TestMetricsKnowRoutesNotPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []call{
		{method: get, path: "/health/"}, {method: get, path: "/api/health-records/4711/"}, {method: get, path: "/secret-path/"}, {method: "BREW", path: "/health/"},
	} {
		w.do(c)
	}
	families, err := w.metrics.Gather()
	testkit.Must(t, err)
	var series []string
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if metric.GetHistogram() == nil {
				continue
			}
			labels := map[string]string{}
			for _, pair := range metric.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			series = append(series, fmt.Sprintf("%s %s %s %d", labels["method"], labels["route"], labels["status"], metric.GetHistogram().GetSampleCount()))
		}
	}
	want := []string{
		"GET /api/health-records/{id}/ 4xx 1",
		"GET /health/ 2xx 1",
		"GET unmatched 4xx 1",
		"other unmatched 4xx 1",
	}
	if diff := cmp.Diff(want, series); diff != "" {
		t.Errorf("series (-want +got)\n%s", diff)
	}
	problems, err := testutil.GatherAndLint(w.metrics)
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}

func TestAccessLogKnowsRoutesNotPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.patient("patient1")
	w.do(call{method: get, path: "/api/v1/auth/doctors/?search=canary-5c7e", token: p.token, header: map[string]string{
		"X-Request-ID": "req-1", "User-Agent": "canary-5c7e", "Referer": "https://canary-5c7e",
	}})
	log := w.log.String()
	var line string
	for candidate := range strings.Lines(log) {
		if strings.Contains(candidate, `"req-1"`) {
			line = candidate
		}
	}
	for _, part := range []string{`"method":"GET"`, `"route":"/api/auth/doctors/"`, `"status":200`, `"duration":`, fmt.Sprintf(`"user_id":%d`, p.userID)} {
		if !strings.Contains(line, part) {
			t.Errorf("%s is not in the log: %s", part, line)
		}
	}
	for _, secret := range []string{"canary-5c7e", p.token, password} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %s", secret)
		}
	}
}

func TestLinksAreAbsoluteWithAPublicURLOnly(t *testing.T) {
	t.Parallel()
	for publicURL, want := range map[string]string{"": "/api/v1/health-records/", "https://records.example.org/": "https://records.example.org/api/v1/health-records/"} {
		w := newWorld(t, func(o *server.Options) { o.PublicURL = publicURL })
		p := w.patient("patient1")
		created := w.do(call{method: post, path: "/api/v1/health-records/", token: p.token, body: visit(), header: map[string]string{"Host": "evil.example.org"}})
		id := int64(dig[float64](t, created.object(t), "id"))
		if got := created.header.Get("Location"); got != fmt.Sprintf("%s%d/", want, id) {
			t.Errorf("Location = %s, want below %s", got, want)
		}
		w.record(p)
		list := w.want(http.StatusOK, call{method: get, path: "/api/v1/health-records/?page_size=1", token: p.token})
		if got := dig[string](t, list, "next"); got != want+"?page=2&page_size=1" {
			t.Errorf("next = %s, want below %s", got, want)
		}
	}
}

// huma's own negotiation panics at the last two. FuzzRouter found them.
func TestEveryAnswerIsJSONWhateverIsAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, accept := range []string{"", "*/*", "application/cbor", "text/html;q=0.9", ",;q=", "0000000;,000000000000", "a;,b"} {
		got := w.do(call{method: get, path: "/health/", header: map[string]string{"Accept": accept}})
		if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("Accept: %q answered %d %v %s", accept, got.status, got.header, got.body)
		}
	}
}
