package service_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func named(first, last string) clinic.ProfileChange {
	return clinic.ProfileChange{FirstName: &first, LastName: &last}
}

// wantTold checks that the notifications to the patient and the administrators name the doctor who
// opened emergency access as they were then, and that both logs show
// the same.
func (e emergency) wantTold(t *testing.T, when string, want clinic.Person) {
	t.Helper()
	admin := testkit.CallerOf(e.admins[0])
	for reader, caller := range map[string]clinic.Caller{"patient": e.asPatient(), "administrator": admin} {
		if text := e.newestOf(t, caller, clinic.NotifyBreakGlass).Message; !strings.HasPrefix(text, "Dr. "+want.Signature()+" opened") {
			t.Errorf("%s, the %s reads %q, want %s", when, reader, text, want.Signature())
		}
	}
	accesses := testkit.Value(e.AuditLog.ListAccesses(t.Context(), e.asPatient(), 0, 100))(t).Items
	events := testkit.Value(e.AuditLog.List(t.Context(), admin, clinic.AuditFilter{UserID: want.ID, PatientID: e.patient.ID}, 0, 100))(t).Items
	var found int
	for _, a := range accesses {
		if a.Reason == clinic.ReasonBreakGlass {
			found++
			if diff := cmp.Diff(&want, a.User); diff != "" {
				t.Errorf("%s, the access log (-want +got):\n%s", when, diff)
			}
		}
	}
	for _, a := range events {
		found++
		if diff := cmp.Diff(&want, a.User); diff != "" {
			t.Errorf("%s, the audit log (-want +got):\n%s", when, diff)
		}
	}
	if found != 2 {
		t.Errorf("%s, both logs have %d entries, want one each", when, found)
	}
}

func (e emergency) person() clinic.Person {
	return clinic.Person{
		ID: e.doctor.User.ID, Username: e.doctor.User.Username, Name: clinic.Name{First: "Eve", Last: "Night"},
		LicenseNumber: e.doctor.LicenseNumber,
	}
}

// TestEmergencyAccessUnderAColleaguesName: a verified doctor takes a colleague's
// name, opens emergency access, and takes their own name back before anybody looks.
func TestEmergencyAccessUnderAColleaguesName(t *testing.T) {
	t.Parallel()
	e := newEmergency(t)
	testkit.Value(e.Accounts.UpdateProfile(t.Context(), e.asDoctor(), named("Jane", "Smith"), nil))(t)
	e.open(t)
	e.handleAll(t)
	e.wantTold(t, "while the name is changed", e.person())
	testkit.Value(e.Accounts.UpdateProfile(t.Context(), e.asDoctor(), named("Eve", "Night"), nil))(t)
	e.wantTold(t, "after it was changed back", e.person())
}

// TestNamesAreThoseOfTheTime: a change of name and number, also where the worker handles
// earlier events only after it.
func TestNamesAreThoseOfTheTime(t *testing.T) {
	t.Parallel()
	for name, happen := range map[string]func(*testing.T, emergency){
		"another number": func(t *testing.T, e emergency) {
			t.Helper()
			change := named("Jane", "Smith")
			change.LicenseNumber = new("CA-1")
			profile := testkit.Value(e.Accounts.UpdateProfile(t.Context(), e.asDoctor(), change, nil))(t)
			if profile.Doctor.LicenseNumber != "CA-1" || profile.Doctor.VerifiedAt != nil || profile.Doctor.PendingName == nil {
				t.Errorf("the profile is %+v of %+v", profile.Doctor, profile.User)
			}
		},
		"one that an administrator approved": func(t *testing.T, e emergency) {
			t.Helper()
			testkit.Value(e.Accounts.UpdateProfile(t.Context(), e.asDoctor(), named("Jane", "Smith"), nil))(t)
			doctor := testkit.Value(e.Doctors.Verify(t.Context(), testkit.CallerOf(e.admins[0]), e.doctor.ID, clinic.Verification{Verified: true}))(t)
			if doctor.User.FullName() != "Jane Smith" {
				t.Errorf("the doctor is %+v", doctor)
			}
		},
		"written past the platform": func(_ *testing.T, e emergency) { // by the previous release, or by hand
			e.db.Exec(`UPDATE users SET first_name = 'Jane', last_name = 'Smith' WHERE id = $1`, e.doctor.User.ID)
			e.db.Exec(`UPDATE doctor_profiles SET license_number = 'CA-1' WHERE id = $1`, e.doctor.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEmergency(t)
			e.open(t)
			happen(t, e)
			e.handleAll(t)
			e.wantTold(t, "afterwards", e.person())
		})
	}
}

// A patient appears under the name of that time, too, and without a license number.
func TestLogsNameThePatientOfThen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	createRecord(t, f, c)
	testkit.Value(f.Accounts.UpdateProfile(t.Context(), c.asPatient(), named("Joan", "Day"), nil))(t)
	f.handleAll(t)
	if got := f.newest(t, c.asDoctor()).Message; !strings.HasPrefix(got, "John Doe added") {
		t.Errorf("the doctor reads %q", got)
	}
	createRecord(t, f, c)
	f.handleAll(t)
	if got := f.newest(t, c.asDoctor()).Message; !strings.HasPrefix(got, "Joan Day added") {
		t.Errorf("the doctor reads %q", got)
	}
	var names []string
	for _, a := range testkit.Value(f.AuditLog.ListAccesses(t.Context(), c.asPatient(), 0, 100))(t).Items {
		if a.Operation == "getTest" && a.User.LicenseNumber == "" && a.Role == clinic.RolePatient {
			names = append(names, a.User.FullName())
		}
	}
	// Newest first; the old name belongs to the request that changed it.
	if diff := cmp.Diff([]string{"Joan Day", "John Doe", "John Doe"}, names); diff != "" {
		t.Errorf("the access log (-want +got):\n%s", diff)
	}
}
