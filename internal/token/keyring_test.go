package token_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/token"
)

// addKey writes a key that was made at the time, and returns its name and id.
func addKey(t testing.TB, dir string, made time.Time) (name, id string) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name = made.UTC().Format("20060102T150405.000000000Z") + ".pem"
	writePEM(t, filepath.Join(dir, name), key)
	return name, token.KeyID(public)
}

func signedWith(t testing.TB, a *access) (keyID, signed string) {
	t.Helper()
	signed = a.issue(t, clinic.Caller{UserID: 1, Role: clinic.RolePatient, SessionID: 1})
	keyID, _ = decode(t, strings.Split(signed, ".")[0])["kid"].(string)
	return keyID, signed
}

func TestNewKeyVerifiesFirstAndSignsLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, oldest := addKey(t, dir, time.Now().Add(-time.Hour))
	_, newest := addKey(t, dir, time.Now())
	a := newAccess(t, dir)
	if got := len(a.opts.Keys.Public()); got != 2 {
		t.Errorf("%d public keys, want both", got)
	}
	first, signed := signedWith(t, a)
	if first != oldest {
		t.Error("a new key signs before others know it")
	}
	a.ahead.Store(int64(token.KeyDelay + time.Second))
	if later, _ := signedWith(t, a); later != newest {
		t.Error("the new key does not sign once it is old enough")
	}
	a.ahead.Store(0)
	if _, err := a.verifier.Verify(signed); err != nil {
		t.Errorf("a token of the older key: %v", err)
	}
}

func TestOldestKeySignsWhereAllAreNew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, first := addKey(t, dir, time.Now().Add(-time.Second))
	addKey(t, dir, time.Now())
	if id, _ := signedWith(t, newAccess(t, dir)); id != first {
		t.Error("of two new keys the newer one signs")
	}
}

func TestKeyWithoutATimeIsOlderThanEveryOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, "zzz.pem"), key)
	a := newAccess(t, dir)
	if _, signed := signedWith(t, a); signed == "" {
		t.Error("the only key does not sign")
	}
	_, timed := addKey(t, dir, time.Now().Add(-time.Hour))
	if id, _ := signedWith(t, newAccess(t, dir)); id != timed {
		t.Error("the key signs though a newer one exists")
	}
}

// watched are keys that are read every millisecond.
func watched(t *testing.T, dir string) *access {
	t.Helper()
	a := newAccess(t, dir)
	keys, err := token.OpenKeys(token.KeysOptions{Dir: dir, Poll: time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	a.opts.Keys = keys
	if a.signer, err = token.NewSigner(a.opts); err != nil {
		t.Fatal(err)
	}
	if a.verifier, err = token.NewVerifier(a.opts); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- keys.Watch(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return a
}

func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestWatchReadsASwappedSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	swap := func(version string, fill func(dir string)) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		fill(filepath.Join(dir, version))
		files, err := filepath.Glob(filepath.Join(dir, version, "*.pem"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			link := filepath.Join(dir, filepath.Base(file))
			if err := os.Symlink(filepath.Join("..data", filepath.Base(file)), link); err != nil && !os.IsExist(err) {
				t.Fatal(err)
			}
		}
		if err := errors.Join(os.Symlink(version, filepath.Join(dir, "..tmp")),
			os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	var name, second string
	swap("..1", func(dir string) { name, _ = addKey(t, dir, time.Now().Add(-2*time.Hour)) })
	a := watched(t, dir)
	first, signed := signedWith(t, a)
	if _, err := a.verifier.Verify(signed); err != nil {
		t.Fatal(err)
	}

	swap("..2", func(dir string) {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(dir), "..1", name))
		if err := errors.Join(err, os.WriteFile(filepath.Join(dir, name), content, 0o600)); err != nil {
			t.Fatal(err)
		}
		_, second = addKey(t, dir, time.Now().Add(-time.Hour))
	})
	await(t, "the second key signs", func() bool { id, _ := signedWith(t, a); return id == second && id != first })
	if _, err := a.verifier.Verify(signed); err != nil {
		t.Errorf("a token of the first key: %v", err)
	}

	// The first key is removed: even a token that the verifier remembers is refused.
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	await(t, "the first key is gone", func() bool { return len(a.opts.Keys.Public()) == 1 })
	_, err := a.verifier.Verify(signed)
	wantReason(t, err, "token_invalid")
}

func TestWatchKeepsTheKeysThatItCouldRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name, first := addKey(t, dir, time.Now().Add(-2*time.Hour))
	a := watched(t, dir)
	broken := filepath.Join(dir, "20990101T000000.000000000Z.pem")
	if err := errors.Join(os.WriteFile(broken, []byte("half a k"), 0o600), os.Rename(filepath.Join(dir, name), filepath.Join(dir, "gone"))); err != nil {
		t.Fatal(err)
	}
	if id, signed := signedWith(t, a); id != first {
		t.Error("another key signs")
	} else if _, err := a.verifier.Verify(signed); err != nil {
		t.Error(err)
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	_, second := addKey(t, dir, time.Now().Add(-time.Hour))
	await(t, "the repaired directory is read", func() bool { id, _ := signedWith(t, a); return id == second })
}

// TestWatchLogsWhichKeySigns: a new key signs later than it is read, and nothing else would tell when.
func TestWatchLogsWhichKeySigns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addKey(t, dir, time.Now().Add(-time.Hour))
	const delay = time.Second
	_, second := addKey(t, dir, time.Now())
	var log lines
	keys, err := token.OpenKeys(token.KeysOptions{Dir: dir, Delay: delay, Poll: time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- keys.Watch(ctx) }()
	await(t, "the new key is logged", func() bool {
		return strings.Contains(log.String(), `msg="another key signs from now on" key_id=`+second)
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := strings.Count(log.String(), "another key signs"); got != 1 {
		t.Errorf("it is logged %d times", got)
	}
}

// lines is a log that may be read while it is written.
type lines struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}
