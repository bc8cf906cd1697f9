package service_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// told handles the only open event and returns the text for each of the readers, "" for one who
// is not notified of it.
func (f fixture) told(t *testing.T, readers ...clinic.Caller) []string {
	t.Helper()
	event := f.event(t)
	f.handleAll(t)
	var texts []string
	for _, reader := range readers {
		text := ""
		if slices.Contains(f.recipients(t, event), reader.UserID) {
			text = f.newest(t, reader).Message
		}
		texts = append(texts, text)
	}
	return texts
}

func TestAdministratorsAreToldWhoWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	admin, other, bystander := testkit.CallerOf(f.db.Admin()), testkit.CallerOf(f.db.Admin()), testkit.CallerOf(f.db.Patient(testkit.PatientOptions{}).User)
	r := doctor("doctor1")
	r.LicenseNumber = "ABC-1"
	tokens := testkit.Value(f.Accounts.Register(t.Context(), r, clinic.Idempotency{}))(t)
	asDoctor := testkit.CallerOf(tokens.User)
	id := int64(f.db.Count(`SELECT id FROM doctor_profiles`))
	expect := func(step, toDoctor, toAdmins string) {
		t.Helper()
		want := []string{toDoctor, toAdmins, toAdmins, ""}
		if diff := cmp.Diff(want, f.told(t, asDoctor, admin, other, bystander)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	silent := func(step string) {
		t.Helper()
		if n := f.db.Count(`SELECT count(*) FROM outbox WHERE finished_at IS NULL`); n != 0 {
			t.Errorf("%s: %d events", step, n)
		}
	}
	verify := func(verified bool) {
		t.Helper()
		testkit.Value(f.Doctors.Verify(t.Context(), admin, id, clinic.Verification{Verified: verified}))(t)
	}
	change := func(c clinic.ProfileChange) {
		t.Helper()
		testkit.Value(f.Accounts.UpdateProfile(t.Context(), asDoctor, c, nil))(t)
	}
	const signature = "Dr. Jane Smith (doctor1, license ABC-1)"
	expect("registration", "", signature+" registered. Their license waits for verification.")
	verify(false)
	silent("not verified, as before")
	change(clinic.ProfileChange{LicenseNumber: new("ABC-1"), FirstName: new("Jane")})
	silent("nothing has changed")
	verify(true)
	expect("verification", "Your license was verified. You can now be assigned to patients.", "")
	verify(true)
	silent("verified already")
	change(clinic.ProfileChange{FirstName: new("Janet")})
	expect("new name", "", signature+" requested a new name. It waits for approval.")
	change(clinic.ProfileChange{FirstName: new("Janet")})
	silent("requested already")
	const lost = "Your license is no longer verified. You see no patients until an administrator verifies it."
	verify(false)
	expect("withdrawal", lost, "The license of "+signature+" is no longer verified.")
	verify(true)
	f.handleAll(t)
	change(clinic.ProfileChange{LicenseNumber: new("ABC-2")})
	expect("another number", lost, "The license of "+signature+" is no longer verified.") // the number that was verified
	change(clinic.ProfileChange{LicenseNumber: new("ABC-3")})
	silent("not verified, as before")
}

func TestVerifiedRegistrationsTellNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil) // verifies doctors at registration
	d.register(t, patient("patient1"))
	asDoctor := d.caller(t, doctor("doctor1"))
	testkit.Value(d.Accounts.UpdateProfile(t.Context(), asDoctor, clinic.ProfileChange{LicenseNumber: new("ANOTHER")}, nil))(t)
	if n := d.db.Count(`SELECT count(*) FROM outbox`); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestUnverifiedDoctorsLearnWhyTheirListsAreEmpty(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	unverified := f.db.Doctor(testkit.DoctorOptions{Unverified: true})
	f.db.Assignment(testkit.AssignmentOptions{Patient: f.care().patient, Doctor: unverified})
	for name, test := range map[string]struct {
		caller clinic.Caller
		want   *clinic.Notice
	}{
		"unverified doctor": {testkit.CallerOf(unverified.User), clinic.Unverified()},
		"verified doctor":   {testkit.CallerOf(f.db.Doctor(testkit.DoctorOptions{}).User), nil},
	} {
		records := testkit.Value(f.Records.List(t.Context(), test.caller, clinic.RecordFilter{}, clinic.PageRequest{}))(t)
		patients := testkit.Value(f.Patients.OfDoctor(t.Context(), test.caller, clinic.PageRequest{}))(t)
		if records.Total != 0 || patients.Total != 0 || cmp.Diff(records.Notice, test.want) != "" || cmp.Diff(patients.Notice, test.want) != "" {
			t.Errorf("%s: %+v, %+v", name, records, patients)
		}
	}
	asPatient := testkit.CallerOf(f.db.Patient(testkit.PatientOptions{}).User)
	if page := testkit.Value(f.Records.List(t.Context(), asPatient, clinic.RecordFilter{}, clinic.PageRequest{}))(t); page.Notice != nil {
		t.Errorf("a patient: %+v", page)
	}
}

func TestUsersAreFoundByWhatTheyAre(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	admin := testkit.CallerOf(f.db.Admin())
	f.db.Patient(testkit.PatientOptions{Person: testkit.Person{Username: "pat", FirstName: "Zoë", Email: "pat@example.com"}})
	f.db.Patient(testkit.PatientOptions{Person: testkit.Person{Username: "gone", Inactive: true}})
	f.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "doc", LastName: "Zoë"}})
	f.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "new", Email: "zoë_@example.org"}, Unverified: true})
	f.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "left", Inactive: true}, Unverified: true})
	yes, no := new(true), new(false)
	for name, test := range map[string]struct {
		filter clinic.UserFilter
		want   []string
	}{
		"patients":                    {clinic.UserFilter{Role: clinic.RolePatient}, []string{"pat", "gone"}},
		"active doctors":              {clinic.UserFilter{Role: clinic.RoleDoctor, Active: yes}, []string{"doc", "new"}},
		"disabled":                    {clinic.UserFilter{Active: no}, []string{"gone", "left"}},
		"disabled patients":           {clinic.UserFilter{Active: no, Role: clinic.RolePatient}, []string{"gone"}},
		"unverified":                  {clinic.UserFilter{Verified: no}, []string{"new", "left"}},
		"unverified and active":       {clinic.UserFilter{Verified: no, Active: yes}, []string{"new"}},
		"verified":                    {clinic.UserFilter{Verified: yes}, []string{"doc"}},
		"verified patients":           {clinic.UserFilter{Verified: yes, Role: clinic.RolePatient}, nil},
		"name, username or email":     {clinic.UserFilter{Search: "zoë"}, []string{"pat", "doc", "new"}},
		"email":                       {clinic.UserFilter{Search: "PAT@example"}, []string{"pat"}},
		"no wildcard":                 {clinic.UserFilter{Search: "zoë_"}, []string{"new"}},
		"search among the unverified": {clinic.UserFilter{Search: "zoë", Verified: no}, []string{"new"}},
		"nobody":                      {clinic.UserFilter{Search: "nobody"}, nil},
	} {
		page := testkit.Value(f.Users.List(t.Context(), admin, test.filter, clinic.PageRequest{}))(t)
		var got []string
		for _, u := range page.Items {
			got = append(got, u.Username)
			if (u.DoctorID != 0) != (u.Role == clinic.RoleDoctor) || (u.PatientID != 0) != (u.Role == clinic.RolePatient) {
				t.Errorf("%s: %+v has the wrong profile", name, u)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" || page.Total != len(test.want) {
			t.Errorf("%s: total %d (-want +got):\n%s", name, page.Total, diff)
		}
	}
	all := testkit.Value(f.Users.List(t.Context(), admin, clinic.UserFilter{}, clinic.PageRequest{Size: 4, Cursor: clinic.Cursor{Keyset: true}}))(t)
	rest := testkit.Value(f.Users.List(t.Context(), admin, clinic.UserFilter{}, clinic.PageRequest{Size: 4, Cursor: *all.Next}))(t)
	back := testkit.Value(f.Users.List(t.Context(), admin, clinic.UserFilter{}, clinic.PageRequest{Size: 4, Cursor: *rest.Previous}))(t)
	if len(all.Items) != 4 || len(rest.Items) != 2 || all.Total != 6 || rest.Next != nil || cmp.Diff(all.Items, back.Items) != "" {
		t.Errorf("pages: %+v, %+v, %+v", all, rest, back)
	}
	if beyond := testkit.Value(f.Users.List(t.Context(), admin, clinic.UserFilter{}, clinic.PageRequest{Number: 9, Size: 4}))(t); beyond.Total != 6 {
		t.Errorf("beyond the end: %+v", beyond)
	}
	_, err := f.Users.List(t.Context(), admin, clinic.UserFilter{Search: "a\x00b"}, clinic.PageRequest{})
	wantFields(t, err, "search")
}

func TestDirectoryShowsWhoWaits(t *testing.T) {
	t.Parallel()
	d, asPatient, asAdmin := hospital(t, nil)
	d.db.Exec(`INSERT INTO pending_names (user_id, first_name, last_name) SELECT id, 'New', 'Name' FROM users WHERE username = 'listed'`)
	yes, no := new(true), new(false)
	for name, test := range map[string]struct {
		caller clinic.Caller
		filter clinic.DoctorFilter
		want   []string
	}{
		"verified":   {asAdmin, clinic.DoctorFilter{Verified: yes}, []string{"listed", "inactive"}},
		"unverified": {asAdmin, clinic.DoctorFilter{Verified: no}, []string{"unverified"}},
		"renaming":   {asAdmin, clinic.DoctorFilter{Renaming: true}, []string{"listed"}},
		"both":       {asAdmin, clinic.DoctorFilter{Renaming: true, Verified: no}, nil},
		"a patient":  {asPatient, clinic.DoctorFilter{Verified: no}, nil},
		"and others": {asPatient, clinic.DoctorFilter{Verified: yes}, []string{"listed"}},
	} {
		page := testkit.Value(d.Doctors.List(t.Context(), test.caller, test.filter, clinic.PageRequest{}))(t)
		if diff := cmp.Diff(test.want, usernames(page)); diff != "" && len(test.want)+len(page.Items) > 0 || page.Total != len(test.want) {
			t.Errorf("%s: total %d (-want +got):\n%s", name, page.Total, diff)
		}
	}
	_, err := d.Doctors.List(t.Context(), asPatient, clinic.DoctorFilter{Renaming: true}, clinic.PageRequest{})
	wantCode(t, err, clinic.CodeForbidden)
	everybody := testkit.Value(d.Doctors.List(t.Context(), asAdmin, clinic.DoctorFilter{}, clinic.PageRequest{}))(t)
	listed := testkit.Value(d.Doctors.List(t.Context(), asPatient, clinic.DoctorFilter{}, clinic.PageRequest{}))(t)
	for _, one := range everybody.Items {
		for caller, page := range map[clinic.Caller]clinic.Page[clinic.Doctor]{asAdmin: everybody, asPatient: listed} {
			got, err := d.Doctors.Get(t.Context(), caller, one.ID)
			i := slices.IndexFunc(page.Items, func(d clinic.Doctor) bool { return d.ID == one.ID })
			if i < 0 {
				wantCode(t, err, clinic.CodeNotFound)
				continue
			}
			want := page.Items[i]
			want.User.PhoneNumber = got.User.PhoneNumber // not cached
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s, by id: %v\n%s", one.User.Username, err, diff)
			}
		}
	}
}
