package service_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/token"
)

// authenticator is a user with a second factor.
type authenticator struct {
	desk
	caller   clinic.Caller
	secret   string
	recovery []string
}

func (a authenticator) code(t testing.TB) clinic.SecondFactor {
	t.Helper()
	return clinic.SecondFactor{TOTPCode: testkit.Value(totp.GenerateCode(a.secret, a.clock.now()))(t)}
}

// step moves the clock to the next time step.
func (a authenticator) step() { a.clock.ahead.Add(int64(30 * time.Second)) }

// login logs patient1 in, and returns the reason of a refusal.
func (a authenticator) login(t testing.TB, second clinic.SecondFactor) (reason string) {
	t.Helper()
	_, err := a.Sessions.Login(t.Context(), "patient1", password, second)
	return clinic.ReasonOf(err)
}

func newAuthenticator(t testing.TB, d desk) authenticator {
	t.Helper()
	a := authenticator{desk: d}
	a.caller = testkit.Value(d.verifier.Verify(d.register(t, patient("patient1")).Access))(t)
	a.secret = testkit.Value(d.SecondFactors.Enroll(t.Context(), a.caller, password))(t).Secret
	a.recovery = testkit.Value(d.SecondFactors.Confirm(t.Context(), a.caller, a.code(t).TOTPCode))(t)
	a.step()
	return a
}

func TestEnrollmentIsAskedForOnceItIsConfirmed(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	a := authenticator{desk: d}
	a.caller = testkit.Value(d.verifier.Verify(d.register(t, patient("patient1")).Access))(t)
	_, err := d.SecondFactors.Confirm(t.Context(), a.caller, "123456")
	wantReason(t, err, "totp_not_enrolled")
	_, err = d.SecondFactors.Enroll(t.Context(), a.caller, "wrong horse")
	wantReason(t, err, "wrong_password")
	first := testkit.Value(d.SecondFactors.Enroll(t.Context(), a.caller, password))(t)
	a.secret = testkit.Value(d.SecondFactors.Enroll(t.Context(), a.caller, password))(t).Secret // the QR code was lost
	if a.login(t, clinic.SecondFactor{}) != "" || a.secret == first.Secret {
		t.Error("a login requires an unconfirmed factor")
	}
	other := testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
	_, err = d.SecondFactors.Confirm(t.Context(), a.caller, testkit.Value(totp.GenerateCode(first.Secret, a.clock.now()))(t))
	wantReason(t, err, "totp_invalid")
	if got := testkit.Value(d.SecondFactors.Status(t.Context(), a.caller))(t); got.Enabled {
		t.Error("a wrong code confirmed it")
	}
	recovery := testkit.Value(d.SecondFactors.Confirm(t.Context(), a.caller, a.code(t).TOTPCode))(t)
	if got := testkit.Value(d.SecondFactors.Status(t.Context(), a.caller))(t); got != (clinic.TOTPStatus{Enabled: true, RecoveryCodes: len(recovery)}) || len(recovery) != 10 {
		t.Errorf("status = %+v", got)
	}
	_, err = d.Accounts.Profile(t.Context(), testkit.Value(d.verifier.Verify(other.Access))(t))
	wantReason(t, err, "session_ended")
	_, err = d.SecondFactors.Enroll(t.Context(), a.caller, password)
	wantReason(t, err, "totp_enabled")
	_, err = d.SecondFactors.Confirm(t.Context(), a.caller, a.code(t).TOTPCode)
	wantReason(t, err, "totp_enabled")
}

// Another enrollment may happen while a code is checked. The code proves nothing about its secret.
func TestConfirmationIsOfTheSecretThatTheCodeIsOf(t *testing.T) {
	t.Parallel()
	meanwhile := func() {}
	d := newDesk(t, func(o *service.APIOptions) {
		o.TOTP = testkit.Value(token.NewTOTP(token.TOTPOptions{Key: "a key that is known to tests", Issuer: "test", Now: func() time.Time {
			meanwhile() // the clock is read between reading the secret and using up the code
			return time.Now()
		}}))(t)
	})
	caller := testkit.Value(d.verifier.Verify(d.register(t, patient("patient1")).Access))(t)
	first := testkit.Value(d.SecondFactors.Enroll(t.Context(), caller, password))(t)
	var second clinic.TOTPEnrollment
	meanwhile = sync.OnceFunc(func() { second = testkit.Value(d.SecondFactors.Enroll(t.Context(), caller, password))(t) })
	_, err := d.SecondFactors.Confirm(t.Context(), caller, testkit.Value(totp.GenerateCode(first.Secret, time.Now()))(t))
	wantReason(t, err, "totp_invalid")
	if testkit.Value(d.SecondFactors.Status(t.Context(), caller))(t).Enabled {
		t.Error("a secret is confirmed by the code of another one")
	}
	if _, err := d.SecondFactors.Confirm(t.Context(), caller, testkit.Value(totp.GenerateCode(second.Secret, time.Now()))(t)); err != nil {
		t.Errorf("its own code: %v", err)
	}
}

func TestLoginTakesEachCodeOnce(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, newDesk(t, nil))
	if got := a.login(t, clinic.SecondFactor{}); got != "totp_required" {
		t.Errorf("without a code: %q", got)
	}
	code := a.code(t)
	for i, want := range []string{"", "totp_invalid"} {
		if got := a.login(t, code); got != want {
			t.Errorf("time %d: %q, want %q", i, got, want)
		}
	}
	a.step()
	next := a.code(t)
	a.clock.ahead.Add(-int64(30 * time.Second))
	if a.login(t, next) != "" || a.login(t, code) != "totp_invalid" {
		t.Error("a code from before the last one is accepted")
	}
	_, err := a.Sessions.Login(t.Context(), "patient1", "wrong horse", clinic.SecondFactor{})
	wantReason(t, err, "bad_credentials") // nobody learns of the factor without the password
}

func TestConcurrentLoginsTakeACodeOnce(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, newDesk(t, nil))
	code := a.code(t)
	var in atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if a.login(t, code) == "" {
				in.Add(1)
			}
		})
	}
	group.Wait()
	if in.Load() != 1 {
		t.Errorf("%d logins by one code", in.Load())
	}
}

func TestRecoveryCodeLogsInOnce(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, newDesk(t, nil))
	code := clinic.SecondFactor{RecoveryCode: strings.ToLower(a.recovery[3])}
	for i, want := range []string{"", "totp_invalid"} {
		if got := a.login(t, code); got != want {
			t.Errorf("time %d: %q, want %q", i, got, want)
		}
	}
	if got := testkit.Value(a.SecondFactors.Status(t.Context(), a.caller))(t); got.RecoveryCodes != 9 {
		t.Errorf("%d codes are left", got.RecoveryCodes)
	}
	a.register(t, patient("patient2"))
	stolen := testkit.Value(a.Sessions.Login(t.Context(), "patient2", password, clinic.SecondFactor{RecoveryCode: a.recovery[4]}))(t) // has no factor
	if stolen.User.Username != "patient2" || a.login(t, clinic.SecondFactor{RecoveryCode: a.recovery[4]}) != "" {
		t.Error("a code was used up by somebody else")
	}
}

func TestWrongCodesAreSlowedDownAndLockNobodyOut(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, newDesk(t, nil))
	wrong := clinic.SecondFactor{TOTPCode: "000000"}
	if a.code(t) == wrong {
		wrong.TOTPCode = "000001"
	}
	var group sync.WaitGroup
	var looked atomic.Int64
	for range 20 { // at the same moment
		group.Go(func() {
			if a.login(t, wrong) == "totp_invalid" {
				looked.Add(1)
			}
		})
	}
	group.Wait()
	if looked.Load() != 5 {
		t.Errorf("%d wrong codes were checked, want 5", looked.Load())
	}
	if got := a.login(t, a.code(t)); got != "totp_throttled" {
		t.Errorf("a right code during the wait: %q", got)
	}
	if got := a.login(t, clinic.SecondFactor{RecoveryCode: a.recovery[0]}); got != "" {
		t.Errorf("a recovery code during the wait: %q", got)
	}
	a.db.Exec("UPDATE totp_factors SET failures = 1000, retry_at = now()")
	a.login(t, wrong)
	if n := a.db.Count("SELECT extract(epoch FROM retry_at - now())::int FROM totp_factors"); n < 890 || n > 900 {
		t.Errorf("after a thousand wrong codes the wait is %d s", n)
	}
	a.db.Exec("UPDATE totp_factors SET retry_at = now()") // the wait is over
	if got := a.login(t, a.code(t)); got != "" {
		t.Errorf("a right code after the wait: %q", got)
	}
	if n := a.db.Count("SELECT failures FROM totp_factors"); n != 0 {
		t.Errorf("%d failures after a right code", n)
	}
}

func TestDisabledFactorIsNotAskedFor(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, newDesk(t, nil))
	wantReason(t, a.SecondFactors.Disable(t.Context(), a.caller, "wrong horse"), "wrong_password")
	if err := a.SecondFactors.Disable(t.Context(), a.caller, password); err != nil {
		t.Fatal(err)
	}
	if got := a.login(t, clinic.SecondFactor{}); got != "" {
		t.Errorf("login: %q", got)
	}
	if n := a.db.Count("SELECT count(*) FROM sessions WHERE id <> $1 AND created_at < (SELECT max(created_at) FROM sessions)", a.caller.SessionID); n != 0 {
		t.Errorf("%d other sessions are left", n)
	}
	if n := a.db.Count("SELECT count(*) FROM recovery_codes"); n != 0 {
		t.Errorf("%d recovery codes are left", n)
	}
	wantReason(t, a.SecondFactors.Disable(t.Context(), a.caller, password), "totp_not_enrolled")
}

// Registering again under the same Idempotency-Key logs in by the password; it
// must not bypass the second factor.
func TestRepeatedRegistrationDoesNotSkipTheFactor(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	once := clinic.Idempotency{Key: "key"}
	a := authenticator{desk: d}
	a.caller = testkit.Value(d.verifier.Verify(testkit.Value(d.Accounts.Register(t.Context(), patient("patient1"), once))(t).Access))(t)
	testkit.Value(d.Accounts.Register(t.Context(), patient("patient1"), once))(t)
	a.secret = testkit.Value(d.SecondFactors.Enroll(t.Context(), a.caller, password))(t).Secret
	testkit.Value(d.SecondFactors.Confirm(t.Context(), a.caller, a.code(t).TOTPCode))(t)
	_, err := d.Accounts.Register(t.Context(), patient("patient1"), once)
	wantReason(t, err, "totp_required")
}

func TestRoleThatRequiresAFactorMayOnlyEnroll(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *service.APIOptions) { o.TOTPRequired = []clinic.Role{clinic.RolePatient} })
	enrolling := func(s clinic.Tokens) bool { return testkit.Value(d.verifier.Verify(s.Access))(t).Enrolling }
	first := d.register(t, patient("patient1"))
	refreshed := testkit.Value(d.Sessions.Refresh(t.Context(), first.Refresh))(t)
	for i, s := range []clinic.Tokens{first, refreshed, testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)} {
		if !enrolling(s) {
			t.Errorf("session %d may do everything", i)
		}
	}
	if enrolling(d.register(t, doctor("doctor1"))) {
		t.Error("a doctor may only enroll")
	}
	a := authenticator{desk: d, caller: testkit.Value(d.verifier.Verify(refreshed.Access))(t)}
	if !testkit.Value(d.SecondFactors.Status(t.Context(), a.caller))(t).Required {
		t.Error("the status does not show it")
	}
	a.secret = testkit.Value(d.SecondFactors.Enroll(t.Context(), a.caller, password))(t).Secret
	testkit.Value(d.SecondFactors.Confirm(t.Context(), a.caller, a.code(t).TOTPCode))(t)
	after := testkit.Value(d.Sessions.Refresh(t.Context(), refreshed.Refresh))(t)
	a.step()
	if enrolling(after) || enrolling(testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, a.code(t)))(t)) {
		t.Error("a user with the factor may only enroll")
	}
	if err := d.SecondFactors.Disable(t.Context(), a.caller, password); err != nil {
		t.Fatal(err)
	}
	if !enrolling(testkit.Value(d.Sessions.Refresh(t.Context(), after.Refresh))(t)) {
		t.Error("a user who has disabled it may do everything")
	}
}

func TestEnrollmentNeedsAKey(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *service.APIOptions) { o.TOTP = nil })
	caller := testkit.Value(d.verifier.Verify(d.register(t, patient("patient1")).Access))(t)
	_, err := d.SecondFactors.Enroll(t.Context(), caller, password)
	wantCode(t, err, clinic.CodeConflict)
	wantReason(t, err, "totp_not_configured")
}

func TestNoSecretOfAFactorIsStored(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, newDesk(t, nil))
	for _, secret := range slices.Concat([]string{a.secret}, a.recovery) {
		for _, table := range []string{"totp_factors", "recovery_codes"} {
			plain := strings.ReplaceAll(secret, "-", "")
			if n := a.db.Count("SELECT count(*) FROM "+table+" AS t WHERE t::text LIKE '%' || $1 || '%' OR t::text LIKE '%' || encode($1::bytea, 'hex') || '%'", plain); n != 0 {
				t.Errorf("a secret is in %s", table)
			}
		}
	}
}
