package service_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// registry is a fixture with two administrators, and the commands of an operator.
type registry struct {
	fixture
	care
	first, second clinic.Caller
	commands      *service.Erasures
}

func newRegistry(t *testing.T) registry {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	f := newFixtureOn(t, dsn)
	return registry{
		fixture: f, care: f.care(), first: testkit.CallerOf(f.db.Admin()), second: testkit.CallerOf(f.db.Admin()),
		commands: service.NewErasures(rights.Open(t, store.Options{URL: dsn})),
	}
}

func (w registry) request(t *testing.T) {
	t.Helper()
	testkit.Value(w.Erasures.Request(t.Context(), w.first, w.patient.ID, "asked for it"))(t)
}

func (w registry) erase(t *testing.T) clinic.Erasure {
	t.Helper()
	w.request(t)
	return testkit.Value(w.Erasures.Confirm(t.Context(), w.second, w.patient.ID))(t)
}

func TestAnErasureNeedsTwoPeople(t *testing.T) {
	t.Parallel()
	command := service.Command("test")
	for name, test := range map[string]struct {
		asks, confirms func(w registry) (*service.Erasures, clinic.Caller)
		want           string
	}{
		"two administrators": {
			func(w registry) (*service.Erasures, clinic.Caller) { return w.Erasures, w.first },
			func(w registry) (*service.Erasures, clinic.Caller) { return w.Erasures, w.second }, "",
		},
		"the same administrator": {
			func(w registry) (*service.Erasures, clinic.Caller) { return w.Erasures, w.first },
			func(w registry) (*service.Erasures, clinic.Caller) { return w.Erasures, w.first }, "own_request",
		},
		"a command and an administrator": {
			func(w registry) (*service.Erasures, clinic.Caller) { return w.commands, command },
			func(w registry) (*service.Erasures, clinic.Caller) { return w.Erasures, w.first }, "",
		},
		"an administrator and a command": {
			func(w registry) (*service.Erasures, clinic.Caller) { return w.Erasures, w.first },
			func(w registry) (*service.Erasures, clinic.Caller) { return w.commands, command }, "",
		},
		"two commands": {
			func(w registry) (*service.Erasures, clinic.Caller) { return w.commands, command },
			func(w registry) (*service.Erasures, clinic.Caller) { return w.commands, command }, "own_request",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRegistry(t)
			asks, asker := test.asks(w)
			confirms, confirmer := test.confirms(w)
			asked := testkit.Value(asks.Request(t.Context(), asker, w.patient.ID, " asked  for it "))(t)
			if asked.State() != clinic.ErasureRequested || asked.RequestedBy != asker.UserID || asked.Removed != nil {
				t.Errorf("the request is %+v", asked)
			}
			done, err := confirms.Confirm(t.Context(), confirmer, w.patient.ID)
			wantReason(t, err, test.want)
			if test.want != "" {
				wantCode(t, err, clinic.CodeConflict)
				if n := w.db.Count(`SELECT count(*) FROM health_records`); n != 1 {
					t.Errorf("%d records are left", n)
				}
				return
			}
			wantCode(t, err, "")
			if done.State() != clinic.ErasureDone || done.ConfirmedBy != confirmer.UserID || done.Removed == nil || done.Removed.Records != 1 ||
				done.SchemaVersion == 0 || done.ID != asked.ID {
				t.Errorf("the certificate is %+v", done)
			}
			if again := testkit.Value(asks.Get(t.Context(), asker, w.patient.ID))(t); *again.Removed != *done.Removed {
				t.Errorf("the certificate is read as %+v", again)
			}
			if n := w.db.Count(`SELECT count(*) FROM audit_log WHERE operation <> 'getTest' AND decision = 'allowed' AND role = 'COMMAND'
				AND patient_ids = ARRAY[$1::bigint] AND user_id IS NULL`, w.patient.ID); (asker.UserID == 0 || confirmer.UserID == 0) != (n == 1) {
				t.Errorf("%d audit rows of commands", n)
			}
		})
	}
}

// TestWhatStopsAnErasure takes the steps in turn, and checks the reason of each refusal.
func TestWhatStopsAnErasure(t *testing.T) {
	t.Parallel()
	type step struct {
		name string
		do   func(context.Context, registry) error
		code clinic.Code
		want string // reason
	}
	request := func(ctx context.Context, w registry) error {
		_, err := w.Erasures.Request(ctx, w.first, w.patient.ID, "asked for it")
		return err
	}
	confirm := func(ctx context.Context, w registry) error {
		_, err := w.Erasures.Confirm(ctx, w.second, w.patient.ID)
		return err
	}
	withdraw := func(ctx context.Context, w registry) error { return w.Erasures.Withdraw(ctx, w.second, w.patient.ID) }
	place := func(ctx context.Context, w registry) error {
		_, err := w.Erasures.PlaceHold(ctx, w.first, w.patient.ID, "lawsuit")
		return err
	}
	lift := func(ctx context.Context, w registry) error { return w.Erasures.LiftHold(ctx, w.second, w.patient.ID) }
	enable := func(ctx context.Context, w registry) error {
		_, err := w.Accounts.Enable(ctx, w.first, w.patient.User.ID)
		return err
	}
	w := newRegistry(t)
	for _, s := range []step{
		{"nobody asked", confirm, clinic.CodeNotFound, ""},
		{"nothing to withdraw", withdraw, clinic.CodeNotFound, ""},
		{"no hold to lift", lift, clinic.CodeNotFound, ""},
		{"a hold", place, "", ""},
		{"a request under a hold", request, clinic.CodeConflict, "legal_hold"},
		{"the hold is lifted", lift, "", ""},
		{"a request", request, "", ""},
		{"a second request", request, clinic.CodeConflict, "erasure_requested"},
		{"a hold after the request", place, "", ""},
		{"a confirmation under a hold", confirm, clinic.CodeConflict, "legal_hold"},
		{"the request is withdrawn", withdraw, "", ""},
		{"no request", confirm, clinic.CodeNotFound, ""},
		{"the hold is lifted again", lift, "", ""},
		{"a request again", request, "", ""},
		{"a disabled patient is enabled", enable, "", ""},
		{"it is confirmed", confirm, "", ""},
		{"it is confirmed again", confirm, clinic.CodeConflict, "erased"},
		{"it is requested again", request, clinic.CodeConflict, "erased"},
		{"it is withdrawn too late", withdraw, clinic.CodeConflict, "erased"},
		{"a hold too late", place, clinic.CodeConflict, "erased"},
		{"no hold to lift any more", lift, clinic.CodeNotFound, ""},
		{"the account is enabled", enable, clinic.CodeConflict, "erased"},
	} {
		err := s.do(t.Context(), w)
		if clinic.CodeOf(err) != s.code || clinic.ReasonOf(err) != s.want {
			t.Fatalf("%s: %v (%v), want %q %q", s.name, err, cause(err), s.code, s.want)
		}
	}
	_, err := w.Erasures.PlaceHold(t.Context(), w.first, 1<<40, "lawsuit")
	wantCode(t, err, clinic.CodeNotFound)
	_, err = w.Erasures.Request(t.Context(), w.first, w.patient.ID, " ")
	wantCode(t, err, clinic.CodeInvalid)
	for _, caller := range []clinic.Caller{w.asPatient(), w.asDoctor()} {
		if caller.UserID == w.patient.User.ID {
			continue // has no account any more
		}
		_, err := w.Erasures.Request(t.Context(), caller, w.patient.ID, "asked for it")
		wantCode(t, err, clinic.CodeForbidden)
	}
}

// TestADisabledAccountIsErased: the trigger that keeps an erased account from being enabled must not stop the erasure itself.
func TestADisabledAccountIsErased(t *testing.T) {
	t.Parallel()
	w := newRegistry(t)
	testkit.Value(w.Accounts.Disable(t.Context(), w.first, w.patient.User.ID))(t)
	w.erase(t)
}

// TestAnErasedNameIsFree: whoever had the name before, and the name that replaces it, stand in nobody's way.
// TestNobodyLogsInToAnErasedAccount: its new name is no secret.
func TestNobodyLogsInToAnErasedAccount(t *testing.T) {
	t.Parallel()
	w := newRegistry(t)
	w.erase(t)
	name := fmt.Sprintf("erased-%d", w.patient.User.ID)
	for _, password := range []string{"-", "securepass123"} {
		if _, err := w.Sessions.Login(t.Context(), name, password, clinic.SecondFactor{}); clinic.ReasonOf(err) != "bad_credentials" {
			t.Errorf("a login with %q: %v", password, err)
		}
	}
}

func TestAnErasedNameIsFree(t *testing.T) {
	t.Parallel()
	w := newRegistry(t)
	w.db.Exec(`UPDATE users SET username = 'Erased-' || $1::bigint WHERE id = $2`, w.patient.User.ID, w.stranger.User.ID)
	w.erase(t)
	registered := patient(w.patient.User.Username)
	testkit.Value(w.Accounts.Register(t.Context(), registered, clinic.Idempotency{}))(t)
	if n := w.db.Count(`SELECT count(*) FROM users WHERE username LIKE 'erased-%-%' AND id = $1`, w.patient.User.ID); n != 1 {
		t.Error("the erased account has another name")
	}
}

// TestOthersStillReadWhatIsLeft of an erased patient: notifications, assignments and the audit log keep their ids.
func TestOthersStillReadWhatIsLeft(t *testing.T) {
	t.Parallel()
	w := newRegistry(t)
	testkit.Value(w.Records.Create(t.Context(), w.asPatient(), fields(), clinic.Idempotency{}))(t)
	w.handleAll(t)
	w.erase(t)
	w.handleAll(t)
	if n := w.newest(t, w.asDoctor()); n.Message != "A health record was added by a patient you are no longer assigned to." {
		t.Errorf("the doctor reads %q", n.Message)
	}
	for _, caller := range []clinic.Caller{w.first, w.asDoctor()} {
		page := testkit.Value(w.Assignments.List(t.Context(), caller, clinic.AssignmentFilter{}, clinic.PageRequest{}))(t)
		if len(page.Items) != 1 || !page.Items[0].Ended || page.Items[0].Patient.ID != w.patient.ID {
			t.Errorf("the assignments are %+v", page.Items)
		}
	}
	n := w.newestOf(t, w.second, clinic.NotifyErasureRequested)
	if n.UserID != w.patient.User.ID {
		t.Errorf("the administrator reads %+v", n)
	}
	testkit.Value(w.AuditLog.List(t.Context(), w.first, clinic.AuditFilter{PatientID: w.patient.ID}, 0, 10))(t)
	page := testkit.Value(w.Erasures.List(t.Context(), w.first, clinic.PageRequest{}))(t)
	if len(page.Items) != 1 || page.Total != 1 || page.Items[0].PatientID != w.patient.ID {
		t.Errorf("the erasures are %+v", page)
	}
}

// TestDeclarationsSettleWithoutAnErasedPatient: the object says why the pair is not assigned, and claims the others.
func TestDeclarationsSettleWithoutAnErasedPatient(t *testing.T) {
	t.Parallel()
	w := newRegistry(t)
	other := w.db.Patient(testkit.PatientOptions{})
	d := clinic.Declaration{
		Owner: clinic.Owner{UID: "uid", Term: 1}, Generation: 1, Name: "clinic/team",
		Doctors: []string{w.stranger.User.Username}, Patients: []string{w.patient.User.Username, other.User.Username},
	}
	if result := testkit.Value(w.Declarations.Declare(t.Context(), d))(t); result.Assigned != 2 {
		t.Fatalf("%+v", result)
	}
	w.erase(t)
	for range 2 {
		result := testkit.Value(w.Declarations.Declare(t.Context(), d))(t)
		if result.Assigned != 1 || result.Troubled != 1 || result.Problems[0].Reason != clinic.PatientNotFound {
			t.Errorf("%+v", result)
		}
	}
	d.Patients[0], d.Generation = "erased-"+d.Patients[0], 2
	w.db.Exec(`ALTER TABLE users DISABLE TRIGGER account_stays_erased`)
	w.db.Exec(`UPDATE users SET username = $1 WHERE id = $2`, d.Patients[0], w.patient.User.ID)
	if result := testkit.Value(w.Declarations.Declare(t.Context(), d))(t); result.Assigned != 1 || result.Problems[0].Reason != clinic.PatientNotFound {
		t.Errorf("by the name of an erased patient: %+v", result)
	}
}
