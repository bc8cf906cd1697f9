package token

import (
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const (
	tokenType      = "at+jwt" // RFC 9068 section 2.1
	maxTokenLength = 2048     // bytes; ours have about 500
)

// claims are those of RFC 9068 section 2.2, without client_id: there are no
// OAuth clients. The subject is the user's id, sid the session's, as in OpenID
// Connect's front-channel logout.
type claims struct {
	jwt.RegisteredClaims
	Role    clinic.Role `json:"role"`
	Session string      `json:"sid"`
	// A token with this claim only allows setting up a second factor.
	Enrolling bool `json:"enrolling,omitempty"`
}

// AccessOptions are what signer and verifier must agree on.
type AccessOptions struct {
	Keys     *Keys
	Issuer   string           // claim iss
	Audience string           // claim aud
	Remember int              // verified tokens that a verifier remembers; 0: 10,000
	Now      func() time.Time // nil: time.Now
}

func (o *AccessOptions) setDefaults() {
	o.Remember = cmp.Or(o.Remember, 10_000)
	if o.Now == nil {
		o.Now = time.Now
	}
}

func (o *AccessOptions) validate() error {
	if o.Keys == nil || o.Issuer == "" || o.Audience == "" {
		return errors.New("access tokens need keys, an issuer and an audience")
	}
	return nil
}

// Signer signs access tokens. It is safe for concurrent use.
type Signer struct{ opts AccessOptions }

// NewSigner checks the options and returns the signer.
func NewSigner(opts AccessOptions) (*Signer, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Signer{opts: opts}, nil
}

// Issue returns an access token of the user, valid for AccessLifetime.
func (s *Signer) Issue(caller clinic.Caller) (string, error) {
	now := s.opts.Now()
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("making a token id: %w", clinic.Internal(err))
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: s.opts.Issuer, Audience: jwt.ClaimStrings{s.opts.Audience},
			Subject: strconv.FormatInt(caller.UserID, 10), ID: id.String(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(AccessLifetime)),
		},
		Role: caller.Role, Session: strconv.FormatInt(caller.SessionID, 10), Enrolling: caller.Enrolling,
	})
	key := s.opts.Keys.signing(now)
	unsigned.Header["typ"], unsigned.Header["kid"] = tokenType, key.id
	signed, err := unsigned.SignedString(key.private)
	if err != nil {
		return "", fmt.Errorf("signing an access token: %w", clinic.Internal(err))
	}
	return signed, nil
}

// Verifier checks access tokens. It remembers valid ones until they
// end, so that the signature of a token is checked once. It is safe for
// concurrent use.
type Verifier struct {
	opts   AccessOptions
	parser *jwt.Parser
	known  *lru.Cache[[sha256.Size]byte, verified] // by SHA-256: the tokens themselves are not stored
}

// verified is the content of a valid token.
type verified struct {
	caller  clinic.Caller
	expires time.Time
	keyID   string
}

// NewVerifier checks the options and returns the verifier.
func NewVerifier(opts AccessOptions) (*Verifier, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	known, err := lru.New[[sha256.Size]byte, verified](opts.Remember)
	if err != nil {
		return nil, fmt.Errorf("making the cache of verified tokens: %w", err)
	}
	return &Verifier{
		opts: opts, known: known,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
			jwt.WithIssuer(opts.Issuer), jwt.WithAudience(opts.Audience),
			jwt.WithExpirationRequired(), jwt.WithTimeFunc(opts.Now), jwt.WithStrictDecoding(),
		),
	}, nil
}

// Verify returns the caller whom the token identifies. It fails with
// CodeUnauthenticated and reason "token_expired" or "token_invalid".
func (v *Verifier) Verify(token string) (clinic.Caller, error) {
	if len(token) > maxTokenLength {
		return clinic.Caller{}, errInvalidToken()
	}
	key := sha256.Sum256([]byte(token))
	found, ok := v.known.Get(key)
	if !ok {
		var err error
		if found, err = v.check(token); err != nil {
			return clinic.Caller{}, err
		}
		v.known.Add(key, found)
	}
	if v.opts.Keys.public(found.keyID) == nil { // the key was removed meanwhile
		v.known.Remove(key)
		return clinic.Caller{}, errInvalidToken()
	}
	if !v.opts.Now().Before(found.expires) {
		v.known.Remove(key)
		return clinic.Caller{}, errExpiredToken()
	}
	return found.caller, nil
}

// Keys returns the keys that tokens are verified with, by their ids.
func (v *Verifier) Keys() map[string]ed25519.PublicKey { return v.opts.Keys.Public() }

func (v *Verifier) check(token string) (verified, error) {
	var c claims
	parsed, err := v.parser.ParseWithClaims(token, &c, v.key)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return verified{}, errExpiredToken()
	case err != nil:
		return verified{}, errInvalidToken()
	}
	id, errID := strconv.ParseInt(c.Subject, 10, 64)
	session, errSession := strconv.ParseInt(c.Session, 10, 64)
	roles := []clinic.Role{clinic.RolePatient, clinic.RoleDoctor, clinic.RoleAdmin}
	if errID != nil || id <= 0 || errSession != nil || session <= 0 || !slices.Contains(roles, c.Role) {
		return verified{}, errInvalidToken()
	}
	keyID, _ := parsed.Header["kid"].(string)
	return verified{
		caller:  clinic.Caller{UserID: id, Role: c.Role, SessionID: session, Enrolling: c.Enrolling},
		expires: c.ExpiresAt.Time, keyID: keyID,
	}, nil
}

// key finds the key that the header names. Nothing else of the header decides
// how the token is verified, and no extension is supported (RFC 7515 section
// 4.1.11).
func (v *Verifier) key(t *jwt.Token) (any, error) {
	if _, critical := t.Header["crit"]; critical || t.Header["typ"] != tokenType {
		return nil, errors.New("not an access token")
	}
	id, _ := t.Header["kid"].(string)
	key := v.opts.Keys.public(id)
	if key == nil {
		return nil, errors.New("unknown key")
	}
	return key, nil
}

func errInvalidToken() error {
	return clinic.Unauthenticated("the access token is not valid").WithReason("token_invalid")
}

func errExpiredToken() error {
	return clinic.Unauthenticated("the access token has expired").WithReason("token_expired")
}
