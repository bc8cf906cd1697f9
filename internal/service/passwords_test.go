package service_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestChangePasswordEndsTheOtherSessions(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	other := d.register(t, patient("patient1"))
	own := testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
	caller := testkit.Value(d.verifier.Verify(own.Access))(t)
	const changed = "battery staple"
	if err := d.Accounts.ChangePassword(t.Context(), caller, password, changed); err != nil {
		t.Fatal(err)
	}
	_, err := d.Accounts.Profile(t.Context(), testkit.Value(d.verifier.Verify(other.Access))(t))
	wantReason(t, err, "session_ended")
	_, err = d.Sessions.Refresh(t.Context(), other.Refresh)
	wantReason(t, err, "refresh_token_invalid")
	testkit.Value(d.Accounts.Profile(t.Context(), caller))(t)
	testkit.Value(d.Sessions.Refresh(t.Context(), own.Refresh))(t)
	_, err = d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{})
	wantReason(t, err, "bad_credentials")
	testkit.Value(d.Sessions.Login(t.Context(), "patient1", changed, clinic.SecondFactor{}))(t)
}

func TestChangePasswordRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	other := d.register(t, patient("patient1"))
	caller := testkit.Value(d.verifier.Verify(testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t).Access))(t)
	for _, try := range []struct{ current, changed, field string }{
		{"wrong horse", "battery staple", "current_password"},
		{"", "battery staple", "current_password"},
		{password, "short", "new_password"},
		{password, "trustno1", "new_password"},
		{password, "patient2026", "new_password"},
	} {
		wantFields(t, d.Accounts.ChangePassword(t.Context(), caller, try.current, try.changed), try.field)
	}
	testkit.Value(d.Sessions.Refresh(t.Context(), other.Refresh))(t)
	testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
}

// A login that was checked against the old password must leave no session when
// the password changes at the same moment.
func TestNoSessionOfAnOldPasswordIsLeft(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	caller := testkit.Value(d.verifier.Verify(d.register(t, patient("patient1")).Access))(t)
	current := password
	for round := range 10 {
		changed := fmt.Sprintf("battery staple %d", round)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if _, err := d.Sessions.Login(t.Context(), "patient1", current, clinic.SecondFactor{}); err != nil && clinic.CodeOf(err) != clinic.CodeUnauthenticated {
					t.Error(err)
				}
			})
		}
		if err := d.Accounts.ChangePassword(t.Context(), caller, current, changed); err != nil {
			t.Fatal(err)
		}
		group.Wait()
		if n := d.db.Count("SELECT count(*) FROM sessions"); n != 1 {
			t.Fatalf("round %d: %d sessions, want the one that changed the password", round, n)
		}
		current = changed
	}
}

// TestAnswersTakeTheSameWork counts hashes, which take nearly all of the time
// of these answers.
func TestAnswersTakeTheSameWork(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.register(t, patient("known"))
	d.register(t, patient("gone"))
	d.db.Exec("UPDATE users SET active = false WHERE username = 'gone'")
	login := func(username, password string) func() {
		return func() { _, _ = d.Sessions.Login(t.Context(), username, password, clinic.SecondFactor{}) }
	}
	register := func(username, key string) func() {
		return func() { _, _ = d.Accounts.Register(t.Context(), patient(username), clinic.Idempotency{Key: key}) }
	}
	for name, ask := range map[string]func(){
		"known user, right password": login("known", password), "known user, wrong password": login("known", "wrong horse"),
		"unknown user": login("nobody", password), "no username": login("", password), "impossible username": login("no\x00body", password),
		"inactive user, right password": login("gone", password), "inactive user, wrong password": login("gone", "wrong horse"),
		"free name": register("newcomer", ""), "taken name": register("known", ""), "name of an inactive user": register("gone", ""),
		"free name with a key": register("newcomer2", "key"), "taken name with a key": register("KNOWN", "another key"),
	} {
		before := d.opts.Passwords.Computed()
		ask()
		if n := d.opts.Passwords.Computed() - before; n != 1 {
			t.Errorf("%s: %d hashes, want 1", name, n)
		}
	}
}

// BenchmarkLogin compares the times themselves.
func BenchmarkLogin(b *testing.B) {
	d := newDesk(b, nil)
	d.register(b, patient("known"))
	for _, username := range []string{"known", "unknown"} {
		b.Run(username, func(b *testing.B) {
			for b.Loop() {
				_, _ = d.Sessions.Login(b.Context(), username, "wrong horse", clinic.SecondFactor{})
			}
		})
	}
}
