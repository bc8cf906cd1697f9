package service_test

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/token"
)

const password = "correct horse"

// desk has the use cases of a server that registers people and logs them in.
type desk struct {
	*service.API
	Administrators *service.Administrators
	opts           service.APIOptions
	db             *testkit.Factory
	verifier       verifier
	clock          *clock
}

// clock is the clock of second factors; tests can set it forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// newDesk makes a desk over a database of the test's own; change may be nil.
func newDesk(t testing.TB, change func(*service.APIOptions)) desk {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	access := newAccess(t)
	c := &clock{}
	totp := token.TOTPOptions{Key: "a key that is known to tests", Issuer: "test", Now: c.now}
	d := desk{
		clock: c,
		opts: service.APIOptions{
			DB: rights.OpenAs(t, dsn, schema.PartServer, store.Options{MaxConns: 8}), Passwords: newHasher(t, 64), Tokens: testkit.Value(token.NewSigner(access))(t),
			AutoVerifyDoctors: true, TOTP: testkit.Value(token.NewTOTP(totp))(t),
			Log: slog.New(slog.DiscardHandler),
		},
		db: testkit.NewFactory(t, dsn), verifier: verifier{testkit.Value(token.NewVerifier(access))(t)},
	}
	if change != nil {
		change(&d.opts)
	}
	d.API = testkit.Value(service.NewAPI(d.opts))(t)
	d.Administrators = service.NewAdministrators(rights.Open(t, store.Options{URL: dsn, MaxConns: 1}), d.opts.Passwords)
	return d
}

func newHasher(t testing.TB, memoryKiB uint32) *token.Hasher {
	t.Helper()
	return testkit.Value(token.NewHasher(token.HasherOptions{MemoryKiB: memoryKiB, Passes: 1}))(t)
}

// manual leaves the verification of doctors to an administrator.
func manual(o *service.APIOptions) { o.AutoVerifyDoctors = false }

func patient(username string) clinic.Registration {
	return clinic.Registration{
		Username: username, Email: "patient@example.com", Password: password,
		FirstName: "John", LastName: "Doe", Role: clinic.RolePatient, PhoneNumber: "+1234567890",
	}
}

func doctor(username string) clinic.Registration {
	return clinic.Registration{
		Username: username, Email: "doctor@example.com", Password: password,
		FirstName: "Jane", LastName: "Smith", Role: clinic.RoleDoctor, PhoneNumber: "+1234567891",
	}
}

func (d desk) register(t testing.TB, r clinic.Registration) clinic.Tokens {
	t.Helper()
	return testkit.Value(d.Accounts.Register(t.Context(), r, clinic.Idempotency{}))(t)
}

// verifier returns callers that ask for something, as those of the API do.
type verifier struct{ *token.Verifier }

func (v verifier) Verify(access string) (clinic.Caller, error) {
	caller, err := v.Verifier.Verify(access)
	caller.Request.Operation = "getTest"
	return caller, err
}

// caller registers a user and returns them as a caller.
func (d desk) caller(t testing.TB, r clinic.Registration) clinic.Caller {
	t.Helper()
	return testkit.CallerOf(d.register(t, r).User)
}

// wantSession checks that both tokens are valid and belong to the user.
func (d desk) wantSession(t testing.TB, s clinic.Tokens, user clinic.User) {
	t.Helper()
	got := testkit.Value(d.verifier.Verify(s.Access))(t)
	if got.UserID != user.ID || got.Role != user.Role {
		t.Errorf("the access token belongs to %+v, want %+v", got, user)
	}
	if s.User != user {
		t.Errorf("user = %+v, want %+v", s.User, user)
	}
	if d.db.Count(`SELECT count(*) FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id
		WHERE s.user_id = $1 AND s.id = $3 AND t.token_hash = $2 AND t.used_at IS NULL`, user.ID, token.HashRefresh(s.Refresh), got.SessionID) != 1 {
		t.Error("the refresh token is not stored")
	}
}

func wantFields(t testing.TB, err error, want ...string) {
	t.Helper()
	wantCode(t, err, clinic.CodeInvalid)
	fields := map[string]bool{}
	for _, f := range fieldsOf(err) {
		fields[f.Field] = true
	}
	if len(fields) != len(want) {
		t.Errorf("fields = %v, want %v", fields, want)
	}
	for _, f := range want {
		if !fields[f] {
			t.Errorf("fields = %v, want %v", fields, want)
		}
	}
}
