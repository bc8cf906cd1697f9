package auditlog_test

import (
	"crypto/ed25519"
	"slices"
	"testing"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/auditlog"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/token"
)

// TestRowsThatWereLostLeaveNoHole covers a restore, or a failover that loses rows, while
// a worker still knows them: their ids are used again, and each new row is sealed.
func TestRowsThatWereLostLeaveNoHole(t *testing.T) {
	t.Parallel()
	lose := func(t *testing.T, v vault) {
		t.Helper()
		for range 3 {
			v.db.Exec(auditInsert)
		}
		if _, err := v.sealer.Seal(t.Context()); err != nil { // now it knows the third row
			t.Fatal(err)
		}
		v.db.Exec(`DELETE FROM audit_log WHERE id > 1`)
		v.db.Exec(`SELECT setval('audit_log_id_seq', 1)`)
	}
	intact := func(t *testing.T, v vault) {
		t.Helper()
		v.sealAll(t)
		if faults, good, unsealed := v.verify(t, asIs); len(faults) > 0 || good != 3 || unsealed != 0 {
			t.Errorf("%d rows are intact, %d unsealed, faults %v", good, unsealed, faults)
		}
	}
	t.Run("fewer rows since", func(t *testing.T) {
		t.Parallel()
		v := newVault(t)
		lose(t, v)
		v.db.Exec(auditInsert)
		v.sealAll(t)
		v.db.Exec(auditInsert)
		intact(t, v)
	})
	t.Run("other rows since", func(t *testing.T) {
		t.Parallel()
		v := newVault(t)
		lose(t, v)
		tx := testkit.Value(v.db.Pool.Begin(t.Context()))(t)
		if _, err := tx.Exec(t.Context(), auditInsert); err != nil { // the second row
			t.Fatal(err)
		}
		v.db.Exec(auditInsert)
		for range 20 {
			if _, err := v.sealer.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		intact(t, v)
	})
}

// TestTheKeyIsAskedForAtEachSeal: changing the key needs no restart.
func TestTheKeyIsAskedForAtEachSeal(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	keys := []ed25519.PrivateKey{sealingKey(), ed25519.NewKeyFromSeed(make([]byte, 32))}
	current := keys[0]
	v.sealer = newSealer(t, v.worker, func() ed25519.PrivateKey { return current })
	var want []string
	for _, current = range keys {
		public, _ := current.Public().(ed25519.PublicKey)
		want = append(want, token.KeyID(public))
		v.db.Exec(auditInsert)
		v.sealAll(t)
	}
	verifier := &audit.Verifier{KeyID: token.KeyID, Report: func(f audit.Fault) { t.Error(f) }}
	testkit.Value(auditlog.Verify(t.Context(), v.owner, verifier, func() {}))(t)
	if !slices.Equal(verifier.Keys, want) {
		t.Errorf("the keys %v signed, want %v", verifier.Keys, want)
	}
}
