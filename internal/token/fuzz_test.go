package token

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// FuzzVerify verifies any token. Only the signed one, byte by byte, is
// accepted.
func FuzzVerify(f *testing.F) {
	dir := f.TempDir()
	if _, err := GenerateKey(dir); err != nil {
		f.Fatal(err)
	}
	keys, err := LoadKeys(dir)
	if err != nil {
		f.Fatal(err)
	}
	opts := AccessOptions{Keys: keys, Issuer: "issuer", Audience: "audience"}
	signer, err := NewSigner(opts)
	if err != nil {
		f.Fatal(err)
	}
	verifier, err := NewVerifier(opts)
	if err != nil {
		f.Fatal(err)
	}
	good, err := signer.Issue(clinic.Caller{UserID: 7, Role: clinic.RoleDoctor})
	if err != nil {
		f.Fatal(err)
	}
	parts := strings.Split(good, ".")
	for _, seed := range []string{
		"", ".", "..", "...", good, good[:len(good)-1], good + "=", parts[0] + "." + parts[1] + ".", parts[0] + ".." + parts[2],
		"eyJhbGciOiJub25lIn0." + parts[1] + ".", strings.Repeat(".", 5000), "canary-5c7e",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		caller, err := verifier.Verify(text)
		switch {
		case err == nil && (text != good || caller.UserID != 7 || caller.Role != clinic.RoleDoctor):
			t.Errorf("%q is accepted as %+v", text, caller)
		case err != nil && (clinic.CodeOf(err) != clinic.CodeUnauthenticated || strings.Contains(err.Error(), "canary-5c7e")):
			t.Errorf("%q: %v", text, err)
		}
	})
}

// FuzzPasswordHash decodes any hash. An accepted one can be computed, at
// bounded costs, and encodes to one with the same meaning.
func FuzzPasswordHash(f *testing.F) {
	const salt, key = "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, seed := range []string{
		"", "$", "$$$$$", "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key, "$argon2id$v=19$m=4294967295,t=4294967295,p=255$" + salt + "$" + key,
		"$argon2id$v=19$m=64,t=0,p=1$" + salt + "$" + key, "$argon2i$v=19$m=64,t=1,p=1$" + salt + "$" + key, "$argon2id$v=19$m=-1,t=1,p=1$$",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, hash string) {
		c, salt, key, err := decodeHash(hash)
		if err != nil {
			return
		}
		if c.memory > maxMemory || c.passes < 1 || c.passes > maxPasses || c.lanes < 1 {
			t.Fatalf("%q costs %+v", hash, c)
		}
		again, _, _, err := decodeHash(encodeHash(c, salt, key))
		if err != nil || again != c {
			t.Errorf("%q costs %+v, its encoding %+v, %v", hash, c, again, err)
		}
	})
}

// FuzzKeyFile loads any file as a key: the error for a file that is none quotes
// nothing of it.
func FuzzKeyFile(f *testing.F) {
	_, _, content, err := newKey(time.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add(content[:len(content)/2])
	f.Add(append(content, content...))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nY2FuYXJ5LTVjN2U=\n-----END PRIVATE KEY-----\ncanary-5c7e"))
	file := filepath.Join(f.TempDir(), "key.pem")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readKey(file); err != nil && strings.Contains(err.Error(), "canary-5c7e") {
			t.Errorf("the file is quoted: %v", err)
		}
	})
}
