// Package token makes and checks what proves who somebody is: password hashes
// (argon2id), access tokens (JWT signed with Ed25519), the keys that sign them,
// and refresh tokens.
package token

import "time"

// AccessLifetime is how long an access token is good for.
const AccessLifetime = 5 * time.Minute

// RefreshLifetime is how long a refresh token is good for; each use trades it
// for a new one, so a session ends when it was not used for this long.
const RefreshLifetime = 7 * 24 * time.Hour

// SessionLifetime is how long a session lasts at most, however often its refresh
// tokens are traded; then its owner has to log in again (ASVS 5.0, 7.3.2).
const SessionLifetime = 30 * 24 * time.Hour

// RefreshGrace is how long after its use a refresh token is answered with the
// same successor again: requests of one client cross each other, and answers
// get lost.
const RefreshGrace = 10 * time.Second
