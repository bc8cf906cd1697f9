package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"time"
)

// Derive returns a secret for another purpose, which label names: all processes with
// the same keys derive the same one, and nobody else can. It changes when
// another key signs.
func (k *Keys) Derive(label string) []byte {
	mac := hmac.New(sha256.New, k.signing(time.Now()).private.Seed())
	mac.Write([]byte(label))
	return mac.Sum(nil)
}
