package service_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// sessions returns the caller's own sessions, the newest first.
func (d desk) sessions(t *testing.T, as clinic.Caller) []clinic.ActiveSession {
	t.Helper()
	return testkit.Value(d.Sessions.List(t.Context(), as, clinic.PageRequest{}))(t).Items
}

func TestALoginEndsTheOldestSession(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *service.APIOptions) { o.SessionsPerUser = 2 })
	first := d.register(t, patient("patient1"))
	other := d.register(t, patient("patient2"))
	login := func() clinic.Tokens {
		return testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
	}
	second := login()
	if _, err := d.Sessions.Refresh(t.Context(), first.Refresh); err != nil {
		t.Errorf("two sessions are allowed: %v", err)
	}
	third := login()
	_, err := d.Accounts.Profile(t.Context(), testkit.Value(d.verifier.Verify(first.Access))(t))
	wantReason(t, err, "session_ended")
	for _, kept := range []clinic.Tokens{second, third, other} {
		if _, err := d.Sessions.Refresh(t.Context(), kept.Refresh); err != nil {
			t.Error(err)
		}
	}
	d.db.Exec(`UPDATE sessions SET expires_at = now() - interval '1 second' WHERE user_id = $1`, first.User.ID)
	login()
	if n := d.db.Count(`SELECT count(*) FROM sessions WHERE user_id = $1`, first.User.ID); n != 3 {
		t.Errorf("%d sessions: expired ones count", n)
	}
}

func TestLoginsAtTheSameTimeKeepTheLimit(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *service.APIOptions) { o.SessionsPerUser = 3 })
	as := d.caller(t, patient("patient1"))
	for range 5 {
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if _, err := d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if n := len(d.sessions(t, as)); n != 3 {
			t.Fatalf("%d sessions, want 3", n)
		}
	}
}

func TestSessionsShowWhereTheyAreUsed(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	from := func(userAgent, address string) context.Context {
		return clinic.WithOrigin(t.Context(), netip.MustParseAddr(address), userAgent)
	}
	tokens := testkit.Value(d.Accounts.Register(from("Fire\u202efox\r\n 140\x00", "192.0.2.1"), patient("patient1"), clinic.Idempotency{}))(t)
	testkit.Value(d.Sessions.Refresh(from("Another", "2001:db8::1"), tokens.Refresh))(t)
	as := testkit.CallerOf(tokens.User)
	testkit.Value(d.Sessions.Login(from(strings.Repeat("ä", 3000)+"\xff", "192.0.2.2"), "patient1", password, clinic.SecondFactor{}))(t)
	testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
	listed := d.sessions(t, as)
	got := slices.Collect(func(yield func(clinic.Client) bool) {
		for _, s := range listed {
			if !yield(s.Login) || !yield(s.LastUse) {
				return
			}
		}
	})
	long := clinic.Client{Device: strings.Repeat("ä", clinic.MaxDevice), Address: netip.MustParseAddr("192.0.2.2")}
	want := []clinic.Client{
		{},
		{},
		long, long,
		{Device: "Firefox 140", Address: netip.MustParseAddr("192.0.2.1")},
		{Device: "Another", Address: netip.MustParseAddr("2001:db8::1")},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if others := d.sessions(t, d.caller(t, patient("patient2"))); len(others) != 1 || others[0].Login != (clinic.Client{}) {
		t.Errorf("somebody else sees %+v", others)
	}
	if err := d.Sessions.End(t.Context(), as, listed[2].ID); err != nil {
		t.Fatal(err)
	}
	if n := d.db.Count(`SELECT count(*) FROM sessions WHERE device = 'Firefox 140' OR last_device = 'Another'`); n != 0 {
		t.Error("the device outlives its session")
	}
}

func TestDevicesAreOneShortLine(t *testing.T) {
	t.Parallel()
	for userAgent, want := range map[string]string{
		"": "", "curl/8": "curl/8", "\t": "", "a\u200bb": "ab", "\u2066x\u2069": "x", "\x1b[31mred": "[31mred", "a\n\nb": "a b",
		strings.Repeat("\u00e4", 401): strings.Repeat("ä", clinic.MaxDevice), "e\u0301": "\u00e9",
	} {
		got := clinic.ClientOf(clinic.WithOrigin(t.Context(), netip.Addr{}, userAgent)).Device
		if got != want || !utf8.ValidString(got) {
			t.Errorf("%q becomes %q, want %q", userAgent, got, want)
		}
	}
}
