package service_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// practice is a desk with a doctor who is logged in and has a second factor, and
// a patient of other doctors. Its terms require a confirmation.
type practice struct {
	authenticator
	patient clinic.Patient
}

func newPractice(t *testing.T) practice {
	t.Helper()
	a := authenticator{desk: newDesk(t, nil)}
	a.caller = testkit.Value(a.verifier.Verify(a.register(t, doctor("doctor1")).Access))(t)
	a.secret = testkit.Value(a.SecondFactors.Enroll(t.Context(), a.caller, password))(t).Secret
	a.recovery = testkit.Value(a.SecondFactors.Confirm(t.Context(), a.caller, a.code(t).TOTPCode))(t)
	a.step()
	return practice{a, a.db.Patient(testkit.PatientOptions{})}
}

func (p practice) request() clinic.AssignmentRequest {
	return clinic.AssignmentRequest{PatientID: p.patient.ID, Reason: "on call", Password: password}
}

// byCode is a request confirmed by a code of the authenticator.
func (p practice) byCode(t *testing.T) clinic.AssignmentRequest {
	t.Helper()
	r := p.request()
	r.Password, r.TOTPCode = "", p.code(t).TOTPCode
	return r
}

// wrongCode is a code of no time step near this one.
func (p practice) wrongCode(t *testing.T) string {
	t.Helper()
	return testkit.Value(totp.GenerateCode(p.secret, p.clock.now().Add(time.Hour)))(t)
}

func TestSelfAssignmentRefuses(t *testing.T) {
	t.Parallel()
	const missing = 1 << 40
	for name, test := range map[string]struct {
		terms  clinic.SelfAssignment
		change string
		edit   func(*clinic.AssignmentRequest)
		code   clinic.Code
		reason string
		fields []string
	}{
		"nothing but a patient": {
			edit: func(r *clinic.AssignmentRequest) { r.Reason, r.Password = "", "" },
			code: clinic.CodeInvalid, reason: "confirmation_required", fields: []string{"reason", "password"},
		},
		"everything wrong at once": {
			edit: func(r *clinic.AssignmentRequest) {
				r.Reason, r.Password, r.EndsAt = "\x00", "", new(time.Now().Add(-time.Second))
			},
			code: clinic.CodeInvalid, reason: "confirmation_required", fields: []string{"reason", "ends_at", "password"},
		},
		"a reason that nobody sees": {
			edit: func(r *clinic.AssignmentRequest) { r.Reason = " \u200b\n\u2060" },
			code: clinic.CodeInvalid, fields: []string{"reason"},
		},
		"an end beyond a year": {
			edit: func(r *clinic.AssignmentRequest) { r.EndsAt = new(time.Now().AddDate(1, 0, 0).Add(time.Hour)) },
			code: clinic.CodeInvalid, fields: []string{"ends_at"},
		},
		"both": {
			edit: func(r *clinic.AssignmentRequest) { r.TOTPCode = "000000" },
			code: clinic.CodeInvalid, fields: []string{"totp_code"},
		},
		"a wrong password": {
			edit: func(r *clinic.AssignmentRequest) { r.Password = "wrong horse" },
			code: clinic.CodeInvalid, reason: "wrong_password", fields: []string{"password"},
		},
		"a wrong code": {
			edit: func(r *clinic.AssignmentRequest) { r.Password, r.TOTPCode = "", "12345x" },
			code: clinic.CodeInvalid, reason: "totp_invalid", fields: []string{"totp_code"},
		},
		"a code without a factor": {
			change: `DELETE FROM totp_factors`, edit: func(r *clinic.AssignmentRequest) { r.Password, r.TOTPCode = "", "000000" },
			code: clinic.CodeInvalid, reason: "totp_invalid", fields: []string{"totp_code"},
		},
		"a recovery code": {
			edit: func(r *clinic.AssignmentRequest) { r.Password, r.TOTPCode = "", "ABCD-EFGH-IJKL-MNOP" },
			code: clinic.CodeInvalid, reason: "totp_invalid", fields: []string{"totp_code"},
		},
		"another doctor": {
			edit: func(r *clinic.AssignmentRequest) { r.DoctorID = missing },
			code: clinic.CodeForbidden,
		},
		"a patient whom nobody has": {
			edit: func(r *clinic.AssignmentRequest) { r.PatientID = missing },
			code: clinic.CodeNotFound,
		},
		"a doctor who is not verified": {
			change: `UPDATE doctor_profiles SET verified_at = NULL`,
			code:   clinic.CodeConflict, reason: "doctor_not_verified",
		},
		"a session that has ended": {
			change: `DELETE FROM sessions`,
			code:   clinic.CodeUnauthenticated, reason: "session_ended",
		},
		"open, and an end in the past": {
			terms: clinic.SelfAssignmentOpen, edit: func(r *clinic.AssignmentRequest) { r.EndsAt = new(time.Now().Add(-time.Second)) },
			code: clinic.CodeInvalid, fields: []string{"ends_at"},
		},
		"off": {
			terms: clinic.SelfAssignmentOff,
			code:  clinic.CodeForbidden, reason: "self_assignment_off",
		},
		"off, and nothing but a patient": {
			terms: clinic.SelfAssignmentOff, edit: func(r *clinic.AssignmentRequest) { *r = clinic.AssignmentRequest{PatientID: missing} },
			code: clinic.CodeForbidden, reason: "self_assignment_off",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPractice(t)
			p.opts.SelfAssignment = test.terms
			p.API = testkit.Value(service.NewAPI(p.opts))(t)
			if test.change != "" {
				p.db.Exec(test.change)
			}
			request := p.request()
			if test.edit != nil {
				test.edit(&request)
			}
			_, created, err := p.Assignments.Assign(t.Context(), p.caller, request, noKey)
			wantCode(t, err, test.code)
			wantReason(t, err, test.reason)
			if test.fields != nil {
				wantFields(t, err, test.fields...)
			}
			if n := p.db.Count(`SELECT (SELECT count(*) FROM assignments) + (SELECT count(*) FROM outbox)`); n != 0 || created {
				t.Errorf("%d rows were written, created = %t", n, created)
			}
		})
	}
}

func TestSelfAssignmentNeedsKnownTerms(t *testing.T) {
	t.Parallel()
	p := newPractice(t)
	p.opts.SelfAssignment = "closed"
	if _, err := service.NewAPI(p.opts); err == nil {
		t.Error("no error")
	}
}

// TestSelfAssignmentEnds expects the requested end, or else that of the terms.
func TestSelfAssignmentEnds(t *testing.T) {
	t.Parallel()
	asked := time.Now().AddDate(1, 0, 0).Add(-time.Minute).UTC().Truncate(time.Second)
	for name, test := range map[string]struct {
		terms clinic.SelfAssignment
		asked *time.Time
		want  time.Duration // 0: never
	}{
		"confirmed":             {want: clinic.SelfAssignmentTime},
		"confirmed, with a day": {asked: &asked, want: time.Until(asked)},
		"open":                  {terms: clinic.SelfAssignmentOpen},
		"open, with a day":      {terms: clinic.SelfAssignmentOpen, asked: &asked, want: time.Until(asked)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPractice(t)
			p.opts.SelfAssignment = test.terms
			p.API = testkit.Value(service.NewAPI(p.opts))(t)
			request := p.request()
			request.EndsAt = test.asked
			a, created, err := p.Assignments.Assign(t.Context(), p.caller, request, noKey)
			wantCode(t, err, "")
			var lasts time.Duration
			if a.EndsAt != nil {
				lasts = a.EndsAt.Sub(a.StartsAt)
			}
			if !created || lasts.Round(time.Hour) != test.want.Round(time.Hour) || test.asked != nil && !a.EndsAt.Equal(asked) {
				t.Errorf("it lasts %s, want %s: %+v", lasts, test.want, a)
			}
			later := request
			later.EndsAt = new(time.Now().Add(time.Hour))
			again, created, err := p.Assignments.Assign(t.Context(), p.caller, later, noKey)
			if wantCode(t, err, ""); created || again.ID != a.ID || (again.EndsAt == nil) != (a.EndsAt == nil) || a.EndsAt != nil && !again.EndsAt.Equal(*a.EndsAt) {
				t.Errorf("asking again makes %+v of %+v", again, a)
			}
		})
	}
}

// TestACodeConfirmsOnce uses a code for one assignment or one login. Wrong codes
// do not slow down logins.
func TestACodeConfirmsOnce(t *testing.T) {
	t.Parallel()
	p := newPractice(t)
	wrong := p.byCode(t)
	wrong.TOTPCode = p.wrongCode(t)
	for range 20 { // more than a login allows
		_, _, err := p.Assignments.Assign(t.Context(), p.caller, wrong, noKey)
		wantReason(t, err, "totp_invalid")
	}
	right := p.byCode(t)
	key := clinic.Idempotency{Key: "k", Operation: "assign", Hash: []byte("hash")}
	first, created, err := p.Assignments.Assign(t.Context(), p.caller, right, key)
	if wantCode(t, err, ""); !created {
		t.Error("nothing was created")
	}
	_, _, err = p.Assignments.Assign(t.Context(), p.caller, right, key)
	wantReason(t, err, "totp_invalid")
	login := func(second clinic.SecondFactor) string {
		_, err := p.Sessions.Login(t.Context(), "doctor1", password, second)
		return clinic.ReasonOf(err)
	}
	if got := login(clinic.SecondFactor{TOTPCode: right.TOTPCode}); got != "totp_invalid" {
		t.Errorf("a login with the code of the assignment: %q", got)
	}
	p.step()
	again, created, err := p.Assignments.Assign(t.Context(), p.caller, p.byCode(t), key)
	if wantCode(t, err, ""); !created || again.ID != first.ID {
		t.Errorf("the repetition with the next code answers %d, want %d", again.ID, first.ID)
	}
	p.step()
	code := p.code(t)
	if got := login(code); got != "" {
		t.Errorf("a login with the code after that: %q", got)
	}
	used := p.byCode(t)
	used.TOTPCode = code.TOTPCode
	_, _, err = p.Assignments.Assign(t.Context(), p.caller, used, noKey)
	wantReason(t, err, "totp_invalid")
	if made, _ := p.Assignments.SelfAssignments(); made != 1 {
		t.Errorf("%d were made, want 1: a repetition makes none", made)
	}
}

// TestCodesOfLoginsDoNotBlockAConfirmation: guesses at codes in logins with the right password
// slow down only logins.
func TestCodesOfLoginsDoNotBlockAConfirmation(t *testing.T) {
	t.Parallel()
	p := newPractice(t)
	for range 10 {
		_, _ = p.Sessions.Login(t.Context(), "doctor1", password, clinic.SecondFactor{TOTPCode: p.wrongCode(t)})
	}
	_, err := p.Sessions.Login(t.Context(), "doctor1", password, p.code(t))
	wantReason(t, err, "totp_throttled")
	_, _, err = p.Assignments.Assign(t.Context(), p.caller, p.byCode(t), noKey)
	wantCode(t, err, "")
}

// TestSelfAssignmentIsTold expects a notification to the patient, the doctor and every
// administrator, one each, also where the assignment is over by then.
func TestSelfAssignmentIsTold(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"at once": `SELECT`, "when it is over": `UPDATE assignments SET ends_at = greatest(starts_at, now())`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEmergency(t)
			e.db.User(clinic.RoleAdmin, testkit.Person{Inactive: true})
			a, _, err := e.Assignments.Assign(t.Context(), e.asDoctor(), clinic.AssignmentRequest{PatientID: e.patient.ID}, noKey)
			wantCode(t, err, "")
			e.db.Exec(change)
			event := e.event(t)
			for range 2 {
				wantCode(t, e.handle(t.Context(), event), "")
			}
			want := []int64{e.patient.User.ID, e.doctor.User.ID, e.admins[0].ID, e.admins[1].ID}
			slices.Sort(want)
			if got := e.recipients(t, event); !slices.Equal(got, want) {
				t.Errorf("recipients = %v, want %v", got, want)
			}
			n := e.newest(t, testkit.CallerOf(e.admins[1]))
			if n.Type != clinic.NotifySelfAssigned || n.Message != "Dr. Eve Night (user6, license LIC000006) assigned themselves to John Doe." || n.AssignmentID != a.ID {
				t.Errorf("an administrator reads %+v", n)
			}
			if n := e.newest(t, e.asPatient()); n.Type != clinic.NotifyPatientAssigned || !strings.Contains(n.Message, "Eve Night") {
				t.Errorf("the patient reads %+v", n)
			}
		})
	}
}

// TestADeclaredAssignmentIsNobodysOwn: nobody requested it, so its event
// notifies only while it lasts, and no administrator.
func TestADeclaredAssignmentIsNobodysOwn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change string
		told   int
		code   clinic.Code
	}{
		"at once":         {`SELECT`, 2, ""},
		"when it is over": {`UPDATE assignments SET ends_at = greatest(starts_at, now())`, 0, clinic.CodeNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			c := f.care()
			f.db.Admin()
			assignStranger(t, f, c)
			f.db.Exec(`UPDATE assignments SET requested_by = NULL`)
			f.db.Exec(test.change)
			event := f.event(t)
			wantCode(t, f.handle(t.Context(), event), test.code)
			if got := f.recipients(t, event); len(got) != test.told {
				t.Errorf("recipients = %v, want %d", got, test.told)
			}
		})
	}
}

// TestAnAssignmentCannotEndBeforeItBegins: the end may pass while a request waits.
func TestAnAssignmentCannotEndBeforeItBegins(t *testing.T) {
	t.Parallel()
	p := newPractice(t)
	late := p.request()
	late.EndsAt = new(time.Now().Add(-time.Hour))
	err := p.opts.DB.Tx(t.Context(), &p.caller, func(h store.Handle) error {
		_, _, err := h.Assignments().Assign(t.Context(), h.Who.DoctorID, late)
		return err
	})
	wantReason(t, err, "assignment_over")
}
