package token

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// FuzzVerify verifies any token. None is accepted but, byte by byte, the one
// that was signed.
func FuzzVerify(f *testing.F) {
	_, content, err := newKey(time.Now())
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
