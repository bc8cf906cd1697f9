package service_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func fieldsOf(err error) []clinic.FieldError {
	var e *clinic.Error
	if errors.As(err, &e) {
		return e.Fields
	}
	return nil
}

func TestRegisterPatient(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	birth := time.Date(1980, 2, 29, 0, 0, 0, 0, time.UTC)
	r := patient("patient1")
	r.DateOfBirth, r.BloodType, r.Address, r.EmergencyContact = &birth, "AB-", "1 Main Street", "Mary Doe"
	s := d.register(t, r)
	d.wantSession(t, s, s.User)
	want := clinic.Patient{
		ID: 1, User: clinic.User{
			ID: 1, Username: "patient1", Email: "patient@example.com", FirstName: "John", LastName: "Doe",
			Role: clinic.RolePatient, PhoneNumber: "+1234567890", Active: true, CreatedAt: s.User.CreatedAt,
		},
		DateOfBirth: &birth, BloodType: "AB-", Address: "1 Main Street", EmergencyContact: "Mary Doe",
	}
	got := testkit.Value(d.Accounts.Profile(t.Context(), testkit.CallerOf(s.User)))(t)
	if diff := cmp.Diff(clinic.Profile{User: want.User, Patient: &want}, got); diff != "" {
		t.Error(diff)
	}
	if s.User != want.User {
		t.Errorf("user = %+v, want %+v", s.User, want.User)
	}
}

func TestRegisterDoctor(t *testing.T) {
	t.Parallel()
	for _, autoVerify := range []bool{false, true} {
		t.Run(fmt.Sprint(autoVerify), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, nil)
			if !autoVerify {
				d = newDesk(t, manual)
			}
			s := d.register(t, doctor("doctor1"))
			d.wantSession(t, s, s.User)
			p := testkit.Value(d.Accounts.Profile(t.Context(), testkit.CallerOf(s.User)))(t)
			if p.Doctor == nil || p.Patient != nil {
				t.Fatalf("profile = %+v", p)
			}
			if p.Doctor.Specialization != "General Medicine" || p.Doctor.LicenseNumber != "DOC000001" ||
				(p.Doctor.VerifiedAt != nil) != autoVerify {
				t.Errorf("doctor = %+v", p.Doctor)
			}
		})
	}
}

func TestRegisterDoctorAsGiven(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	r := doctor("doctor1")
	r.Specialization, r.LicenseNumber, r.YearsOfExperience = "Cardiology", " CA-1234 ", 5
	got := testkit.Value(d.Accounts.Profile(t.Context(), d.caller(t, r)))(t).Doctor
	if got.Specialization != "Cardiology" || got.LicenseNumber != "CA-1234" || got.YearsOfExperience != 5 {
		t.Errorf("doctor = %+v", got)
	}
}

// A user may register under the number that is later derived from a profile's id.
func TestDefaultLicenseNumberMayBeTaken(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	squatter := doctor("squatter")
	squatter.LicenseNumber = "doc 00-0002"
	d.register(t, squatter)
	second := testkit.Value(d.Accounts.Profile(t.Context(), d.caller(t, doctor("second"))))(t).Doctor
	if second.ID != 2 || !strings.HasPrefix(second.LicenseNumber, "DOC000002-") {
		t.Errorf("doctor = %+v", second)
	}
}

func TestRegisterRefusesTakenNames(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	first := doctor("Jane.Doe")
	first.LicenseNumber = "CA-1"
	d.register(t, first)
	for _, name := range []string{"Jane.Doe", "jane.doe", "JANE.DOE"} {
		_, err := d.Accounts.Register(t.Context(), patient(name), clinic.Idempotency{})
		wantCode(t, err, clinic.CodeConflict)
		wantReason(t, err, "username_taken")
	}
	second := doctor("other")
	for _, spelling := range []string{"CA-1", "ca1", " C A / 1. ", "CA-I", "ＣＡ－１"} {
		second.LicenseNumber = spelling
		_, err := d.Accounts.Register(t.Context(), second, clinic.Idempotency{})
		wantCode(t, err, clinic.CodeConflict)
		wantReason(t, err, "license_number_taken")
	}
	second.LicenseNumber = "СА-1" // in Cyrillic
	_, err := d.Accounts.Register(t.Context(), second, clinic.Idempotency{})
	wantFields(t, err, "license_number")
	if n := d.db.Count("SELECT count(*) FROM users"); n != 1 {
		t.Errorf("%d users: a refused one exists", n)
	}
}

func TestConcurrentRegistrationsOfOneName(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	var made, refused int
	var mutex sync.Mutex
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			name := []string{"jane", "JANE"}[i%2]
			_, err := d.Accounts.Register(t.Context(), patient(name), clinic.Idempotency{})
			mutex.Lock()
			defer mutex.Unlock()
			switch clinic.CodeOf(err) {
			case "":
				made++
			case clinic.CodeConflict:
				refused++
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if made != 1 || refused != 7 {
		t.Errorf("%d registered, %d refused", made, refused)
	}
}

func TestRegisterRefusesOtherRoles(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	for _, role := range []clinic.Role{clinic.RoleAdmin, "", "ROOT", "patient"} {
		r := patient("somebody")
		r.Role = role
		_, err := d.Accounts.Register(t.Context(), r, clinic.Idempotency{})
		wantFields(t, err, "user_type")
	}
	r := patient("some body")
	r.Role, r.Email = clinic.RoleAdmin, "x"
	_, err := d.Accounts.Register(t.Context(), r, clinic.Idempotency{})
	wantFields(t, err, "user_type", "username", "email")
	if n := d.db.Count("SELECT count(*) FROM users"); n != 0 {
		t.Errorf("%d users", n)
	}
}

func TestCreateAdmin(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	r := clinic.Registration{Username: "root", Password: password}
	admin := testkit.Value(d.Administrators.Create(t.Context(), r))(t)
	s := testkit.Value(d.Sessions.Login(t.Context(), "root", password, clinic.SecondFactor{}))(t)
	d.wantSession(t, s, admin)
	if admin.Role != clinic.RoleAdmin {
		t.Errorf("role = %s", admin.Role)
	}
	p := testkit.Value(d.Accounts.Profile(t.Context(), testkit.CallerOf(admin)))(t)
	if p.User != admin || p.Doctor != nil || p.Patient != nil {
		t.Errorf("profile = %+v", p)
	}
	r.Username = "ROOT"
	existing, err := d.Administrators.Create(t.Context(), r)
	wantCode(t, err, clinic.CodeConflict)
	wantReason(t, err, "username_taken")
	if existing != admin {
		t.Errorf("existing = %+v, want %+v", existing, admin)
	}
	_, err = d.Administrators.Create(t.Context(), clinic.Registration{Username: "weak", Password: "short"})
	wantFields(t, err, "password")
}

func TestUpdateProfileSetsWhatIsGiven(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	caller := d.caller(t, patient("patient1"))
	birth := new(time.Date(1990, 1, 2, 0, 0, 0, 0, time.UTC))
	want := testkit.Value(d.Accounts.Profile(t.Context(), caller))(t)
	for name, step := range map[string]struct {
		change clinic.ProfileChange
		apply  func(*clinic.Patient)
	}{
		"nothing":    {clinic.ProfileChange{}, func(*clinic.Patient) {}},
		"email":      {clinic.ProfileChange{Email: new("new@example.com")}, func(p *clinic.Patient) { p.User.Email = "new@example.com" }},
		"first name": {clinic.ProfileChange{FirstName: new("Jack")}, func(p *clinic.Patient) { p.User.FirstName = "Jack" }},
		"last name":  {clinic.ProfileChange{LastName: new("")}, func(p *clinic.Patient) { p.User.LastName = "" }},
		"phone":      {clinic.ProfileChange{PhoneNumber: new("+49 30 1234")}, func(p *clinic.Patient) { p.User.PhoneNumber = "+49 30 1234" }},
		"birth":      {clinic.ProfileChange{DateOfBirth: &birth}, func(p *clinic.Patient) { p.DateOfBirth = birth }},
		"blood type": {clinic.ProfileChange{BloodType: new("O+")}, func(p *clinic.Patient) { p.BloodType = "O+" }},
		"address":    {clinic.ProfileChange{Address: new("2 Main Street")}, func(p *clinic.Patient) { p.Address = "2 Main Street" }},
		"contact":    {clinic.ProfileChange{EmergencyContact: new("Mary")}, func(p *clinic.Patient) { p.EmergencyContact = "Mary" }},
	} {
		step.apply(want.Patient)
		want.User = want.Patient.User
		got := testkit.Value(d.Accounts.UpdateProfile(t.Context(), caller, step.change, nil))(t)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(got, testkit.Value(d.Accounts.Profile(t.Context(), caller))(t)); diff != "" {
			t.Errorf("%s, read again: %s", name, diff)
		}
	}
	var nobody *time.Time
	if got := testkit.Value(d.Accounts.UpdateProfile(t.Context(), caller, clinic.ProfileChange{DateOfBirth: &nobody}, nil))(t); got.Patient.DateOfBirth != nil {
		t.Errorf("date of birth = %v, want it cleared", got.Patient.DateOfBirth)
	}
}

func TestUpdateProfileRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	asPatient, asDoctor := d.caller(t, patient("patient1")), d.caller(t, doctor("doctor1"))
	_, err := d.Accounts.UpdateProfile(t.Context(), asPatient, clinic.ProfileChange{LicenseNumber: new("CA-1"), Email: new("x")}, nil)
	wantFields(t, err, "license_number", "email")
	_, err = d.Accounts.UpdateProfile(t.Context(), asDoctor, clinic.ProfileChange{BloodType: new("O+")}, nil)
	wantFields(t, err, "blood_type")
	_, err = d.Accounts.UpdateProfile(t.Context(), asDoctor, clinic.ProfileChange{LicenseNumber: new(" ")}, nil)
	wantFields(t, err, "license_number")
	taken := doctor("doctor2")
	taken.LicenseNumber = "CA-2"
	d.register(t, taken)
	_, err = d.Accounts.UpdateProfile(t.Context(), asDoctor, clinic.ProfileChange{LicenseNumber: new("CA-2"), FirstName: new("Changed")}, nil)
	wantReason(t, err, "license_number_taken")
	if got := testkit.Value(d.Accounts.Profile(t.Context(), asDoctor))(t).User.FirstName; got != "Jane" {
		t.Errorf("first name = %q: half of a refused change was made", got)
	}
}

// An administrator verified the number, not the person.
func TestAnotherLicenseNumberIsNotVerified(t *testing.T) {
	t.Parallel()
	for name, keeps := range map[string]bool{"manual": false, "automatic": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, nil)
			if !keeps {
				d = newDesk(t, manual)
			}
			caller := d.caller(t, doctor("doctor1"))
			admin := testkit.CallerOf(d.db.Admin())
			testkit.Value(d.Doctors.Verify(t.Context(), admin, 1, clinic.Verification{Verified: true}))(t)
			for _, number := range []string{"DOC000001", "doc 000-001"} {
				same := clinic.ProfileChange{LicenseNumber: &number, YearsOfExperience: new(9), Specialization: new("Cardiology")}
				if p := testkit.Value(d.Accounts.UpdateProfile(t.Context(), caller, same, nil))(t); p.Doctor.VerifiedAt == nil || p.Doctor.YearsOfExperience != 9 {
					t.Errorf("the same number: %+v", p.Doctor)
				}
			}
			p := testkit.Value(d.Accounts.UpdateProfile(t.Context(), caller, clinic.ProfileChange{LicenseNumber: new("CA-1")}, nil))(t)
			if (p.Doctor.VerifiedAt != nil) != keeps || p.Doctor.LicenseNumber != "CA-1" {
				t.Errorf("another number: %+v", p.Doctor)
			}
		})
	}
}

func TestInactiveAccountDoesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	s := d.register(t, patient("patient1"))
	caller := testkit.CallerOf(s.User)
	d.db.Exec("UPDATE users SET active = false WHERE id = $1", s.User.ID)
	_, err := d.Accounts.Profile(t.Context(), caller)
	wantReason(t, err, "account_inactive")
	_, err = d.Accounts.UpdateProfile(t.Context(), caller, clinic.ProfileChange{Email: new("new@example.com")}, nil)
	wantReason(t, err, "account_inactive")
	_, err = d.Doctors.List(t.Context(), caller, clinic.DoctorFilter{}, clinic.PageRequest{})
	wantReason(t, err, "account_inactive")
	_, err = d.Sessions.Login(t.Context(), "patient1", password, clinic.SecondFactor{})
	wantReason(t, err, "bad_credentials")
	_, err = d.Sessions.Refresh(t.Context(), s.Refresh)
	wantReason(t, err, "refresh_token_invalid")
	// Nor does it help when the token claims a role that the account does not have.
	_, err = d.Accounts.Profile(t.Context(), clinic.Caller{UserID: d.db.Admin().ID, Role: clinic.RolePatient})
	wantReason(t, err, "account_inactive")
}
