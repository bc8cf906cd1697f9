package service_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/token"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	first := d.register(t, patient("patient1"))
	for _, name := range []string{"patient1", "PATIENT1"} {
		s := testkit.Value(d.Sessions.Login(t.Context(), name, password, clinic.SecondFactor{}))(t)
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
		s, err := d.Sessions.Login(t.Context(), try.username, try.password, clinic.SecondFactor{})
		wantCode(t, err, clinic.CodeUnauthenticated)
		if first == nil {
			first = err
		}
		if err.Error() != first.Error() || clinic.ReasonOf(err) != clinic.ReasonOf(first) || s != (clinic.Tokens{}) {
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
	today := testkit.Value(service.NewAPI(d.opts))(t)
	if _, err := today.Sessions.Login(t.Context(), "patient1", "wrong horse", clinic.SecondFactor{}); clinic.CodeOf(err) != clinic.CodeUnauthenticated || hash() != weak {
		t.Errorf("a wrong password: %v, %s", err, hash())
	}
	testkit.Value(today.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
	strong := hash()
	if !strings.Contains(strong, "m=128,") {
		t.Errorf("hash = %s, was %s", strong, weak)
	}
	testkit.Value(today.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
	if hash() != strong {
		t.Error("a hash of the present costs was replaced")
	}
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	s := d.register(t, patient("patient1"))
	other := testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
	seen := map[string]bool{s.Refresh: true}
	for range 5 {
		next := testkit.Value(d.Sessions.Refresh(t.Context(), s.Refresh))(t)
		d.wantSession(t, next, s.User)
		if seen[next.Refresh] {
			t.Error("a refresh token came twice")
		}
		seen[next.Refresh], s = true, next
	}
	testkit.Value(d.Sessions.Refresh(t.Context(), other.Refresh))(t)
	if n := d.db.Count("SELECT count(*) FROM sessions"); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

func TestSessionEndsHoweverOftenItIsRefreshed(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	s := d.register(t, patient("patient1"))
	d.db.Exec(`UPDATE sessions SET created_at = created_at - make_interval(secs => $1)`, (token.SessionLifetime - time.Hour).Seconds())
	s = testkit.Value(d.Sessions.Refresh(t.Context(), s.Refresh))(t)
	if n := d.db.Count(`SELECT count(*) FROM refresh_tokens WHERE used_at IS NULL AND expires_at > now() + interval '1 hour'`); n != 0 {
		t.Error("the new token outlives the session")
	}
	d.db.Exec(`UPDATE refresh_tokens SET expires_at = expires_at - interval '1 hour'`)
	_, err := d.Sessions.Refresh(t.Context(), s.Refresh)
	wantReason(t, err, "refresh_token_invalid")
}

func TestUsedRefreshTokenEndsItsSession(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	other := d.register(t, patient("patient1"))
	for name, replay := range map[string]func(stolen string) (newest string){
		"its successor was used": func(stolen string) string {
			return testkit.Value(d.Sessions.Refresh(t.Context(), testkit.Value(d.Sessions.Refresh(t.Context(), stolen))(t).Refresh))(t).Refresh
		},
		"the grace is over": func(stolen string) string {
			newest := testkit.Value(d.Sessions.Refresh(t.Context(), stolen))(t).Refresh
			d.db.Exec("UPDATE refresh_tokens SET used_at = used_at - make_interval(secs => $1)", token.RefreshGrace.Seconds())
			return newest
		},
	} {
		stolen := testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
		newest := replay(stolen.Refresh)
		for _, refresh := range []string{stolen.Refresh, newest, stolen.Refresh} {
			_, err := d.Sessions.Refresh(t.Context(), refresh)
			wantCode(t, err, clinic.CodeUnauthenticated)
			if clinic.ReasonOf(err) != "refresh_token_invalid" {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err := d.Accounts.Profile(t.Context(), testkit.Value(d.verifier.Verify(stolen.Access))(t))
		wantReason(t, err, "session_ended")
	}
	testkit.Value(d.Sessions.Refresh(t.Context(), other.Refresh))(t) // another login is not affected
}

func TestRepeatedRefreshGetsTheSameSuccessor(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	s := d.register(t, patient("patient1"))
	first := testkit.Value(d.Sessions.Refresh(t.Context(), s.Refresh))(t)
	again := testkit.Value(d.Sessions.Refresh(t.Context(), s.Refresh))(t)
	if again.Refresh != first.Refresh {
		t.Error("a lost answer is not repeated")
	}
	d.wantSession(t, again, s.User)
	if n := d.db.Count("SELECT count(*) FROM refresh_tokens WHERE used_at IS NULL"); n != 1 {
		t.Errorf("%d unused tokens, want 1", n)
	}
	testkit.Value(d.Sessions.Refresh(t.Context(), first.Refresh))(t)
	if n := d.db.Count("SELECT count(*) FROM refresh_tokens WHERE successor_salt IS NOT NULL"); n != 1 {
		t.Errorf("%d salts are stored, want that of the newest used token", n)
	}
}

// A reader of the database gets the hash of the used token and the salt of its
// successor: neither yields a token that is accepted.
func TestDatabaseMakesNoSuccessor(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	s := d.register(t, patient("patient1"))
	testkit.Value(d.Sessions.Refresh(t.Context(), s.Refresh))(t)
	var hash, salt []byte
	err := d.db.Pool.QueryRow(t.Context(), "SELECT token_hash, successor_salt FROM refresh_tokens WHERE used_at IS NOT NULL").Scan(&hash, &salt)
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{string(hash), base64.RawURLEncoding.EncodeToString(hash), fmt.Sprintf("%x", hash)} {
		guess, _ := token.Successor(known, salt)
		_, err := d.Sessions.Refresh(t.Context(), guess)
		wantReason(t, err, "refresh_token_invalid")
	}
}

func TestRefreshRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	s := d.register(t, patient("patient1"))
	expired := testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
	d.db.Exec("UPDATE refresh_tokens SET expires_at = now() WHERE token_hash = $1", token.HashRefresh(expired.Refresh))
	for name, refresh := range map[string]string{
		"empty": "", "unknown": strings.Repeat("A", 43), "expired": expired.Refresh, "access token": s.Access, "binary": "\x00\xff",
	} {
		if _, err := d.Sessions.Refresh(t.Context(), refresh); clinic.ReasonOf(err) != "refresh_token_invalid" {
			t.Errorf("%s: %v", name, err)
		}
	}
	testkit.Value(d.Sessions.Refresh(t.Context(), s.Refresh))(t)
}

func TestConcurrentRefreshesHaveOneSuccessor(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	for round := range 10 {
		s := d.register(t, patient(fmt.Sprintf("patient%d", round)))
		var group sync.WaitGroup
		successors := make([]string, 20)
		for i := range successors {
			group.Go(func() {
				next, err := d.Sessions.Refresh(t.Context(), s.Refresh)
				if err != nil {
					t.Error(err)
				}
				successors[i] = next.Refresh
			})
		}
		group.Wait()
		if distinct := slices.Compact(slices.Sorted(slices.Values(successors))); len(distinct) != 1 {
			t.Errorf("%d successors", len(distinct))
		}
		testkit.Value(d.Sessions.Refresh(t.Context(), successors[0]))(t)
	}
}

func TestLogoutEndsTheSessionAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.register(t, patient("patient1"))
	for name, leave := range map[string]func(clinic.Tokens) error{
		"by access token": func(s clinic.Tokens) error {
			return d.Sessions.Logout(t.Context(), testkit.Value(d.verifier.Verify(s.Access))(t))
		},
		"by refresh token": func(s clinic.Tokens) error { return d.Sessions.LogoutByRefresh(t.Context(), s.Refresh) },
		"by a used refresh token": func(s clinic.Tokens) error {
			testkit.Value(d.Sessions.Refresh(t.Context(), s.Refresh))(t)
			return d.Sessions.LogoutByRefresh(t.Context(), s.Refresh)
		},
	} {
		s := testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
		caller := testkit.Value(d.verifier.Verify(s.Access))(t)
		testkit.Value(d.Accounts.Profile(t.Context(), caller))(t)
		if err := leave(s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, readErr := d.Accounts.Profile(t.Context(), caller)
		_, writeErr := d.Accounts.UpdateProfile(t.Context(), caller, clinic.ProfileChange{}, nil)
		for _, err := range []error{readErr, writeErr, d.Sessions.Logout(t.Context(), caller)} {
			wantCode(t, err, clinic.CodeUnauthenticated)
			wantReason(t, err, "session_ended")
		}
		if _, err := d.Sessions.Refresh(t.Context(), s.Refresh); clinic.ReasonOf(err) != "refresh_token_invalid" {
			t.Errorf("%s: the refresh token: %v", name, err)
		}
		if err := d.Sessions.LogoutByRefresh(t.Context(), s.Refresh); err != nil {
			t.Errorf("%s: again: %v", name, err)
		}
	}
}

func TestSessionsAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	foreign := testkit.Value(d.verifier.Verify(d.register(t, patient("patient2")).Access))(t)
	first := d.register(t, patient("patient1"))
	second := testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
	expired := testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
	d.db.Exec("UPDATE sessions SET expires_at = now() WHERE id = $1", testkit.Value(d.verifier.Verify(expired.Access))(t).SessionID)
	caller, other := testkit.Value(d.verifier.Verify(second.Access))(t), testkit.Value(d.verifier.Verify(first.Access))(t)
	list := testkit.Value(d.Sessions.List(t.Context(), caller, clinic.PageRequest{}))(t)
	if list.Total != 2 || len(list.Items) != 2 || list.Items[0].ID != caller.SessionID || !list.Items[0].Current ||
		list.Items[1].ID != other.SessionID || list.Items[1].Current {
		t.Errorf("sessions = %+v", list)
	}
	for _, id := range []int64{foreign.SessionID, 1 << 40, 0} {
		wantCode(t, d.Sessions.End(t.Context(), caller, id), clinic.CodeNotFound)
	}
	if err := d.Sessions.End(t.Context(), caller, other.SessionID); err != nil {
		t.Fatal(err)
	}
	_, err := d.Accounts.Profile(t.Context(), other)
	wantReason(t, err, "session_ended")
	testkit.Value(d.Accounts.Profile(t.Context(), foreign))(t)
	testkit.Value(d.Accounts.Profile(t.Context(), caller))(t)
}

// A session belongs to one user: another user's id with it is nobody.
func TestForeignSessionIdentifiesNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	one := testkit.Value(d.verifier.Verify(d.register(t, patient("patient1")).Access))(t)
	two := testkit.Value(d.verifier.Verify(d.register(t, patient("patient2")).Access))(t)
	one.SessionID = two.SessionID
	_, err := d.Accounts.Profile(t.Context(), one)
	wantReason(t, err, "session_ended")
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
