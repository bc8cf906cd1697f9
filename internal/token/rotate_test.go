package token_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/healthrecords/healthrecords/internal/token"
)

func TestRotateKeysAddsAndRemoves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	needless, _ := addKey(t, dir, now.Add(-3*time.Hour))
	signing, _ := addKey(t, dir, now.Add(-2*time.Hour))
	r, err := token.RotateKeys(dir, now)
	if err != nil || !slices.Equal(r.Remove, []string{needless}) || !r.SignsFrom.Equal(now.Add(token.KeyDelay)) {
		t.Fatalf("RotateKeys = %v, %v", r.Remove, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || entries[0].Name() != signing || entries[1].Name() != r.Name {
		t.Errorf("%v, %v: want the signing key and the new one", entries, err)
	}
	info, err := os.Stat(filepath.Join(dir, r.Name))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
	keys, err := token.LoadKeys(dir)
	if err != nil || len(keys.Public()) != 2 {
		t.Errorf("LoadKeys = %v, %v", keys, err)
	}
	if _, err := token.RotateKeys(dir, now.Add(token.KeyDelay-time.Second)); !errors.Is(err, token.ErrRotating) {
		t.Errorf("while a rotation is under way: %v", err)
	}
}

func TestRotateKeysNeedsADirectory(t *testing.T) {
	t.Parallel()
	if _, err := token.RotateKeys(filepath.Join(t.TempDir(), "missing"), time.Now()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
}

// However often and whenever keys are rotated, every process that has read the files within
// the last KeyDelay knows the key of every token that has not expired.
func TestRotationRefusesNoToken(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		names := []string{"0001.pem"}
		type version struct {
			at    time.Time
			names []string
		}
		history := []version{{now, names}}
		for range rapid.IntRange(1, 8).Draw(t, "rotations") {
			now = now.Add(time.Duration(rapid.Int64Range(int64(time.Minute), int64(time.Hour)).Draw(t, "pause")))
			r, err := token.PlanRotation(names, now)
			if errors.Is(err, token.ErrRotating) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(r.Remove, name) })
			if len(names) > 2 {
				t.Fatalf("%d keys beside the new one", len(names))
			}
			names = append(names, r.Name)
			history = append(history, version{now, names})
		}
		// A signer may sign by any version that is at most KeyDelay old, and the token is valid from then on.
		for signer, signed := range history {
			for age := time.Duration(0); age <= token.KeyDelay; age += token.KeyDelay / 4 {
				at := signed.at.Add(age)
				if signer+1 < len(history) && at.After(history[signer+1].at.Add(token.KeyDelay/4)) {
					break // by then it has read the next version
				}
				key := signerOf(signed.names, at)
				for verifier, known := range history {
					used := known.at // a verifier uses a version from then until it reads the next
					until := used.Add(100 * time.Hour)
					if verifier+1 < len(history) {
						until = history[verifier+1].at.Add(token.KeyDelay / 4)
					}
					if used.Before(at.Add(token.AccessLifetime)) && until.After(at) && !slices.Contains(known.names, key) {
						t.Fatalf("the token that %s signed at %s is refused by %v", key, at, known)
					}
				}
			}
		}
	})
}

// signerOf implements the rule of docs/operations.md independently.
func signerOf(names []string, at time.Time) string {
	signer := names[0]
	for _, name := range names[1:] {
		made, err := time.Parse("20060102T150405.000000000Z.pem", name)
		if err == nil && !at.Before(made.Add(token.KeyDelay)) {
			signer = name
		}
	}
	return signer
}
