package service_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

const another = "another horse, and a battery"

// issue issues a code for the user by an administrator of its own.
func (d desk) issue(t testing.TB, userID int64) clinic.ResetCode {
	t.Helper()
	return testkit.Value(d.Resets.Issue(t.Context(), d.db.LoggedIn(d.db.Admin()), userID))(t)
}

func TestACodeSetsThePasswordOnceAndEndsAllSessions(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	caller := testkit.Value(d.verifier.Verify(d.register(t, patient("patient1")).Access))(t)
	code := d.issue(t, caller.UserID)
	if left := time.Until(code.ExpiresAt); left < 23*time.Hour || left > 24*time.Hour || len(code.Code) != 34 {
		t.Errorf("a code of %d characters for %v", len(code.Code), left)
	}
	if n := d.db.Count(`SELECT count(*) FROM reset_codes c WHERE position($1::bytea IN c.code_hash) > 0`, []byte(code.Code)); n != 0 {
		t.Error("the code is in the database")
	}
	testkit.Value(d.Accounts.Profile(t.Context(), caller))(t) // nothing ends before the code is used
	testkit.Value(d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{}))(t)
	typed := strings.ToLower(strings.ReplaceAll(code.Code, "-", " "))
	testkit.Must(t, d.Resets.Use(t.Context(), "PATIENT1", strings.NewReplacer("o", "0", "i", "1", "b", "8").Replace(typed), another))
	_, err := d.Accounts.Profile(t.Context(), caller)
	wantReason(t, err, "session_ended")
	_, err = d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{})
	wantReason(t, err, "bad_credentials")
	testkit.Value(d.Sessions.Login(t.Context(), "patient1", another, clinic.SecondFactor{}))(t)
	wantReason(t, d.Resets.Use(t.Context(), "patient1", code.Code, password), "reset_code_invalid")
	testkit.Value(d.Sessions.Login(t.Context(), "patient1", another, clinic.SecondFactor{}))(t)
}

// TestInvalidCodesFailAlike compares the error and the number of hashes.
func TestInvalidCodesFailAlike(t *testing.T) {
	t.Parallel()
	var told sync.Map // the errors' texts
	t.Cleanup(func() {
		texts := 0
		told.Range(func(any, any) bool { texts++; return true })
		if texts != 1 {
			t.Errorf("%d different errors", texts)
		}
	})
	for name, test := range map[string]struct {
		username string
		spoil    func(*testing.T, desk, clinic.Caller)
	}{
		"wrong": {}, "unknown user": {username: "nobody"}, "no username": {username: "no name\x00"}, "another user": {username: "other"},
		"expired": {spoil: func(_ *testing.T, d desk, _ clinic.Caller) {
			d.db.Exec(`UPDATE reset_codes SET created_at = '2020-01-01', expires_at = now()`)
		}},
		"replaced": {spoil: func(t *testing.T, d desk, c clinic.Caller) {
			t.Helper()
			d.issue(t, c.UserID)
		}},
		"used": {spoil: func(_ *testing.T, d desk, _ clinic.Caller) { d.db.Exec(`DELETE FROM reset_codes`) }},
		"disabled": {spoil: func(_ *testing.T, d desk, _ clinic.Caller) {
			d.db.Exec(`UPDATE users SET active = false WHERE role = 'PATIENT'`)
		}},
		"disabled and enabled": {spoil: func(t *testing.T, d desk, c clinic.Caller) {
			t.Helper()
			admin := d.db.LoggedIn(d.db.Admin())
			testkit.Value(d.Accounts.Disable(t.Context(), admin, c.UserID))(t)
			testkit.Value(d.Accounts.Enable(t.Context(), admin, c.UserID))(t)
		}},
		"password changed": {spoil: func(t *testing.T, d desk, c clinic.Caller) {
			t.Helper()
			testkit.Must(t, d.Accounts.ChangePassword(t.Context(), c, password, another))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, nil)
			d.register(t, patient("other"))
			caller := testkit.Value(d.verifier.Verify(d.register(t, patient("patient1")).Access))(t)
			code, username := d.issue(t, caller.UserID).Code, test.username
			if username == "" {
				username = "patient1"
			}
			if test.spoil != nil {
				test.spoil(t, d, caller)
			}
			if name == "wrong" {
				code = "AAAA-" + code[5:]
			}
			before := d.opts.Passwords.Computed()
			err := d.Resets.Use(t.Context(), username, code, "yet another horse")
			wantCode(t, err, clinic.CodeUnauthenticated)
			wantReason(t, err, "reset_code_invalid")
			if n := d.opts.Passwords.Computed() - before; n != 1 {
				t.Errorf("%d hashes, want 1 in every case", n)
			}
			told.Store(err.Error(), nil)
		})
	}
}

func TestResetsRefuseWeakPasswordsAndKeepTheCode(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	registration := patient("patient1")
	registration.Email = "jane.doe@example.com"
	caller := testkit.Value(d.verifier.Verify(d.register(t, registration).Access))(t)
	code := d.issue(t, caller.UserID).Code
	for _, weak := range []string{"password1", "patient1!", "jane.doe99"} {
		wantCode(t, d.Resets.Use(t.Context(), "patient1", code, weak), clinic.CodeInvalid)
	}
	wantReason(t, d.Resets.Use(t.Context(), "patient1", "wrong", "jane.doe99"), "reset_code_invalid") // tells nothing of the address
	testkit.Must(t, d.Resets.Use(t.Context(), "patient1", code, another))
}

func TestAResetKeepsTheSecondFactor(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, newDesk(t, nil))
	testkit.Must(t, a.Resets.Use(t.Context(), "patient1", a.issue(t, a.caller.UserID).Code, another))
	_, err := a.Sessions.Login(t.Context(), "patient1", another, clinic.SecondFactor{})
	wantReason(t, err, "totp_required")
	testkit.Value(a.Sessions.Login(t.Context(), "patient1", another, a.code(t)))(t)
}

func TestWhoMayIssueCodes(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	admin := d.db.LoggedIn(d.db.Admin())
	user := d.db.Patient(testkit.PatientOptions{}).User
	_, err := d.Resets.Issue(t.Context(), d.db.LoggedIn(user), user.ID)
	wantCode(t, err, clinic.CodeForbidden)
	_, err = d.Resets.Issue(t.Context(), admin, admin.UserID)
	wantReason(t, err, "own_account")
	_, err = d.Resets.Issue(t.Context(), admin, 1<<40)
	wantCode(t, err, clinic.CodeNotFound)
	testkit.Value(d.Resets.Issue(t.Context(), admin, d.db.Admin().ID))(t)
	testkit.Value(d.Accounts.Disable(t.Context(), admin, user.ID))(t)
	_, err = d.Resets.Issue(t.Context(), admin, user.ID)
	wantReason(t, err, "account_disabled")
	for decision, want := range map[string]int{"forbidden": 1, "conflict": 2, "not_found": 1, "allowed": 1} {
		if n := d.db.Count(`SELECT count(*) FROM audit_log WHERE operation = 'getTest' AND object_kind = 'user' AND decision = $1
				AND NOT (decision = 'allowed' AND object_id = $2)`, decision, user.ID); n != want {
			t.Errorf("%d audit rows say %s, want %d", n, decision, want)
		}
	}
}

// TestACodeIsUsedOnce sends one code many times at once.
func TestACodeIsUsedOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	caller := testkit.Value(d.verifier.Verify(d.register(t, patient("patient1")).Access))(t)
	code := d.issue(t, caller.UserID).Code
	var taken atomic.Int64
	done := make(chan struct{})
	const times = 8
	for i := range times {
		go func() {
			if d.Resets.Use(t.Context(), "patient1", code, fmt.Sprint(another, i)) == nil {
				taken.Add(1)
			}
			done <- struct{}{}
		}()
	}
	for range times {
		<-done
	}
	if taken.Load() != 1 {
		t.Errorf("the code worked %d times", taken.Load())
	}
}

// TestCodesEndWithTheirAdministrator: whoever is disabled because they misuse their rights may have kept codes.
func TestCodesEndWithTheirAdministrator(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	user := testkit.Value(d.verifier.Verify(d.register(t, patient("patient1")).Access))(t).UserID
	other := testkit.Value(d.verifier.Verify(d.register(t, patient("patient2")).Access))(t).UserID
	rogue, honest := d.db.LoggedIn(d.db.Admin()), d.db.LoggedIn(d.db.Admin())
	kept := testkit.Value(d.Resets.Issue(t.Context(), rogue, user))(t)
	testkit.Value(d.Resets.Issue(t.Context(), rogue, other))(t)
	replaced := testkit.Value(d.Resets.Issue(t.Context(), honest, other))(t)
	testkit.Value(d.Accounts.Disable(t.Context(), honest, rogue.UserID))(t)
	wantReason(t, d.Resets.Use(t.Context(), "patient1", kept.Code, another), "reset_code_invalid")
	testkit.Must(t, d.Resets.Use(t.Context(), "patient2", replaced.Code, another))
}

func TestCommandsSetPasswordsAndRemoveSecondFactors(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, newDesk(t, nil))
	code := a.issue(t, a.caller.UserID).Code
	_, err := a.Administrators.SetPassword(t.Context(), "patient1", "patient1!")
	wantCode(t, err, clinic.CodeInvalid)
	for _, unknown := range []string{"nobody", "no name\x00"} {
		_, err = a.Administrators.SetPassword(t.Context(), unknown, another)
		wantCode(t, err, clinic.CodeNotFound)
		_, err = a.Administrators.ResetSecondFactor(t.Context(), unknown)
		wantCode(t, err, clinic.CodeNotFound)
	}
	testkit.Value(a.Administrators.SetPassword(t.Context(), "Patient1", another))(t)
	_, err = a.Accounts.Profile(t.Context(), a.caller)
	wantReason(t, err, "session_ended")
	wantReason(t, a.Resets.Use(t.Context(), "patient1", code, password), "reset_code_invalid")
	_, err = a.Sessions.Login(t.Context(), "patient1", another, clinic.SecondFactor{})
	wantReason(t, err, "totp_required")

	session := testkit.Value(a.Sessions.Login(t.Context(), "patient1", another, a.code(t)))(t)
	testkit.Value(a.Administrators.ResetSecondFactor(t.Context(), "patient1"))(t)
	_, err = a.Accounts.Profile(t.Context(), testkit.Value(a.verifier.Verify(session.Access))(t))
	wantReason(t, err, "session_ended")
	testkit.Value(a.Sessions.Login(t.Context(), "patient1", another, clinic.SecondFactor{}))(t)
	_, err = a.Administrators.ResetSecondFactor(t.Context(), "patient1")
	wantReason(t, err, "totp_not_enrolled")

	a.db.Exec(`UPDATE users SET active = false WHERE username = 'patient1'`)
	_, err = a.Administrators.SetPassword(t.Context(), "patient1", another)
	wantReason(t, err, "account_disabled")
	_, err = a.Administrators.ResetSecondFactor(t.Context(), "patient1")
	wantReason(t, err, "account_disabled")
	for row, want := range map[string]int{"setPassword allowed": 1, "setPassword conflict": 1, "resetSecondFactor allowed": 1, "resetSecondFactor conflict": 2} {
		operation, decision, _ := strings.Cut(row, " ")
		if n := a.db.Count(`SELECT count(*) FROM audit_log WHERE role = 'COMMAND' AND user_id IS NULL AND object_kind = 'user' AND object_id = $1
				AND operation = $2 AND decision = $3`, a.caller.UserID, operation, decision); n != want {
			t.Errorf("%d audit rows of %s, want %d", n, row, want)
		}
	}
}

// TestIssuedCodesAreValidOnlyIfTheyAreKept: a code that could not be written down must not replace another.
func TestIssuedCodesAreValidOnlyIfTheyAreKept(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	first := d.db.Patient(testkit.PatientOptions{}).User
	second := d.db.Patient(testkit.PatientOptions{}).User
	old := d.issue(t, second.ID).Code
	full := errors.New("no space left on device")
	var kept []clinic.ResetCode
	codes := service.Codes{Usernames: []string{first.Username, strings.ToUpper(first.Username), second.Username}, Lifetime: 336 * time.Hour}
	codes.Keep = func(c clinic.ResetCode) error {
		if len(kept) == 1 {
			return full
		}
		kept = append(kept, c)
		return nil
	}
	issued, err := d.Administrators.IssueCodes(t.Context(), codes)
	if !errors.Is(err, full) || issued != 1 || len(kept) != 1 || time.Until(kept[0].ExpiresAt) < 335*time.Hour {
		t.Fatalf("issued %d, kept %d, %v", issued, len(kept), err)
	}
	testkit.Must(t, d.Resets.Use(t.Context(), first.Username, kept[0].Code, another))
	testkit.Must(t, d.Resets.Use(t.Context(), second.Username, old, another))

	d.db.Exec(`UPDATE users SET active = false WHERE id = $1`, second.ID)
	for _, usernames := range [][]string{{first.Username, "nobody"}, {first.Username, second.Username}} {
		codes.Usernames = usernames
		codes.Keep = func(clinic.ResetCode) error { t.Error("a code is issued before all usernames are checked"); return nil }
		if _, err := d.Administrators.IssueCodes(t.Context(), codes); err == nil || !strings.Contains(err.Error(), "username 2") {
			t.Errorf("%v", err)
		}
	}
}

// TestNoCodeForAnAccountThatGotAPasswordMeanwhile: a command for thousands of accounts takes minutes, and a code for an account
// without a password notifies nobody.
func TestNoCodeForAnAccountThatGotAPasswordMeanwhile(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	var users []clinic.User
	for range 3 {
		users = append(users, d.db.Patient(testkit.PatientOptions{}).User)
		d.db.Exec(`UPDATE patient_profiles SET source_id = user_id::text WHERE user_id = $1`, users[len(users)-1].ID)
	}
	var kept []clinic.ResetCode
	codes := service.Codes{Lifetime: time.Hour, Keep: func(c clinic.ResetCode) error {
		if len(kept) == 0 {
			d.db.Exec(`UPDATE users SET credentials_version = 2 WHERE id = $1`, users[1].ID)
			d.issue(t, users[2].ID) // as another command would
		}
		kept = append(kept, c)
		return nil
	}}
	issued, err := d.Administrators.IssueCodes(t.Context(), codes)
	if err != nil || issued != 1 || len(kept) != 1 || kept[0].User.ID != users[0].ID {
		t.Errorf("%d codes were issued and %d kept, %v", issued, len(kept), err)
	}
}

func TestCleanupDeletesExpiredCodes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	admin := testkit.CallerOf(f.db.Admin())
	testkit.Value(f.Resets.Issue(t.Context(), admin, c.patient.User.ID))(t)
	testkit.Value(f.Resets.Issue(t.Context(), admin, c.doctor.User.ID))(t)
	f.db.Exec(`UPDATE reset_codes SET created_at = '2020-01-01', expires_at = now() WHERE user_id = $1`, c.patient.User.ID)
	testkit.Value(f.Cleanup.DeleteExpired(t.Context(), time.Hour, 10))(t)
	if n := f.db.Count(`SELECT user_id FROM reset_codes`); int64(n) != c.doctor.User.ID {
		t.Error("the code of the doctor is not the only one left")
	}
}

// TestCleanupSparesACodeThatReplacesAnExpiredOne at the same moment: both are the same row.
func TestCleanupSparesACodeThatReplacesAnExpiredOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	user := f.db.Patient(testkit.PatientOptions{}).User
	f.db.Exec(`INSERT INTO reset_codes (user_id, code_hash, created_at, expires_at) VALUES ($1, sha256('old'), '2020-01-01', '2020-01-02')`, user.ID)
	issuing := testkit.Value(f.db.Pool.Begin(t.Context()))(t)
	defer func() { _ = issuing.Rollback(t.Context()) }()
	testkit.Value(issuing.Exec(t.Context(), `UPDATE reset_codes SET code_hash = sha256('new'), created_at = now(), expires_at = now() + interval '1 hour'`))(t)
	ended := make(chan error, 1)
	go func() {
		_, err := f.Cleanup.DeleteExpired(t.Context(), time.Hour, 10)
		ended <- err
	}()
	for f.db.Count(`SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()`) == 0 {
		if len(ended) > 0 {
			break // it did not wait
		}
	}
	testkit.Must(t, issuing.Commit(t.Context()))
	testkit.Must(t, <-ended)
	if n := f.db.Count(`SELECT count(*) FROM reset_codes`); n != 1 {
		t.Error("the new code was deleted")
	}
}
