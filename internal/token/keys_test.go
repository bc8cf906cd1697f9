package token_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/healthrecords/healthrecords/internal/token"
)

func writePEM(t testing.TB, file string, key any) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readKey(t testing.TB, dir string) ed25519.PrivateKey {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(ed25519.PrivateKey) //nolint:errcheck // the test fails anyway
}

func TestGenerateKeyMakesOneKey(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	id, err := token.GenerateKey(dir)
	if err != nil || id == "" {
		t.Fatalf("GenerateKey = %q, %v", id, err)
	}
	first := readKey(t, dir)
	if id, err := token.GenerateKey(dir); err != nil || id != "" {
		t.Errorf("the second GenerateKey = %q, %v", id, err)
	}
	if !first.Equal(readKey(t, dir)) {
		t.Error("the key changed")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v: want the key alone", entries, err)
	}
	if info, err := entries[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
}

func TestKeyIDIsTheThumbprintOfRFC8037(t *testing.T) {
	t.Parallel()
	key, err := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo") // appendix A.2
	if err != nil {
		t.Fatal(err)
	}
	if got := token.KeyID(key); got != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" { // appendix A.3
		t.Errorf("KeyID = %s", got)
	}
}

func TestLoadKeysReadsAMountedSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made := filepath.Join(dir, "..2026_01_01")
	if _, err := token.GenerateKey(made); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(made, "*.pem"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := errors.Join(
		os.Symlink("..2026_01_01", filepath.Join(dir, "..data")),
		os.Symlink(filepath.Join("..data", filepath.Base(files[0])), filepath.Join(dir, "key.pem")),
		os.WriteFile(filepath.Join(dir, "README"), []byte("not a key"), 0o600),
		os.WriteFile(filepath.Join(dir, ".swap.pem"), []byte("not a key"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	keys, err := token.LoadKeys(dir)
	if err != nil || len(keys.Public()) != 1 {
		t.Errorf("LoadKeys = %v, %v", keys, err)
	}
}

func TestLoadKeysRefusesWhatIsNoKey(t *testing.T) {
	t.Parallel()
	if _, err := token.LoadKeys(t.TempDir()); !errors.Is(err, token.ErrNoKeys) {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := token.LoadKeys(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(file string){
		"another algorithm": func(file string) { writePEM(t, file, other) },
		"no PEM":            func(file string) { _ = os.WriteFile(file, []byte("secret"), 0o600) },
		"a public key": func(file string) {
			_ = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), 0o600)
		},
		"broken DER": func(file string) {
			_ = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), 0o600)
		},
	} {
		dir := t.TempDir()
		writePEM(t, filepath.Join(dir, "1.pem"), key)
		write(filepath.Join(dir, "2.pem"))
		if _, err := token.LoadKeys(dir); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestRefreshTokensAreFoundByTheirHash(t *testing.T) {
	t.Parallel()
	first, hash := token.NewRefresh()
	second, _ := token.NewRefresh()
	raw, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil || len(raw) != 32 || first == second {
		t.Errorf("%q, %q: %v", first, second, err)
	}
	if string(token.HashRefresh(first)) != string(hash) || len(hash) != 32 {
		t.Error("the hash does not find its token")
	}
}

func TestSuccessorTakesTheTokenAndItsSalt(t *testing.T) {
	t.Parallel()
	refresh, stored := token.NewRefresh()
	salt := token.NewSalt()
	successor, hash := token.Successor(refresh, salt)
	if again, _ := token.Successor(refresh, salt); again != successor {
		t.Error("the same token and salt gave another successor")
	}
	raw, err := base64.RawURLEncoding.DecodeString(successor)
	if err != nil || len(raw) != 32 || string(token.HashRefresh(successor)) != string(hash) {
		t.Errorf("the successor is no refresh token: %q, %v", successor, err)
	}
	fromDatabase, _ := token.Successor(string(stored), salt) // the stored form of the token
	withoutSalt, _ := token.Successor(refresh, nil)
	otherSalt, _ := token.Successor(refresh, token.NewSalt())
	for _, guess := range []string{refresh, fromDatabase, withoutSalt, otherSalt} {
		if guess == successor {
			t.Error("the successor can be derived from the token or the salt alone")
		}
	}
}
