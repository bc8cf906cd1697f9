package service_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// renaming is a verified doctor who wants another name, and the people who see it.
type renaming struct {
	fixture
	care
	admin clinic.Caller
}

func newRenaming(t *testing.T) renaming {
	t.Helper()
	f := newFixture(t)
	return renaming{fixture: f, care: f.care(), admin: testkit.CallerOf(f.db.Admin())}
}

// ask makes the doctor ask for a name and returns the reason of a refusal.
func (r renaming) ask(t *testing.T, first, last string) string {
	t.Helper()
	_, err := r.Accounts.UpdateProfile(t.Context(), r.asDoctor(), named(first, last), nil)
	if err != nil {
		wantCode(t, err, clinic.CodeConflict)
	}
	return clinic.ReasonOf(err)
}

func (r renaming) verify(t *testing.T, v clinic.Verification) (clinic.Doctor, error) {
	t.Helper()
	v.Verified = true
	return r.Doctors.Verify(t.Context(), r.admin, r.doctor.ID, v)
}

// want checks which name, and which pending name, each reader sees.
func (r renaming) want(t *testing.T, name string, pending *clinic.Name) {
	t.Helper()
	for reader, caller := range map[string]clinic.Caller{
		"the patient": r.asPatient(), "another doctor": r.asStranger(), "the doctor": r.asDoctor(), "an administrator": r.admin,
	} {
		page := testkit.Value(r.Doctors.List(t.Context(), caller, clinic.DoctorFilter{}, clinic.PageRequest{}))(t)
		want := pending
		if reader != "an administrator" { // the page of other readers is cached
			want = nil
		}
		if got := page.Items[0]; got.ID != r.doctor.ID || got.User.FullName() != name || cmp.Diff(want, got.PendingName) != "" {
			t.Errorf("%s is shown %+v, want %s and %v", reader, got, name, want)
		}
	}
	if got := testkit.Value(r.Accounts.Profile(t.Context(), r.asDoctor()))(t); got.User.FullName() != name || cmp.Diff(pending, got.Doctor.PendingName) != "" {
		t.Errorf("the profile is %+v", got.Doctor)
	}
}

func TestAVerifiedDoctorsNameWaitsForAnAdministrator(t *testing.T) {
	t.Parallel()
	r := newRenaming(t)
	wanted := &clinic.Name{First: "Jane", Last: "Miller"}
	for range 2 { // also when it is asked for again
		if reason := r.ask(t, "Jane", "Miller"); reason != "" {
			t.Fatal(reason)
		}
		r.want(t, "Jane Smith", wanted)
	}
	if reason := r.ask(t, "Jane", "Smith"); reason != "" { // the profile is written as it was read
		t.Error(reason)
	}
	if reason := r.ask(t, "Eve", "Miller"); reason != "name_pending" {
		t.Errorf("another name while one is pending: %q", reason)
	}
	testkit.Value(r.Accounts.UpdateProfile(t.Context(), r.asDoctor(), clinic.ProfileChange{PhoneNumber: new("+1234567890"), YearsOfExperience: new(7)}, nil))(t)
	r.want(t, "Jane Smith", wanted)

	doctor := testkit.Value(r.verify(t, clinic.Verification{}))(t)
	if doctor.User.FullName() != "Jane Miller" || doctor.PendingName != nil || doctor.VerifiedAt == nil {
		t.Errorf("approved: %+v", doctor)
	}
	r.want(t, "Jane Miller", nil)
	testkit.Value(r.verify(t, clinic.Verification{}))(t) // no name is pending any more
	r.want(t, "Jane Miller", nil)
}

func TestAnAdministratorDecidesOnWhatTheyHaveSeen(t *testing.T) {
	t.Parallel()
	r := newRenaming(t)
	present, pending := clinic.Name{First: "Jane", Last: "Smith"}, clinic.Name{First: "Zoë", Last: "Miller"}
	another, number := clinic.Name{First: "Zoë", Last: "Other"}, "CA-9"
	r.ask(t, "Zoë", "Miller")
	for _, unseen := range []clinic.Verification{{Name: &another}, {LicenseNumber: &number}, {Name: &pending, LicenseNumber: &number}} {
		_, err := r.verify(t, unseen)
		wantReason(t, err, "doctor_changed")
	}
	_, err := r.verify(t, clinic.Verification{Name: &clinic.Name{First: "Zoe\u202e"}})
	wantFields(t, err, "first_name")
	r.want(t, "Jane Smith", &pending)

	testkit.Value(r.verify(t, clinic.Verification{Name: &present}))(t) // refuses the pending one
	r.want(t, "Jane Smith", nil)
	if reason := r.ask(t, "Zoe\u0308", "Miller"); reason != "" {
		t.Fatal(reason)
	}
	testkit.Value(r.verify(t, clinic.Verification{Name: &pending, LicenseNumber: &r.doctor.LicenseNumber}))(t)
	r.want(t, "Zoë Miller", nil)
}

// TestANumberOfBeforeIsVerifiedAsItIs, though a new doctor could not take such a number today.
func TestANumberOfBeforeIsVerifiedAsItIs(t *testing.T) {
	t.Parallel()
	r := newRenaming(t)
	const number = "№ ca_1"
	r.db.Exec(`UPDATE doctor_profiles SET license_number = $1, verified_at = NULL WHERE id = $2`, number, r.doctor.ID)
	for _, said := range []string{"№ ca_2", "CA1"} {
		_, err := r.verify(t, clinic.Verification{LicenseNumber: &said})
		wantReason(t, err, "doctor_changed")
	}
	if doctor := testkit.Value(r.verify(t, clinic.Verification{LicenseNumber: new(number)}))(t); doctor.VerifiedAt == nil {
		t.Errorf("the doctor is %+v", doctor)
	}
}

// TestANameOfBeforeInAnotherFormIsTheSameName as its normal form.
func TestANameOfBeforeInAnotherFormIsTheSameName(t *testing.T) {
	t.Parallel()
	r := newRenaming(t)
	const decomposed = "Jose\u0301"
	r.db.Exec(`UPDATE users SET first_name = $1 WHERE id = $2`, decomposed, r.doctor.User.ID)
	profile := testkit.Value(r.Accounts.UpdateProfile(t.Context(), r.asDoctor(), named(decomposed, "Smith"), nil))(t)
	if profile.Doctor.PendingName != nil || profile.User.FirstName != "Jos\u00e9" {
		t.Errorf("a profile that is written as it was read has the name %q and asks for %v", profile.User.FirstName, profile.Doctor.PendingName)
	}
	r.db.Exec(`UPDATE users SET first_name = $1 WHERE id = $2`, decomposed, r.doctor.User.ID)
	profile = testkit.Value(r.Accounts.UpdateProfile(t.Context(), r.asDoctor(), clinic.ProfileChange{LastName: new("Miller")}, nil))(t)
	if want := (&clinic.Name{First: "Jos\u00e9", Last: "Miller"}); cmp.Diff(want, profile.Doctor.PendingName) != "" {
		t.Errorf("the pending name is %q, want %q", profile.Doctor.PendingName, want)
	}
	testkit.Value(r.verify(t, clinic.Verification{Name: &clinic.Name{First: decomposed, Last: "Miller"}}))(t)
}

func TestAPendingNameGoesWithTheVerification(t *testing.T) {
	t.Parallel()
	for name, unverify := range map[string]func(*testing.T, renaming) error{
		"taken back": func(t *testing.T, r renaming) error {
			t.Helper()
			_, err := r.Doctors.Verify(t.Context(), r.admin, r.doctor.ID, clinic.Verification{})
			return err
		},
		"lost by another number": func(t *testing.T, r renaming) error {
			t.Helper()
			_, err := r.Accounts.UpdateProfile(t.Context(), r.asDoctor(), clinic.ProfileChange{LicenseNumber: new("CA-1")}, nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRenaming(t)
			r.ask(t, "Eve", "Night")
			wantCode(t, unverify(t, r), "")
			testkit.Value(r.verify(t, clinic.Verification{}))(t)
			r.want(t, "Jane Smith", nil)
		})
	}
}

// A doctor who was never assigned is not known to others.
func TestAnUnverifiedDoctorChangesTheNameAtOnce(t *testing.T) {
	t.Parallel()
	r := newRenaming(t)
	r.db.Exec(`UPDATE doctor_profiles SET verified_at = NULL WHERE id = $1`, r.stranger.ID)
	profile := testkit.Value(r.Accounts.UpdateProfile(t.Context(), r.asStranger(), named("Eve", "Night"), nil))(t)
	if profile.User.FullName() != "Eve Night" || profile.Doctor.PendingName != nil {
		t.Errorf("the profile is %+v of %+v", profile.Doctor, profile.User)
	}
}

// TestADoctorWhoWasAssignedTakesNoNameByLosingTheVerification makes a doctor give up the
// verification in order to appear under another name in the patient's list.
func TestADoctorWhoWasAssignedTakesNoNameByLosingTheVerification(t *testing.T) {
	t.Parallel()
	r := newRenaming(t)
	change := named("Eve", "Night")
	change.LicenseNumber = new("CA-1")
	for range 2 { // the second change finds the doctor unverified
		profile := testkit.Value(r.Accounts.UpdateProfile(t.Context(), r.asDoctor(), change, nil))(t)
		if profile.User.FullName() != "Jane Smith" || profile.Doctor.VerifiedAt != nil ||
			cmp.Diff(&clinic.Name{First: "Eve", Last: "Night"}, profile.Doctor.PendingName) != "" {
			t.Errorf("the profile is %+v of %+v", profile.Doctor, profile.User)
		}
	}
	page := testkit.Value(r.Assignments.List(t.Context(), r.asPatient(), clinic.AssignmentFilter{}, clinic.PageRequest{}))(t)
	if len(page.Items) != 1 || page.Items[0].Doctor.User.FullName() != "Jane Smith" {
		t.Errorf("the patient is shown %+v", page.Items)
	}
	testkit.Value(r.verify(t, clinic.Verification{Name: &clinic.Name{First: "Eve", Last: "Night"}}))(t)
	r.want(t, "Eve Night", nil)
}

// This includes doctors who are verified at registration.
func TestAutomaticVerificationApprovesNoName(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	caller := d.caller(t, doctor("doctor1"))
	change := named("Eve", "Night")
	change.LicenseNumber = new("CA-1")
	profile := testkit.Value(d.Accounts.UpdateProfile(t.Context(), caller, change, nil))(t)
	if profile.User.FullName() != "Jane Smith" || cmp.Diff(&clinic.Name{First: "Eve", Last: "Night"}, profile.Doctor.PendingName) != "" {
		t.Errorf("the profile is %+v of %+v", profile.Doctor, profile.User)
	}
}

// TestNobodyIsVerifiedUnderANameThatWasNotSeen makes an unverified doctor change the
// name while an administrator, who saw the earlier one, verifies them.
func TestNobodyIsVerifiedUnderANameThatWasNotSeen(t *testing.T) {
	t.Parallel()
	r := newRenaming(t)
	r.doctor = r.stranger // never assigned, so the name changes at once
	seen := clinic.Name{First: "Jane", Last: "Smith"}
	outcomes := map[string]int{}
	for range 30 {
		r.db.Exec(`UPDATE doctor_profiles SET verified_at = NULL WHERE id = $1`, r.doctor.ID)
		r.db.Exec(`UPDATE users SET first_name = 'Jane', last_name = 'Smith' WHERE id = $1`, r.doctor.User.ID)
		var group sync.WaitGroup
		group.Go(func() {
			if reason := r.ask(t, "Eve", "Night"); reason != "" {
				t.Error(reason)
			}
		})
		_, err := r.verify(t, clinic.Verification{Name: &seen})
		group.Wait()
		profile := testkit.Value(r.Accounts.Profile(t.Context(), r.asDoctor()))(t)
		switch {
		case err == nil && profile.Doctor.VerifiedAt != nil && profile.User.FullName() == "Jane Smith":
			outcomes["verified first"]++
		case clinic.ReasonOf(err) == "doctor_changed" && profile.Doctor.VerifiedAt == nil && profile.User.FullName() == "Eve Night":
			outcomes["renamed first"]++
		default:
			t.Fatalf("%v; %+v of %+v", err, profile.Doctor, profile.User)
		}
	}
	t.Log(outcomes)
}

// TestNoNameIsApprovedUnseen makes a doctor ask for one name after another while an
// administrator approves the pending name that they have just seen.
func TestNoNameIsApprovedUnseen(t *testing.T) {
	t.Parallel()
	r := newRenaming(t)
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				r.ask(t, "Eve", string(rune('A'+i%26)))
			}
		}
	})
	for approved := 0; approved < 20; {
		seen := testkit.Value(r.Doctors.List(t.Context(), r.admin, clinic.DoctorFilter{}, clinic.PageRequest{}))(t).Items[0].PendingName
		if seen == nil {
			continue
		}
		approved++
		if doctor := testkit.Value(r.verify(t, clinic.Verification{}))(t); doctor.User.FullName() != seen.String() {
			t.Errorf("%s was approved, %s was seen", doctor.User.FullName(), seen)
		}
	}
	close(done)
	group.Wait()
}
