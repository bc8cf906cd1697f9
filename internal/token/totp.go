package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const (
	totpPeriod = 30 // seconds of a time step, what every authenticator knows
	totpSecret = 20 // bytes; RFC 4226 section 4

	// MinTOTPKey is the minimum length of a key, in characters: random ones have
	// 120 bits or more.
	MinTOTPKey = 24

	recoveryCodes  = 10
	recoveryLength = 16 // characters of base32: 80 bits

	resetLength = 28 // characters of base32: 140 bits
)

// TOTPOptions are required except Now.
type TOTPOptions struct {
	Key    string           // seals the secrets; long and random, and not in the database
	Issuer string           // the name that authenticators show beside the username
	Now    func() time.Time // nil: time.Now
}

func (o *TOTPOptions) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
}

func (o *TOTPOptions) validate() error {
	if len(o.Key) < MinTOTPKey || o.Issuer == "" {
		return fmt.Errorf("a second factor needs a key of at least %d characters and an issuer", MinTOTPKey)
	}
	return nil
}

// TOTP makes and checks second factors: codes of RFC 6238, of six digits, one
// for each half minute. It is safe for concurrent use.
type TOTP struct {
	opts   TOTPOptions
	sealer cipher.AEAD
}

// NewTOTP checks the options and returns the factor.
func NewTOTP(opts TOTPOptions) (*TOTP, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, []byte(opts.Key), nil, "healthrecords totp secrets", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of second factors: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making the cipher of second factors: %w", err)
	}
	sealer, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("making the cipher of second factors: %w", err)
	}
	return &TOTP{opts: opts, sealer: sealer}, nil
}

// Enroll returns a new secret, as text for the user and sealed for the database.
func (t *TOTP) Enroll(user clinic.User) (e clinic.TOTPEnrollment, sealed []byte, err error) {
	key, err := totp.Generate(totp.GenerateOpts{
		Issuer: t.opts.Issuer, AccountName: user.Username, SecretSize: totpSecret, Period: totpPeriod, Rand: rand.Reader,
	})
	if err != nil {
		return clinic.TOTPEnrollment{}, nil, fmt.Errorf("making a second factor: %w", clinic.Internal(err))
	}
	sealed = t.sealer.Seal(nil, nil, []byte(key.Secret()), owner(user.ID)) //nolint:gosec // the nonce is random, and made by the cipher
	return clinic.TOTPEnrollment{Secret: key.Secret(), URL: key.URL()}, sealed, nil
}

// owner binds a sealed secret to its user: a secret of another row cannot be opened.
func owner(userID int64) []byte { return strconv.AppendInt([]byte("user "), userID, 10) }

// Check reports whether the code is that of the present time step, or of the step before
// or after (RFC 6238 section 5.2), and returns the step. The caller has to
// make sure that no code is accepted twice.
func (t *TOTP) Check(userID int64, sealed []byte, code string) (step int64, ok bool, err error) {
	secret, err := t.sealer.Open(nil, nil, sealed, owner(userID))
	if err != nil {
		return 0, false, fmt.Errorf("opening a second factor: %w", clinic.Internal(errors.New("it was sealed with another key")))
	}
	now := t.opts.Now().Unix() / totpPeriod
	for _, step := range []int64{now - 1, now, now + 1} {
		want, err := hotp.GenerateCode(string(secret), uint64(step)) //nolint:gosec // the clock is past 1970
		if err != nil {
			return 0, false, fmt.Errorf("computing a code: %w", clinic.Internal(err))
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return step, true, nil
		}
	}
	return 0, false, nil
}

// NewRecoveryCodes returns ten codes, written like ABCD-EFGH-IJKL-MNOP, and
// their hashes, for the database.
func NewRecoveryCodes() (codes []string, hashes [][]byte) {
	for range recoveryCodes {
		text := rand.Text()[:recoveryLength]
		code := strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:]}, "-")
		codes, hashes = append(codes, code), append(hashes, HashRecoveryCode(code))
	}
	return codes, hashes
}

// NewResetCode returns a one-time code for a new password, 140 random bits in seven groups of
// four characters, and its hash, for the database.
func NewResetCode() (code string, hash []byte) {
	text := (rand.Text() + rand.Text())[:resetLength]
	var groups []string
	for group := range slices.Chunk([]byte(text), 4) {
		groups = append(groups, string(group))
	}
	code = strings.Join(groups, "-")
	return code, HashResetCode(code)
}

// HashResetCode is HashRecoveryCode for a reset code. It also accepts the digits that people
// take for letters: the alphabet of the codes lacks them.
func HashResetCode(code string) []byte {
	return HashRecoveryCode(strings.NewReplacer("0", "O", "1", "I", "8", "B").Replace(code))
}

// HashRecoveryCode returns the SHA-256 by which a code is found, with any
// spacing and case. It needs no cost: 80 random bits cannot be guessed.
func HashRecoveryCode(code string) []byte {
	sum := sha256.Sum256([]byte(strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))))
	return sum[:]
}
