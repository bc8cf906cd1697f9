package server_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// leaks are texts that an error contains if it comes from Go, Postgres or a library.
func leaks() *regexp.Regexp {
	return regexp.MustCompile(`goroutine \d|\.go:\d|runtime error|SQLSTATE|pgx|pgconn|strconv\.|json: |invalid character|unexpected end|panic|<nil>|%!|0x[0-9a-f]{6}`)
}

// FuzzRouter sends requests to the real API, on a real Postgres. A generator creates
// them from the OpenAPI document: each operation as each role, with values that fit,
// nearly fit, or do not fit. Every answer must be in the document. An error must be
// a problem document that quotes neither the request nor Go. No request may cause an
// internal error. A new operation needs no change here.
func FuzzRouter(f *testing.F) {
	open := replica{database: testkit.NewDatabase(f, rights.Migrate), keys: newKeys(f), selfTerms: clinic.SelfAssignmentOpen} // more requests succeed this way
	c := newCastIn(f, newReplica(f, open, throughProxy))
	g := newGenerator(f, c)
	leak := leaks()
	for seed := range uint64(len(g.operations) * len(append(roles(), strangers()...)) * 4) {
		f.Add(seedBytes(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		request := g.request(t, &choices{data: data})
		c.log.take()
		recorder := httptest.NewRecorder()
		c.handler.ServeHTTP(recorder, request)
		what := fmt.Sprintf("%s %s %v", request.Method, request.URL, request.Header)
		if log := c.log.take(); strings.Contains(log, canary) || strings.Contains(log, `"panic"`) {
			t.Errorf("%s left in the log: %s", what, log)
		}
		answered := recorder.Result()
		defer func() { _ = answered.Body.Close() }()
		g.checkDocumented(t, request, answered.StatusCode)
		if answered.StatusCode < http.StatusBadRequest {
			return
		}
		// The request id is random and may contain any letters.
		body := strings.ReplaceAll(recorder.Body.String(), answered.Header.Get("X-Request-Id"), "")
		var problem struct {
			Status int    `json:"status"`
			Code   string `json:"code"`
		}
		switch err := json.Unmarshal([]byte(body), &problem); {
		case answered.StatusCode >= http.StatusInternalServerError:
			t.Errorf("%s answered %d: %s", what, answered.StatusCode, body)
		case answered.Header.Get("Content-Type") != "application/problem+json" || err != nil || problem.Status != answered.StatusCode || problem.Code == "":
			t.Errorf("%s answered %d with no problem document: %v %s", what, answered.StatusCode, answered.Header, body)
		}
		if told := fmt.Sprint(answered.Header) + body; strings.Contains(told, canary) || leak.MatchString(body) {
			t.Errorf("%s learns too much: %s", what, told)
		}
	})
}

// seedBytes returns the choices of a request. The first two bytes iterate over all
// operations and roles.
func seedBytes(seed uint64) []byte {
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	data := make([]byte, 96)
	_, _ = random.Read(data) // cannot fail
	data[0], data[1] = byte(seed), byte(seed/64)
	return data
}

// choices are the bytes of the fuzzer, used one by one.
type choices struct {
	data []byte
	tame bool // unlikely choices are never made
}

// of returns a number below n; 0 if no bytes are left.
func (c *choices) of(n int) int {
	if len(c.data) == 0 {
		return 0
	}
	next := int(c.data[0])
	c.data = c.data[1:]
	return next % n
}

// unlikely is true once in n times.
func (c *choices) unlikely(n int) bool { return c.of(n) == n-1 && !c.tame }

// rest returns the remaining bytes as text.
func (c *choices) rest() string {
	n := min(c.of(64), len(c.data))
	text := c.data[:n]
	c.data = c.data[n:]
	return string(text)
}

// generator creates requests from the OpenAPI document.
type generator struct {
	cast       *cast
	db         *testkit.Factory
	operations []generated
}

type generated struct {
	path, method string
	operation    *openapi3.Operation
	shared       openapi3.Parameters // of all operations of the path
}

func newGenerator(t testing.TB, c *cast) *generator {
	t.Helper()
	g := &generator{cast: c, db: testkit.NewFactory(t, c.database)}
	for path, item := range c.contract.document.Paths.Map() {
		for method, op := range item.Operations() {
			g.operations = append(g.operations, generated{path: path, method: method, operation: op, shared: item.Parameters})
		}
	}
	slices.SortFunc(g.operations, func(a, b generated) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return g
}

// checkDocumented fails if an operation answers with a status that it does not have in the document.
func (g *generator) checkDocumented(t *testing.T, request *http.Request, status int) {
	t.Helper()
	for _, o := range g.operations {
		if o.method == request.Method && o.path == request.URL.Path && o.operation.Responses.Status(status) == nil {
			t.Errorf("%s %s answered %d, which is not documented", o.method, o.path, status)
		}
	}
}

// token returns a token of a user with the role, from a new session each time, because requests end sessions.
func (g *generator) token(t *testing.T, c *choices) string {
	t.Helper()
	everybody := append(roles(), strangers()...)
	name := everybody[c.of(len(everybody))]
	p, ok := g.cast.people[name]
	if !ok { // anonymous
		return ""
	}
	if p.userID == 0 { // the token has expired
		return "Bearer " + p.token
	}
	role := clinic.RolePatient
	switch {
	case strings.Contains(name, "doctor"):
		role = clinic.RoleDoctor
	case name == "administrator":
		role = clinic.RoleAdmin
	}
	caller := clinic.Caller{UserID: p.userID, Role: role}
	testkit.Must(t, g.db.Pool.QueryRow(t.Context(), // not by LoggedIn, because a fuzz target must not use the testing.F
		`INSERT INTO sessions (user_id, expires_at) VALUES ($1, now() + interval '1 day') RETURNING id`, p.userID).Scan(&caller.SessionID))
	access, err := g.cast.parts.Tokens.Issue(caller)
	testkit.Must(t, err)
	return "Bearer " + access
}
