package store

import (
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func randomHash() []byte {
	hash := make([]byte, 32)
	_, _ = rand.Read(hash)
	return hash
}

// A token that is being made while its session ends must not outlive the session, and
// the two must not deadlock.
func TestSessionEndsWithTheTokenThatIsBeingMade(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	db := openTest(t, dsn)
	factory := testkit.NewFactory(t, dsn)
	user := factory.Admin()
	h := db.System()
	rotate := func(used []byte) (successor []byte, err error) {
		successor = randomHash()
		_, err = h.Sessions().Rotate(t.Context(), Rotation{Used: used, Successor: successor, SuccessorSalt: randomHash(), Lifetime: time.Hour})
		return successor, err
	}
	for range 100 {
		stolen := randomHash()
		if _, err := h.Sessions().Start(t.Context(), Credentials{User: user, Version: 1}, stolen, time.Hour, 20); err != nil {
			t.Fatal(err)
		}
		newest, err := rotate(stolen)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		group.Go(func() { // the owner refreshes while a thief uses the old token
			for range 1000 {
				if newest, err = rotate(newest); err != nil {
					break
				}
			}
			wantCode(t, err, clinic.CodeNotFound)
		})
		group.Go(func() {
			if _, err := h.Sessions().EndOfUsedToken(t.Context(), stolen); err != nil {
				t.Error(err)
			}
		})
		group.Wait()
		if n := factory.Count("SELECT count(*) FROM refresh_tokens"); n != 0 {
			t.Fatalf("%d tokens outlived their session", n)
		}
	}
}

// An account is disabled while one of its sessions is being started.
func TestDisablingEndsTheSessionThatIsBeingStarted(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	db := openTest(t, dsn)
	factory := testkit.NewFactory(t, dsn)
	user, admin := factory.Patient(testkit.PatientOptions{}).User, testkit.CallerOf(factory.Admin())
	var group sync.WaitGroup
	err := db.Tx(t.Context(), nil, func(login Handle) error {
		if _, err := login.Sessions().Start(t.Context(), Credentials{User: user, Version: 1}, randomHash(), time.Hour, 20); err != nil {
			return err
		}
		group.Go(func() {
			if err := db.Tx(t.Context(), &admin, func(h Handle) error {
				_, err := h.Accounts().SetActive(t.Context(), user.ID, false)
				return err
			}); err != nil {
				t.Error(err)
			}
		})
		for factory.Count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 0 {
			if t.Context().Err() != nil {
				return t.Context().Err()
			}
		}
		return nil // the session is there now
	})
	if err != nil {
		t.Fatal(err)
	}
	group.Wait()
	if n := factory.Count(`SELECT count(*) FROM sessions`); n != 0 {
		t.Errorf("%d sessions of a disabled account are left", n)
	}
}
