package service_test

import (
	"sync"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestOfAdministratorsWhoDisableEachOtherOneIsLeft also when they do so at the
// same moment.
func TestOfAdministratorsWhoDisableEachOtherOneIsLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := f.db.Admin(), f.db.Admin()
	for range 10 {
		f.db.Exec(`UPDATE users SET active = true`)
		var group sync.WaitGroup
		for _, pair := range [][2]clinic.User{{first, second}, {second, first}} {
			group.Go(func() {
				_, err := f.Accounts.Disable(t.Context(), testkit.CallerOf(pair[0]), pair[1].ID)
				if code := clinic.CodeOf(err); code != "" && code != clinic.CodeUnauthenticated {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if n := f.db.Count(`SELECT count(*) FROM users WHERE active`); n != 1 {
			t.Fatalf("%d administrators are left, want 1", n)
		}
	}
}

func TestDisablingOneselfIsRefusedAndAudited(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	admin := f.db.Admin()
	_, err := f.Accounts.Disable(t.Context(), testkit.CallerOf(admin), admin.ID)
	wantReason(t, err, "own_account")
	if n := f.db.Count(`SELECT count(*) FROM audit_log WHERE user_id = $1 AND object_id = $1 AND decision = 'conflict'`, admin.ID); n != 1 {
		t.Errorf("%d audit rows, want 1", n)
	}
}
