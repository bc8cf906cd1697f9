package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

const refreshLength = 32 // bytes

// NewRefresh returns a new refresh token, 32 random bytes in base64url, and its
// hash, for the database.
func NewRefresh() (refresh string, hash []byte) { return encodeRefresh(randomBytes(refreshLength)) }

// NewSalt returns 32 random bytes from which a token's successor is derived.
func NewSalt() []byte { return randomBytes(refreshLength) }

// Successor returns the refresh token that follows refresh, and its hash: the
// same one for the same salt. The token or the salt alone reveals nothing about it.
func Successor(refresh string, salt []byte) (successor string, hash []byte) {
	mac := hmac.New(sha256.New, []byte(refresh))
	mac.Write(salt)
	return encodeRefresh(mac.Sum(nil))
}

func encodeRefresh(raw []byte) (refresh string, hash []byte) {
	refresh = base64.RawURLEncoding.EncodeToString(raw)
	return refresh, HashRefresh(refresh)
}

// HashRefresh returns the SHA-256 by which a refresh token is found. It needs
// no salt and no cost: 256 random bits cannot be guessed.
func HashRefresh(refresh string) []byte {
	sum := sha256.Sum256([]byte(refresh))
	return sum[:]
}
