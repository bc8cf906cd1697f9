package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/cache"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/token"
	"github.com/healthrecords/healthrecords/server"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const password = "securepass123"

// world is the real API on its own database.
type world struct {
	t          testing.TB
	url        string
	database   string // the owner's URL
	handler    http.Handler
	service    *service.API
	parts      service.APIOptions // of service
	verifier   *token.Verifier
	redis      cache.ThrottleOptions
	worker     *service.Outbox
	past       *token.Signer           // signs as it did an hour ago
	owner      *service.Administrators // with the rights of the schema's owner, as on the command line
	contract   *contract
	log        *lockedBuffer
	statements *statementCounter
	metrics    *prometheus.Registry
}

// newWorld starts the API. Each of changes may set options of the server.
func newWorld(t testing.TB, changes ...func(*server.Options)) *world {
	t.Helper()
	return newWorldOn(t, testkit.NewDatabase(t, rights.Migrate), changes...)
}

// newWorldOn starts the API on a database, with the rights that the server has in
// production.
func newWorldOn(t testing.TB, database string, changes ...func(*server.Options)) *world {
	t.Helper()
	return newReplica(t, replica{database: database, keys: newKeys(t)}, changes...)
}

func newKeys(t testing.TB) *token.Keys {
	t.Helper()
	dir := t.TempDir()
	_, err := token.GenerateKey(dir)
	testkit.Must(t, err)
	keys, err := token.LoadKeys(dir)
	testkit.Must(t, err)
	return keys
}

// replica has the parts that several servers can share.
type replica struct {
	database     string // the owner's URL
	keys         *token.Keys
	totpRequired []clinic.Role
	selfTerms    clinic.SelfAssignment
	pool         store.Options // of the server's connections
}

func newReplica(t testing.TB, r replica, changes ...func(*server.Options)) *world {
	t.Helper()
	w := &world{
		t: t, database: r.database, contract: loadContract(t), log: &lockedBuffer{}, statements: &statementCounter{}, metrics: prometheus.NewRegistry(),
	}
	r.pool.Tracer = w.statements
	db := rights.OpenAs(t, r.database, schema.PartServer, r.pool)
	access := token.AccessOptions{Keys: r.keys, Issuer: "healthrecords", Audience: "healthrecords"}
	signer, err := token.NewSigner(access)
	testkit.Must(t, err)
	w.verifier, err = token.NewVerifier(access)
	testkit.Must(t, err)
	access.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	w.past, err = token.NewSigner(access)
	testkit.Must(t, err)
	passwords, err := token.NewHasher(token.HasherOptions{MemoryKiB: 64, Passes: 1})
	testkit.Must(t, err)
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	secondFactor, err := token.NewTOTP(token.TOTPOptions{Key: "a key that is known to tests", Issuer: "healthrecords"})
	testkit.Must(t, err)
	url, prefix := testkit.NewRedis(t)
	w.redis = cache.ThrottleOptions{
		Client: newRedisClient(t, url), Prefix: prefix, Timeout: 10 * time.Second, Log: log, Key: func() []byte { return r.keys.Derive("throttle") },
	}
	directory, err := cache.NewDirectory(cache.DirectoryOptions{Client: w.redis.Client, Prefix: prefix, Log: log})
	testkit.Must(t, err)
	throttle, err := cache.NewThrottle(w.redis)
	testkit.Must(t, err)
	w.parts = service.APIOptions{
		DB: db, Passwords: passwords, Tokens: signer, Directory: directory, Throttle: throttle,
		TOTP: secondFactor, TOTPRequired: r.totpRequired, SelfAssignment: r.selfTerms, Log: log,
		CommentCorrection: 15 * time.Minute,
	}
	w.service, err = service.NewAPI(w.parts)
	testkit.Must(t, err)
	w.worker = service.NewOutbox(rights.OpenAs(t, r.database, schema.PartWorker, store.Options{}))
	w.owner = service.NewAdministrators(rights.Open(t, store.Options{URL: r.database}), passwords)
	opts := server.Options{Service: w.service, Verifier: w.verifier, Log: log, Metrics: w.metrics, Version: "test"}
	for _, change := range changes {
		change(&opts)
	}
	w.handler, err = server.New(opts)
	testkit.Must(t, err)
	api := httptest.NewUnstartedServer(nil)
	api.Config = server.NewHTTPServer("", w.handler, log)
	api.Listener, err = server.LimitConnections(api.Listener, server.ConnectionOptions{TrustedProxies: opts.TrustedProxies, Metrics: w.metrics})
	testkit.Must(t, err)
	api.Start()
	t.Cleanup(api.Close)
	w.url = api.URL
	return w
}

func newRedisClient(t testing.TB, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	testkit.Must(t, err)
	options.ContextTimeoutEnabled = true
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// call is one request. A string or []byte body is sent as it is, anything else
// as JSON.
type call struct {
	method, path string
	token        string
	body         any
	header       map[string]string
}

// answer is the answer to a call.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends the request and compares the answer with the OpenAPI document.
func (w *world) do(c call) answer {
	w.t.Helper()
	request := w.request(c)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	testkit.Must(w.t, err)
	got := answer{status: response.StatusCode, header: response.Header, body: body}
	w.contract.check(w.t, request, got)
	return got
}

func (w *world) request(c call) *http.Request {
	w.t.Helper()
	var body io.Reader
	switch content := c.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(content)
	case []byte:
		body = bytes.NewReader(content)
	default:
		encoded, err := json.Marshal(content)
		testkit.Must(w.t, err)
		body = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(w.t.Context(), c.method, w.url+c.path, body)
	testkit.Must(w.t, err)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, value := range c.header {
		request.Header.Set(name, value)
	}
	return request
}

// want sends the request, expects the status, and returns the JSON of the answer as a map.
func (w *world) want(status int, c call) map[string]any {
	w.t.Helper()
	got := w.do(c)
	if got.status != status {
		w.t.Fatalf("%s %s answered %d, want %d: %s", c.method, c.path, got.status, status, got.body)
	}
	return got.object(w.t)
}

func (a answer) object(t testing.TB) map[string]any {
	t.Helper()
	object := map[string]any{}
	if len(a.body) > 0 {
		if err := json.Unmarshal(a.body, &object); err != nil {
			t.Fatalf("the body is no JSON object: %v", err)
		}
	}
	return object
}

// person is an account that is logged in.
type person struct {
	username string
	userID   int64
	profile  int64 // id of the patient's or doctor's profile
	token    string
}

func (w *world) register(username string, role clinic.Role) person {
	w.t.Helper()
	got := w.want(http.StatusCreated, call{method: http.MethodPost, path: "/api/auth/register/", body: map[string]any{
		"username": username, "email": username + "@example.com", "password": password, "password_confirm": password,
		"first_name": "First", "last_name": "Of " + username, "user_type": role, "phone_number": "+1234567890",
	}})
	p := person{username: username, userID: int64(dig[float64](w.t, got, "user", "id")), token: dig[string](w.t, got, "tokens", "access")}
	profile := w.want(http.StatusOK, call{method: http.MethodGet, path: "/api/auth/profile/", token: p.token})
	p.profile = int64(dig[float64](w.t, profile, strings.ToLower(string(role))+"_profile", "id"))
	return p
}

func (w *world) patient(username string) person { return w.register(username, clinic.RolePatient) }

// doctor registers a doctor and verifies them.
func (w *world) doctor(admin person, username string) person {
	w.t.Helper()
	p := w.register(username, clinic.RoleDoctor)
	w.want(http.StatusOK, call{method: http.MethodPost, path: fmt.Sprintf("/api/doctors/%d/verify/", p.profile), token: admin.token})
	return p
}

func (w *world) admin() person {
	w.t.Helper()
	u, err := w.owner.Create(w.t.Context(), clinic.Registration{Username: "admin", Password: password, Role: clinic.RoleAdmin})
	testkit.Must(w.t, err)
	session, err := w.service.Sessions.Login(w.t.Context(), "admin", password, clinic.SecondFactor{})
	testkit.Must(w.t, err)
	return person{username: "admin", userID: u.ID, token: session.Access}
}

func (w *world) assign(admin, patient, doctor person) int64 {
	w.t.Helper()
	got := w.want(http.StatusOK, call{method: http.MethodPost, path: "/api/auth/assign-doctor/", token: admin.token, body: map[string]any{
		"patient_id": patient.profile, "doctor_id": doctor.profile, "reason": "primary care",
	}})
	return int64(dig[float64](w.t, got, "assignment", "id"))
}

func visit() map[string]any {
	return map[string]any{
		"record_type": "CHECKUP", "title": "Annual Physical", "description": "Routine annual physical examination",
		"symptoms": "No specific symptoms", "diagnosis": "Patient appears healthy", "treatment": "Continue current lifestyle",
		"medications": "None", "visit_date": "2025-05-27T10:00:00Z",
	}
}

func (w *world) record(owner person) int64 {
	w.t.Helper()
	got := w.want(http.StatusCreated, call{method: http.MethodPost, path: "/api/health-records/", token: owner.token, body: visit()})
	return int64(dig[float64](w.t, got, "id"))
}

// notified returns the person's newest notifications of a kind.
func (w *world) notified(p person, kind string) []any {
	w.t.Helper()
	list := w.want(http.StatusOK, call{method: get, path: "/api/notifications/", token: p.token})
	return slices.DeleteFunc(dig[[]any](w.t, list, "results"), func(n any) bool {
		return dig[string](w.t, n.(map[string]any), "notification_type") != kind //nolint:errcheck,forcetypeassert // an object of the API
	})
}

// settle does the work of the worker: it turns every open event into notifications.
func (w *world) settle() {
	w.t.Helper()
	events, err := w.worker.Claim(w.t.Context(), 1000, 0)
	testkit.Must(w.t, err)
	for _, e := range events {
		_, err := w.worker.Handle(w.t.Context(), []int64{e.ID})
		testkit.Must(w.t, err)
	}
}

// dig follows the keys into nested objects. A number selects an item of a list.
func dig[T any](t testing.TB, value any, keys ...any) T {
	t.Helper()
	for _, key := range keys {
		switch k := key.(type) {
		case string:
			object, ok := value.(map[string]any)
			if !ok {
				t.Fatalf("%v is no object, on the way to %v", value, keys)
			}
			value = object[k]
		case int:
			list, ok := value.([]any)
			if !ok || len(list) <= k {
				t.Fatalf("%v has no element %d, on the way to %v", value, k, keys)
			}
			value = list[k]
		}
	}
	found, ok := value.(T)
	if !ok {
		t.Fatalf("%v is %T %v, want %T", keys, value, value, found)
	}
	return found
}

// lockedBuffer is a log that many requests write to.
type lockedBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(p)
}

// take returns the text that was written since the last call.
func (b *lockedBuffer) take() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	defer b.buffer.Reset()
	return b.buffer.String()
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}

// statementCounter counts the statements sent to Postgres, in batches or not.
type statementCounter struct{ count atomic.Int64 }

func (c *statementCounter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.count.Add(1)
	return ctx
}

func (*statementCounter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (*statementCounter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (c *statementCounter) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {
	c.count.Add(1)
}

func (*statementCounter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
