package token

import (
	"crypto/sha256"
	"encoding/base64"
)

// NewRefresh returns a new refresh token, 32 random bytes in base64url, and its
// hash, which is what is stored.
func NewRefresh() (refresh string, hash []byte) {
	refresh = base64.RawURLEncoding.EncodeToString(randomBytes(32))
	return refresh, HashRefresh(refresh)
}

// HashRefresh returns the SHA-256 by which a refresh token is found. It needs
// no salt and no cost: 256 random bits cannot be guessed.
func HashRefresh(refresh string) []byte {
	sum := sha256.Sum256([]byte(refresh))
	return sum[:]
}
