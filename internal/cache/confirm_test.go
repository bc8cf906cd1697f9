package cache_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/cache"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// in is the caller of one of a user's sessions.
func in(user, session int64) clinic.Caller {
	return clinic.Caller{UserID: user, Role: clinic.RoleDoctor, SessionID: session}
}

// confirm guesses once within a session, and reports whether the guess was checked.
func confirm(t testing.TB, throttle *cache.Throttle, caller clinic.Caller, outcome error) bool {
	t.Helper()
	ctx := from(t, home)
	done, err := throttle.Confirm(ctx, caller)
	var refusal *clinic.Error
	switch {
	case err == nil:
		done(ctx, outcome)
		return true
	case !errors.As(err, &refusal) || refusal.Code != clinic.CodeTooMany || refusal.After <= 0 || refusal.After > time.Hour:
		t.Errorf("Confirm: %v", err)
	}
	return false
}

// wrongConfirmations makes n wrong guesses within a session, and returns how many were checked.
func wrongConfirmations(t testing.TB, throttle *cache.Throttle, caller clinic.Caller, n int) (seen int) {
	t.Helper()
	for range n {
		if confirm(t, throttle, caller, errWrong()) {
			seen++
		}
	}
	return seen
}

func TestConfirmationsAtOnceAreNoMoreThanInTurn(t *testing.T) {
	t.Parallel()
	wantTenAtOnce(t, func(t *testing.T, throttle *cache.Throttle) bool {
		t.Helper()
		return confirm(t, throttle, in(1, 1), errWrong())
	})
}

// TestASessionHasItsOwnQuota: guesses in one session block neither the
// other sessions nor a login, and guesses at logins block no session.
func TestASessionHasItsOwnQuota(t *testing.T) {
	t.Parallel()
	one, _, alone, _ := throttles(t)
	for name, throttle := range map[string]*cache.Throttle{"shared": one, "alone": alone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRightUncounted(t, func(outcome error) bool { return confirm(t, throttle, in(1, 1), outcome) })
			if seen := wrongConfirmations(t, throttle, in(1, 1), 15); seen < 9 || seen > 10 {
				t.Errorf("%d guesses were checked in one session, want 10, or 9 while the last right one is still counted in part", seen)
			}
			for what, caller := range map[string]clinic.Caller{
				"another session": in(1, 2), "the same number of another user": in(2, 1), "a call from inside": in(1, 0), "another user's": in(2, 0),
			} {
				if !confirm(t, throttle, caller, nil) {
					t.Errorf("%s is refused", what)
				}
			}
			if seen := wrongConfirmations(t, throttle, in(1, 0), 12); seen < 9 || seen > 10 || !confirm(t, throttle, in(2, 0), nil) {
				t.Errorf("%d guesses were checked in calls from inside, want 10", seen)
			}
			if seen := wrongGuesses(t, throttle, home, "1", 12); seen != 10 {
				t.Errorf("%d logins were checked, want 10", seen)
			}
			for i := range 120 {
				wrongGuesses(t, throttle, home, fmt.Sprintf("made-up%d", i), 1)
			}
			if seen := wrongConfirmations(t, throttle, in(1, 3), 12); seen != 10 {
				t.Errorf("%d guesses were checked after those at logins, want 10", seen)
			}
		})
	}
}

// TestManySessionsOfAnAccountAreBounded: four stolen sessions do not block the owner's,
// and a hundred allow no more guesses than five.
func TestManySessionsOfAnAccountAreBounded(t *testing.T) {
	t.Parallel()
	one, _, alone, _ := throttles(t)
	for name, throttle := range map[string]*cache.Throttle{"shared": one, "alone": alone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := 0
			for session := range int64(4) {
				seen += wrongConfirmations(t, throttle, in(1, session+1), 20)
			}
			if !confirm(t, throttle, in(1, 100), nil) {
				t.Error("four stolen sessions stop a fifth")
			}
			for session := range int64(96) {
				seen += wrongConfirmations(t, throttle, in(1, session+5), 5)
			}
			if seen < 50 || seen > 52 { // the quota, and those that an hour's quota allows meanwhile
				t.Errorf("%d guesses were checked in all sessions, want 50", seen)
			}
			if !confirm(t, throttle, in(2, 1), nil) {
				t.Error("another account is refused")
			}
		})
	}
}
