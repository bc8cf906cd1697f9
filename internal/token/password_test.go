package token_test

import (
	"strings"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/token"
)

// cheap keeps all tests fast except those of the costs themselves.
func cheap() token.HasherOptions { return token.HasherOptions{MemoryKiB: 64, Passes: 1} }

func newHasher(t testing.TB, opts token.HasherOptions) *token.Hasher {
	t.Helper()
	h, err := token.NewHasher(opts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func hash(t testing.TB, h *token.Hasher, password string) string {
	t.Helper()
	s, err := h.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func verify(t testing.TB, h *token.Hasher, hash, password string) (ok, rehash bool) {
	t.Helper()
	ok, rehash, err := h.Verify(t.Context(), hash, password)
	if err != nil {
		t.Fatal(err)
	}
	return ok, rehash
}

func TestHashHasTheRecommendedCosts(t *testing.T) {
	t.Parallel()
	h := newHasher(t, token.HasherOptions{})
	got := hash(t, h, "correct horse")
	if !strings.HasPrefix(got, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash = %s", got)
	}
	if ok, rehash := verify(t, h, got, "correct horse"); !ok || rehash {
		t.Errorf("ok, rehash = %v, %v", ok, rehash)
	}
}

func TestVerifyTellsPasswordsApart(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap())
	known := hash(t, h, "correct horse")
	if known == hash(t, h, "correct horse") {
		t.Error("two hashes of one password are equal: no salt")
	}
	for _, wrong := range []string{"", "correct hors", "correct horse ", "Correct horse", strings.Repeat("x", 1<<20)} {
		if ok, rehash := verify(t, h, known, wrong); ok || rehash {
			t.Errorf("a wrong password of %d bytes: ok, rehash = %v, %v", len(wrong), ok, rehash)
		}
	}
}

// The vector comes from the reference implementation, as in the tests of
// golang.org/x/crypto/argon2: echo -n password | argon2 somesalt -id -k 64 -t 1 -p 1 -l 24.
func TestVerifyReadsHashesOfOthers(t *testing.T) {
	t.Parallel()
	const reference = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$ZVrRXqxlLcWfcXCnMyv0m4Rpvh/bnCi7"
	if ok, _ := verify(t, newHasher(t, cheap()), reference, "password"); !ok {
		t.Error("the reference implementation's hash does not verify")
	}
}

func TestVerifyAsksForANewHashWhenCostsChanged(t *testing.T) {
	t.Parallel()
	old := hash(t, newHasher(t, cheap()), "correct horse")
	now := newHasher(t, token.HasherOptions{MemoryKiB: 128, Passes: 1})
	if ok, rehash := verify(t, now, old, "correct horse"); !ok || !rehash {
		t.Errorf("ok, rehash = %v, %v, want both", ok, rehash)
	}
	if ok, rehash := verify(t, now, old, "wrong"); ok || rehash {
		t.Errorf("ok, rehash = %v, %v, want neither", ok, rehash)
	}
}

func TestVerifyOfNobodyWorksAndRefuses(t *testing.T) {
	t.Parallel()
	h := newHasher(t, token.HasherOptions{MemoryKiB: 16 * 1024, Passes: 2, Concurrency: 1})
	known := hash(t, h, "correct horse")
	took := func(hash string) time.Duration {
		start := time.Now()
		if ok, _ := verify(t, h, hash, "wrong"); ok {
			t.Error("verified")
		}
		return time.Since(start)
	}
	somebody, nobody := time.Hour, time.Hour
	for range 50 { // until each was measured in a quiet moment of the machine
		somebody, nobody = min(somebody, took(known)), min(nobody, took(""))
		if nobody > somebody/2 {
			return
		}
	}
	t.Errorf("an unknown user took %v, a known one %v", nobody, somebody)
}

func TestUnusableHashesAreEachTheirOwnAndMatchNothing(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap())
	first, second := h.Unusable(), h.Unusable()
	if first == second {
		t.Error("two accounts share a hash")
	}
	for _, password := range []string{"", first} {
		if ok, rehash := verify(t, h, first, password); ok || rehash {
			t.Errorf("%q matches", password)
		}
	}
}

func TestVerifyRefusesBrokenHashes(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap())
	good := hash(t, h, "correct horse")
	for _, broken := range []string{
		"x", "$2b$10$abc", strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "p=1", "p=0", 1), good[:len(good)-40], good + "$", good + "!",
	} {
		if _, _, err := h.Verify(t.Context(), broken, "correct horse"); clinic.CodeOf(err) != clinic.CodeInternal {
			t.Errorf("%q: %v", broken, err)
		}
	}
}

func TestNewHasherRefusesImpossibleCosts(t *testing.T) {
	t.Parallel()
	for _, opts := range []token.HasherOptions{{Concurrency: -1}, {MemoryKiB: 7}, {MemoryKiB: 31, Lanes: 4}} {
		if _, err := token.NewHasher(opts); err == nil {
			t.Errorf("%+v was accepted", opts)
		}
	}
}
