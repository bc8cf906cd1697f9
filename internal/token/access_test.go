package token_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/token"
)

// access is a signer and a verifier of one key, with a clock to set.
type access struct {
	opts     token.AccessOptions
	signer   *token.Signer
	verifier *token.Verifier
	ahead    atomic.Int64 // nanoseconds
}

func newAccess(t testing.TB, dir string) *access {
	t.Helper()
	if _, err := token.GenerateKey(dir); err != nil {
		t.Fatal(err)
	}
	keys, err := token.LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	a := &access{}
	a.opts = token.AccessOptions{Keys: keys, Issuer: "https://records.example", Audience: "healthrecords", Now: func() time.Time {
		return time.Now().Add(time.Duration(a.ahead.Load()))
	}}
	if a.signer, err = token.NewSigner(a.opts); err != nil {
		t.Fatal(err)
	}
	if a.verifier, err = token.NewVerifier(a.opts); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *access) issue(t testing.TB, caller clinic.Caller) string {
	t.Helper()
	s, err := a.signer.Issue(caller)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// decode returns header or claims of a token without checking it.
func decode(t testing.TB, part string) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func wantReason(t testing.TB, err error, reason string) {
	t.Helper()
	if clinic.CodeOf(err) != clinic.CodeUnauthenticated || clinic.ReasonOf(err) != reason {
		t.Errorf("err = %v (%s), want unauthenticated for %s", err, clinic.ReasonOf(err), reason)
	}
}

func TestAccessTokenSaysWhoItsBearerIs(t *testing.T) {
	t.Parallel()
	a := newAccess(t, t.TempDir())
	for _, caller := range []clinic.Caller{
		{UserID: 1, Role: clinic.RolePatient, SessionID: 1}, {UserID: 1 << 60, Role: clinic.RoleDoctor, SessionID: 1 << 60}, {UserID: 7, Role: clinic.RoleAdmin, SessionID: 2},
	} {
		signed := a.issue(t, caller)
		for range 2 { // the second time from memory
			if got, err := a.verifier.Verify(signed); err != nil || got != caller {
				t.Errorf("Verify = %+v, %v, want %+v", got, err, caller)
			}
		}
	}
}

func TestAccessTokenHasTheProfileOfRFC9068(t *testing.T) {
	t.Parallel()
	a := newAccess(t, t.TempDir())
	parts := strings.Split(a.issue(t, clinic.Caller{UserID: 7, Role: clinic.RoleDoctor, SessionID: 3}), ".")
	header, body := decode(t, parts[0]), decode(t, parts[1])
	kid, _ := header["kid"].(string)
	if _, ok := a.opts.Keys.Public()[kid]; !ok || header["typ"] != "at+jwt" || header["alg"] != "EdDSA" {
		t.Errorf("header = %v", header)
	}
	issued, _ := body["iat"].(float64)
	expires, _ := body["exp"].(float64)
	if expires-issued != token.AccessLifetime.Seconds() || body["sub"] != "7" || body["role"] != "DOCTOR" || body["sid"] != "3" ||
		body["iss"] != "https://records.example" || body["jti"] == "" {
		t.Errorf("claims = %v", body)
	}
}

func TestAccessTokenEndsAfterItsLifetime(t *testing.T) {
	t.Parallel()
	a := newAccess(t, t.TempDir())
	known, unknown := a.issue(t, clinic.Caller{UserID: 1, Role: clinic.RolePatient, SessionID: 3}), a.issue(t, clinic.Caller{UserID: 2, Role: clinic.RolePatient, SessionID: 3})
	if _, err := a.verifier.Verify(known); err != nil {
		t.Fatal(err)
	}
	a.ahead.Store(int64(token.AccessLifetime - 2*time.Second))
	if _, err := a.verifier.Verify(known); err != nil {
		t.Errorf("before its end: %v", err)
	}
	a.ahead.Store(int64(token.AccessLifetime + time.Second))
	for name, signed := range map[string]string{"remembered": known, "unknown": unknown} {
		_, err := a.verifier.Verify(signed)
		if clinic.ReasonOf(err) != "token_expired" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// forge signs the given header and body with the given key.
func forge(t testing.TB, key any, method jwt.SigningMethod, header, body map[string]any) string {
	t.Helper()
	forged := jwt.NewWithClaims(method, jwt.MapClaims(body))
	maps.Copy(forged.Header, header)
	s, err := forged.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVerifyRefusesWhatItDidNotIssue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAccess(t, dir)
	key := readKey(t, dir)
	kid := token.KeyID(key.Public().(ed25519.PublicKey)) //nolint:errcheck // the type is known
	good := func() (map[string]any, map[string]any) {
		return map[string]any{"typ": "at+jwt", "kid": kid}, map[string]any{
			"iss": "https://records.example", "aud": "healthrecords", "sub": "7", "role": "PATIENT", "sid": "3", "exp": time.Now().Add(time.Minute).Unix(),
		}
	}
	header, body := good()
	if _, err := a.verifier.Verify(forge(t, key, jwt.SigningMethodEdDSA, header, body)); err != nil {
		t.Fatalf("a forged token without a fault was refused, so the others prove nothing: %v", err)
	}
	for name, spoil := range map[string]func(header, body map[string]any){
		"issuer":           func(_, b map[string]any) { b["iss"] = "https://other.example" },
		"audience":         func(_, b map[string]any) { b["aud"] = "other" },
		"no expiry":        func(_, b map[string]any) { delete(b, "exp") },
		"not before":       func(_, b map[string]any) { b["nbf"] = time.Now().Add(time.Hour).Unix() },
		"role":             func(_, b map[string]any) { b["role"] = "ROOT" },
		"no role":          func(_, b map[string]any) { delete(b, "role") },
		"no session":       func(_, b map[string]any) { delete(b, "sid") },
		"no real session":  func(_, b map[string]any) { b["sid"] = "0" },
		"subject":          func(_, b map[string]any) { b["sub"] = "jane" },
		"negative subject": func(_, b map[string]any) { b["sub"] = "-7" },
		"type":             func(h, _ map[string]any) { h["typ"] = "JWT" },
		"no type":          func(h, _ map[string]any) { delete(h, "typ") },
		"no key id":        func(h, _ map[string]any) { delete(h, "kid") },
		"foreign key id":   func(h, _ map[string]any) { h["kid"] = "other" },
		"critical header":  func(h, _ map[string]any) { h["crit"] = []string{"exp"} },
	} {
		header, body := good()
		spoil(header, body)
		_, err := a.verifier.Verify(forge(t, key, jwt.SigningMethodEdDSA, header, body))
		if clinic.CodeOf(err) != clinic.CodeUnauthenticated || clinic.ReasonOf(err) != "token_invalid" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyRefusesOtherAlgorithms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAccess(t, dir)
	parts := strings.Split(a.issue(t, clinic.Caller{UserID: 1, Role: clinic.RolePatient, SessionID: 3}), ".")
	header := decode(t, parts[0])
	kid, _ := header["kid"].(string)
	public := a.opts.Keys.Public()[kid]
	rewrite := func(alg string) string {
		header["alg"] = alg
		raw, err := json.Marshal(header)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw) + "." + parts[1]
	}
	none := rewrite("none") + "."
	symmetric := rewrite("HS256") // with the public key as the secret
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(symmetric))
	symmetric += "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	for name, forged := range map[string]string{
		"none": none, "symmetric": symmetric, "empty": "", "parts": parts[0] + "." + parts[1], "long": strings.Repeat("a", 1<<20),
		"signature": parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		"claims":    parts[0] + "." + parts[1][:len(parts[1])-4] + "AAAA." + parts[2],
	} {
		_, err := a.verifier.Verify(forged)
		if clinic.CodeOf(err) != clinic.CodeUnauthenticated || clinic.ReasonOf(err) != "token_invalid" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifierRemembersWithinItsBound(t *testing.T) {
	t.Parallel()
	a := newAccess(t, t.TempDir())
	opts := a.opts
	opts.Remember = 2
	verifier, err := token.NewVerifier(opts)
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for id := range int64(5) {
		tokens = append(tokens, a.issue(t, clinic.Caller{UserID: id + 1, Role: clinic.RolePatient, SessionID: 3}))
	}
	for range 2 {
		for i, signed := range tokens {
			if got, err := verifier.Verify(signed); err != nil || got.UserID != int64(i+1) {
				t.Errorf("Verify = %+v, %v", got, err)
			}
		}
	}
}

func TestAccessNeedsItsOptions(t *testing.T) {
	t.Parallel()
	a := newAccess(t, t.TempDir())
	for _, spoil := range []func(*token.AccessOptions){
		func(o *token.AccessOptions) { o.Keys = nil },
		func(o *token.AccessOptions) { o.Issuer = "" },
		func(o *token.AccessOptions) { o.Audience = "" },
	} {
		opts := a.opts
		spoil(&opts)
		if _, err := token.NewSigner(opts); err == nil {
			t.Errorf("a signer of %+v", opts)
		}
		if _, err := token.NewVerifier(opts); err == nil {
			t.Errorf("a verifier of %+v", opts)
		}
	}
}

// The ratio of the two shows what remembering a signature saves.
func BenchmarkVerify(b *testing.B) {
	a := newAccess(b, b.TempDir())
	signed := a.issue(b, clinic.Caller{UserID: 1, Role: clinic.RolePatient, SessionID: 3})
	b.Run("remembered", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.verifier.Verify(signed); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unknown", func(b *testing.B) {
		opts := a.opts
		opts.Remember = 1
		verifier, err := token.NewVerifier(opts)
		if err != nil {
			b.Fatal(err)
		}
		other := a.issue(b, clinic.Caller{UserID: 2, Role: clinic.RolePatient, SessionID: 3})
		for b.Loop() {
			signed, other = other, signed // each evicts the other
			if _, err := verifier.Verify(signed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
