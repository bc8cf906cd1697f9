package token

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrNoKeys means that a key directory has no key.
var ErrNoKeys = errors.New("no signing key: run `healthrecords keys generate`")

const (
	pemType = "PRIVATE KEY" // PKCS #8, RFC 7468 section 10
	pemName = ".pem"
	// A key's name has the time when it was made, so that every replica agrees on its age.
	nameLayout = "20060102T150405.000000000Z"
)

// SigningKey returns the key that signs now.
func (k *Keys) SigningKey() ed25519.PrivateKey { return k.signing(time.Now()).private }

// KeyID is the key's JWK thumbprint (RFC 7638, RFC 8037 appendix A.3).
func KeyID(key ed25519.PublicKey) string {
	jwk := `{"crv":"Ed25519","kty":"OKP","x":"` + base64.RawURLEncoding.EncodeToString(key) + `"}`
	sum := sha256.Sum256([]byte(jwk))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// GenerateKey makes a first key in dir, and dir itself where it is missing,
// with modes 0600 and 0700, and returns its id. Where a key exists already, it does nothing
// and returns "".
func GenerateKey(dir string) (id string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the key directory: %w", err)
	}
	files, err := keyFiles(dir)
	if err != nil || len(files) > 0 {
		return "", err
	}
	name, id, content, err := newKey(time.Now())
	if err != nil {
		return "", err
	}
	if err := writeNew(filepath.Join(dir, name), content); err != nil {
		return "", fmt.Errorf("writing a key: %w", err)
	}
	return id, nil
}

// newKey returns a key made at the time now, as the name and the content of its file, and its id.
func newKey(now time.Time) (name, id string, content []byte, err error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", nil, fmt.Errorf("generating a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", nil, fmt.Errorf("encoding a key: %w", err)
	}
	return now.UTC().Format(nameLayout) + pemName, KeyID(public), pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// madeAt is the time in a key's name. A name without one belongs to a key from before
// such names: the zero time.
func madeAt(name string) time.Time {
	made, err := time.Parse(nameLayout, strings.TrimSuffix(filepath.Base(name), pemName))
	if err != nil {
		return time.Time{}
	}
	return made
}

// keyNames selects the keys among names and sorts them from the oldest to the
// newest. Names that begin with a dot are Kubernetes' own files in a mounted Secret.
func keyNames(names []string) []string {
	keys := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return filepath.Ext(name) != pemName || name[0] == '.'
	})
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(madeAt(a).Compare(madeAt(b)), strings.Compare(a, b)) })
	return keys
}

// writeNew makes the whole file or none: a reader of the directory never sees
// half a key.
func writeNew(name string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(name), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(content)
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Link(temporary.Name(), name) // fails where the key exists
}

// keyFiles lists the names of the keys in dir, from the oldest to the newest.
func keyFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the key directory: %w", err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return keyNames(names), nil
}

func readKey(file string) (ed25519.PrivateKey, error) {
	content, err := os.ReadFile(file) //nolint:gosec // the directory is the administrator's choice
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(content)
	if block == nil || block.Type != pemType || len(rest) > 0 {
		return nil, errors.New("not one PEM block of a PKCS #8 private key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing PKCS #8: %w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("not an Ed25519 key")
	}
	return key, nil
}
