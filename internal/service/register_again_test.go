package service_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestRegistrationIsRepeatedUnderItsKey(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]clinic.Registration{"patient": patient("somebody"), "doctor": doctor("somebody")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, nil)
			idem := clinic.Idempotency{Key: "k", Operation: "register"}
			first := testkit.Value(d.Accounts.Register(t.Context(), r, idem))(t)
			again := testkit.Value(d.Accounts.Register(t.Context(), r, idem))(t)
			d.wantSession(t, again, first.User)
			if again.Refresh == first.Refresh {
				t.Error("the refresh token came twice")
			}
			if n := d.db.Count("SELECT count(*) FROM users"); n != 1 {
				t.Errorf("%d users", n)
			}
		})
	}
}

func TestRegistrationKeyIsNotForAnotherRequest(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	idem := clinic.Idempotency{Key: "k", Operation: "register"}
	testkit.Value(d.Accounts.Register(t.Context(), patient("somebody"), idem))(t)
	otherEmail, otherPassword := patient("somebody"), patient("somebody")
	otherEmail.Email, otherPassword.Password = "other@example.com", "another horse"
	for name, r := range map[string]clinic.Registration{
		"another name": patient("other"), "another role": doctor("somebody"), "another email": otherEmail, "another password": otherPassword,
	} {
		_, err := d.Accounts.Register(t.Context(), r, idem)
		if clinic.CodeOf(err) != clinic.CodeInvalid || clinic.ReasonOf(err) != "idempotency_key_reused" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, key := range []string{"", "another"} {
		_, err := d.Accounts.Register(t.Context(), patient("somebody"), clinic.Idempotency{Key: key, Operation: "register"})
		wantReason(t, err, "username_taken")
	}
	if n := d.db.Count("SELECT count(*) FROM users"); n != 1 {
		t.Errorf("%d users", n)
	}
}

func TestRegistrationOfInactiveAccountIsNotRepeated(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	idem := clinic.Idempotency{Key: "k", Operation: "register"}
	testkit.Value(d.Accounts.Register(t.Context(), patient("somebody"), idem))(t)
	d.db.Exec("UPDATE users SET active = false")
	_, err := d.Accounts.Register(t.Context(), patient("somebody"), idem)
	wantCode(t, err, clinic.CodeUnauthenticated)
}

func TestConcurrentTwinsRegisterOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	var group sync.WaitGroup
	sessions := make([]clinic.Tokens, 6)
	for i := range sessions {
		group.Go(func() {
			var err error
			if sessions[i], err = d.Accounts.Register(t.Context(), doctor("somebody"), clinic.Idempotency{Key: "k", Operation: "register"}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, s := range sessions {
		d.wantSession(t, s, sessions[0].User)
	}
}

// The stored hash is the same for every password, so it does not help
// a guesser.
func TestKeptRegistrationSaysNothingOfThePassword(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	var hashes [][]byte
	for _, secret := range []string{"correct horse", "another horse"} {
		r := patient("somebody")
		r.Password = secret
		testkit.Value(d.Accounts.Register(t.Context(), r, clinic.Idempotency{Key: "k", Operation: "register", Hash: []byte(secret)}))(t)
		var hash, answer []byte
		if err := d.db.Pool.QueryRow(t.Context(), "SELECT request_hash, answer FROM idempotency_keys").Scan(&hash, &answer); err != nil {
			t.Fatal(err)
		}
		if answer != nil {
			t.Errorf("answer = %s", answer)
		}
		hashes = append(hashes, hash)
		d.db.Exec("DELETE FROM users")
	}
	if !bytes.Equal(hashes[0], hashes[1]) {
		t.Error("the hash depends on the password")
	}
}
