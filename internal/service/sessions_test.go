package service_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/token"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	first := d.register(t, patient("patient1"))
	for _, name := range []string{"patient1", "PATIENT1"} {
		s := must(d.Login(t.Context(), name, password))(t)
		d.wantSession(t, s, first.User)
		if s.Refresh == first.Refresh || s.Access == first.Access {
			t.Error("two sessions share a token")
		}
	}
}

func TestLoginRefusesAlike(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.register(t, patient("patient1"))
	d.register(t, patient("gone"))
	d.db.Exec("UPDATE users SET active = false WHERE username = 'gone'")
	var first error
	for _, try := range []struct{ username, password string }{
		{"patient1", "wrong horse"},
		{"patient1", ""},
		{"patient1", strings.Repeat("x", 100_000)},
		{"gone", password},
		{"nobody", password},
		{"", password},
		{"patient1\x00", password},
		{"\xff", password},
		{strings.Repeat("x", 100_000), password},
		{"patient1' OR '1'='1", password},
		{"patient%", password},
	} {
		s, err := d.Login(t.Context(), try.username, try.password)
		wantCode(t, err, clinic.CodeUnauthenticated)
		if first == nil {
			first = err
		}
		if err.Error() != first.Error() || clinic.ReasonOf(err) != clinic.ReasonOf(first) || s != (clinic.Session{}) {
			t.Errorf("%.20q: %v, %+v", try.username, err, s)
		}
	}
	if n := d.db.Count("SELECT count(*) FROM sessions"); n != 2 {
		t.Errorf("%d sessions, want the two of the registrations", n)
	}
}

func TestLoginUpgradesTheHash(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.register(t, patient("patient1"))
	hash := func() (h string) {
		if err := d.db.Pool.QueryRow(t.Context(), "SELECT password_hash FROM users").Scan(&h); err != nil {
			t.Fatal(err)
		}
		return h
	}
	weak := hash()
	d.opts.Passwords = newHasher(t, 128)
	today := must(service.New(d.opts))(t)
	if _, err := today.Login(t.Context(), "patient1", "wrong horse"); clinic.CodeOf(err) != clinic.CodeUnauthenticated || hash() != weak {
		t.Errorf("a wrong password: %v, %s", err, hash())
	}
	must(today.Login(t.Context(), "patient1", password))(t)
	strong := hash()
	if !strings.Contains(strong, "m=128,") {
		t.Errorf("hash = %s, was %s", strong, weak)
	}
	must(today.Login(t.Context(), "patient1", password))(t)
	if hash() != strong {
		t.Error("a hash of today's costs was made again")
	}
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	s := d.register(t, patient("patient1"))
	other := must(d.Login(t.Context(), "patient1", password))(t)
	seen := map[string]bool{s.Refresh: true}
	for range 5 {
		next := must(d.Refresh(t.Context(), s.Refresh))(t)
		d.wantSession(t, next, s.User)
		if seen[next.Refresh] {
			t.Error("a refresh token came twice")
		}
		seen[next.Refresh], s = true, next
	}
	must(d.Refresh(t.Context(), other.Refresh))(t)
	if n := d.db.Count("SELECT count(*) FROM sessions"); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

func TestUsedRefreshTokenEndsItsSession(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	stolen := d.register(t, patient("patient1"))
	other := must(d.Login(t.Context(), "patient1", password))(t)
	newest := must(d.Refresh(t.Context(), must(d.Refresh(t.Context(), stolen.Refresh))(t).Refresh))(t)
	for _, refresh := range []string{stolen.Refresh, newest.Refresh, stolen.Refresh} {
		_, err := d.Refresh(t.Context(), refresh)
		wantCode(t, err, clinic.CodeUnauthenticated)
		wantReason(t, err, "refresh_token_invalid")
	}
	must(d.Refresh(t.Context(), other.Refresh))(t) // another login is not concerned
}

func TestRefreshRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	s := d.register(t, patient("patient1"))
	expired := must(d.Login(t.Context(), "patient1", password))(t)
	d.db.Exec("UPDATE refresh_tokens SET expires_at = now() WHERE token_hash = $1", token.HashRefresh(expired.Refresh))
	for name, refresh := range map[string]string{
		"empty": "", "unknown": strings.Repeat("A", 43), "expired": expired.Refresh, "access token": s.Access, "binary": "\x00\xff",
	} {
		if _, err := d.Refresh(t.Context(), refresh); clinic.ReasonOf(err) != "refresh_token_invalid" {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(d.Refresh(t.Context(), s.Refresh))(t)
}

func TestConcurrentRefreshesHaveOneSuccessor(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	for round := range 10 {
		s := d.register(t, patient(fmt.Sprintf("patient%d", round)))
		var group sync.WaitGroup
		var mutex sync.Mutex
		var successors int
		for range 8 {
			group.Go(func() {
				_, err := d.Refresh(t.Context(), s.Refresh)
				mutex.Lock()
				defer mutex.Unlock()
				if err == nil {
					successors++
				} else if clinic.CodeOf(err) != clinic.CodeUnauthenticated {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if successors != 1 {
			t.Errorf("%d successors", successors)
		}
	}
}

func TestNothingStoredLogsIn(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	s := d.register(t, patient("patient1"))
	for _, secret := range []string{password, s.Refresh, s.Access} {
		for _, table := range []string{"users", "sessions", "refresh_tokens", "idempotency_keys"} {
			if n := d.db.Count("SELECT count(*) FROM "+table+" AS t WHERE t::text LIKE '%' || $1 || '%'", secret); n != 0 {
				t.Errorf("a secret is in %s", table)
			}
		}
	}
}
