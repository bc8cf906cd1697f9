package token

import (
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
	"time"
)

// ErrNoKeys means that a key directory holds no key.
var ErrNoKeys = errors.New("no signing key: run `healthrecords keys generate`")

const pemType = "PRIVATE KEY" // PKCS #8, RFC 7468 section 10

// Keys are the Ed25519 keys of access tokens: the newest signs, all verify.
type Keys struct {
	signing   ed25519.PrivateKey
	signingID string
	public    map[string]ed25519.PublicKey
}

// LoadKeys reads every *.pem file of dir, each a PKCS #8 private key. The
// lexically last file name is the newest. It is ErrNoKeys when there is none.
// The files should be readable by this program alone (mode 0600).
func LoadKeys(dir string) (*Keys, error) {
	files, err := keyFiles(dir)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("reading the keys in %s: %w", dir, ErrNoKeys)
	}
	keys := &Keys{public: map[string]ed25519.PublicKey{}}
	for _, file := range files {
		key, err := readKey(file)
		if err != nil {
			return nil, fmt.Errorf("reading the key %s: %w", file, err)
		}
		public := ed25519.PublicKey(key[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
		keys.signing, keys.signingID = key, KeyID(public)
		keys.public[keys.signingID] = public
	}
	return keys, nil
}

// Public returns the verifying keys by their ids.
func (k *Keys) Public() map[string]ed25519.PublicKey {
	public := make(map[string]ed25519.PublicKey, len(k.public))
	for id, key := range k.public {
		public[id] = key
	}
	return public
}

// SigningKey returns the newest key.
func (k *Keys) SigningKey() ed25519.PrivateKey { return k.signing }

// KeyID is the key's JWK thumbprint (RFC 7638, RFC 8037 appendix A.3).
func KeyID(key ed25519.PublicKey) string {
	jwk := `{"crv":"Ed25519","kty":"OKP","x":"` + base64.RawURLEncoding.EncodeToString(key) + `"}`
	sum := sha256.Sum256([]byte(jwk))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// GenerateKey makes a first key in dir, which it makes too when it is missing,
// with modes 0600 and 0700. It does nothing, and reports false, when there is a
// key already.
func GenerateKey(dir string) (made bool, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, fmt.Errorf("making the key directory: %w", err)
	}
	files, err := keyFiles(dir)
	if err != nil || len(files) > 0 {
		return false, err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return false, fmt.Errorf("generating a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return false, fmt.Errorf("encoding a key: %w", err)
	}
	// the time makes the newest key's name the last one
	name := filepath.Join(dir, time.Now().UTC().Format("20060102T150405.000000000Z")+".pem")
	if err := writeNew(name, pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})); err != nil {
		return false, fmt.Errorf("writing a key: %w", err)
	}
	return true, nil
}

// writeNew makes the whole file or none: who reads the directory never meets
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
	return os.Link(temporary.Name(), name) // refuses to replace a key
}

// keyFiles lists the keys of dir in order of name. Names that begin with a dot
// are what Kubernetes keeps in a mounted Secret.
func keyFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the key directory: %w", err)
	}
	var files []string
	for _, entry := range entries {
		if name := entry.Name(); filepath.Ext(name) == ".pem" && name[0] != '.' {
			files = append(files, filepath.Join(dir, name))
		}
	}
	slices.Sort(files)
	return files, nil
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
