package server_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// loggedIn is a session with both tokens.
type loggedIn struct{ access, refresh string }

func (w *world) login(username string) loggedIn {
	w.t.Helper()
	got := w.want(http.StatusOK, call{method: post, path: "/api/auth/login/", body: map[string]any{"username": username, "password": password}})
	return loggedIn{access: dig[string](w.t, got, "access"), refresh: dig[string](w.t, got, "refresh")}
}

func codeOf(t testing.TB, a answer) string {
	t.Helper()
	return dig[string](t, a.object(t), "code")
}

func TestLogoutTakesEitherToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.patient("patient1")
	for name, request := range map[string]func(loggedIn) call{
		"access":  func(s loggedIn) call { return call{token: s.access} },
		"refresh": func(s loggedIn) call { return call{body: map[string]any{"refresh": s.refresh}} },
	} {
		s := w.login("patient1")
		profile := call{method: get, path: "/api/auth/profile/", token: s.access}
		w.want(http.StatusOK, profile)
		logout := request(s)
		logout.method, logout.path = post, "/api/auth/logout/"
		w.want(http.StatusNoContent, logout)
		if got := w.do(profile); got.status != http.StatusUnauthorized || codeOf(t, got) != "session_ended" {
			t.Errorf("by %s: then the access token gets %d: %s", name, got.status, got.body)
		}
		w.want(http.StatusUnauthorized, call{method: post, path: "/api/auth/token/refresh/", body: map[string]any{"refresh": s.refresh}})
	}
	w.want(http.StatusUnauthorized, call{method: post, path: "/api/auth/logout/"})
	w.want(http.StatusUnauthorized, call{method: post, path: "/api/auth/logout/", token: "none"})
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.patient("patient1")
	second := w.login("patient1")
	list := w.want(http.StatusOK, call{method: get, path: "/api/auth/sessions/?page_size=1", token: first.token})
	if dig[float64](t, list, "count") != 2 || dig[bool](t, list, "results", 0, "current") || dig[string](t, list, "next") == "" {
		t.Errorf("sessions = %v", list)
	}
	id := dig[float64](t, list, "results", 0, "id")
	w.want(http.StatusNoContent, call{method: remove, path: fmt.Sprintf("/api/auth/sessions/%.0f/", id), token: first.token})
	w.want(http.StatusUnauthorized, call{method: get, path: "/api/auth/profile/", token: second.access})
	list = w.want(http.StatusOK, call{method: get, path: "/api/auth/sessions/", token: first.token})
	if dig[float64](t, list, "count") != 1 || !dig[bool](t, list, "results", 0, "current") {
		t.Errorf("sessions = %v", list)
	}
}

// TestPublishedKeyVerifiesATokenOfTheServer verifies a token as a gateway in front of
// other services would: it knows only the server's URL.
func TestPublishedKeyVerifiesATokenOfTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.patient("patient1")
	got := w.do(call{method: get, path: "/.well-known/jwks.json"})
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/jwk-set+json" ||
		got.header.Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("%d %v", got.status, got.header)
	}
	if strings.Contains(string(got.body), `"d"`) {
		t.Error("a private key is published")
	}
	set := got.object(t)
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(p.token, claims, func(parsed *jwt.Token) (any, error) {
		for i := range dig[[]any](t, set, "keys") {
			if dig[string](t, set, "keys", i, "kid") == parsed.Header["kid"] {
				x, err := base64.RawURLEncoding.DecodeString(dig[string](t, set, "keys", i, "x"))
				return ed25519.PublicKey(x), err
			}
		}
		return nil, jwt.ErrTokenUnverifiable
	}, jwt.WithValidMethods([]string{dig[string](t, set, "keys", 0, "alg")}), jwt.WithIssuer("healthrecords"))
	if err != nil || claims["sub"] != fmt.Sprint(p.userID) {
		t.Errorf("claims = %v, %v", claims, err)
	}
}
