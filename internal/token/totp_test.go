package token_test

import (
	"bytes"
	"encoding/base32"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/token"
)

const totpKey = "a key that is known to tests"

func newTOTP(t testing.TB, key string, now time.Time) *token.TOTP {
	t.Helper()
	factor, err := token.NewTOTP(token.TOTPOptions{Key: key, Issuer: "healthrecords", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return factor
}

func TestTOTPTakesTheCodeOfItsTime(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_015, 0)
	factor := newTOTP(t, totpKey, now)
	e, sealed, err := factor.Enroll(clinic.User{ID: 7, Username: "jane"})
	if err != nil {
		t.Fatal(err)
	}
	for steps := range 7 {
		at := now.Add(time.Duration(steps-3) * 30 * time.Second)
		code, err := totp.GenerateCode(e.Secret, at) // as an authenticator does
		if err != nil {
			t.Fatal(err)
		}
		step, ok, err := factor.Check(7, sealed, code)
		if want := steps >= 2 && steps <= 4; err != nil || ok != want || ok && step != at.Unix()/30 {
			t.Errorf("%d steps away: step %d, %v, %v", steps-3, step, ok, err)
		}
	}
	for _, code := range []string{"", "12345", "1234567", "abcdef", strings.Repeat("1", 1000)} {
		if _, ok, err := factor.Check(7, sealed, code); ok || err != nil {
			t.Errorf("%.10q: %v, %v", code, ok, err)
		}
	}
}

func TestTOTPEnrollmentIsForAuthenticators(t *testing.T) {
	t.Parallel()
	e, _, err := newTOTP(t, totpKey, time.Now()).Enroll(clinic.User{ID: 7, Username: "jane@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(e.Secret)
	if err != nil || len(secret) != 20 {
		t.Errorf("secret of %d bytes, %v", len(secret), err)
	}
	location, err := url.Parse(e.URL)
	if err != nil || location.Scheme != "otpauth" || location.Host != "totp" || location.Path != "/healthrecords:jane@example.org" ||
		location.Query().Get("secret") != e.Secret || location.Query().Get("issuer") != "healthrecords" {
		t.Errorf("URL = %s, %v", e.URL, err)
	}
}

func TestSealedTOTPIsOfOneKeyAndUser(t *testing.T) {
	t.Parallel()
	now := time.Now()
	factor := newTOTP(t, totpKey, now)
	e, sealed, err := factor.Enroll(clinic.User{ID: 7, Username: "jane"})
	if err != nil {
		t.Fatal(err)
	}
	_, again, err := factor.Enroll(clinic.User{ID: 7, Username: "jane"})
	if err != nil || bytes.Equal(sealed, again) || bytes.Contains(sealed, []byte(e.Secret)) {
		t.Errorf("the secret is not hidden: %v", err)
	}
	code, err := totp.GenerateCode(e.Secret, now)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, check := range map[string]func() (int64, bool, error){
		"another user":   func() (int64, bool, error) { return factor.Check(8, sealed, code) },
		"another key":    func() (int64, bool, error) { return newTOTP(t, totpKey+"!", now).Check(7, sealed, code) },
		"a changed byte": func() (int64, bool, error) { return factor.Check(7, changed, code) },
		"nothing":        func() (int64, bool, error) { return factor.Check(7, nil, code) },
	} {
		if _, ok, err := check(); ok || clinic.CodeOf(err) != clinic.CodeInternal {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
}

func TestTOTPNeedsAKey(t *testing.T) {
	t.Parallel()
	for _, opts := range []token.TOTPOptions{{Key: "short", Issuer: "x"}, {Key: totpKey}, {}} {
		if _, err := token.NewTOTP(opts); err == nil {
			t.Errorf("%+v is accepted", opts)
		}
	}
}

func TestRecoveryCodesAreFoundByTheirHash(t *testing.T) {
	t.Parallel()
	codes, hashes := token.NewRecoveryCodes()
	if len(codes) != 10 || len(hashes) != 10 {
		t.Fatalf("%d codes, %d hashes", len(codes), len(hashes))
	}
	seen := map[string]bool{}
	for i, code := range codes {
		if !regexp.MustCompile(`^[A-Z2-7]{4}(-[A-Z2-7]{4}){3}$`).MatchString(code) || seen[code] {
			t.Errorf("code = %q", code)
		}
		seen[code] = true
		for _, written := range []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", ""), strings.ReplaceAll(code, "-", " ")} {
			if !bytes.Equal(token.HashRecoveryCode(written), hashes[i]) {
				t.Errorf("%q is not found", written)
			}
		}
	}
}
