package clinic_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// FuzzDeclaration checks any spec of a DoctorAssignment. Postgres can store every accepted
// one; the error for a refused one quotes nothing of it.
func FuzzDeclaration(f *testing.F) {
	f.Add("doctor1", "patient1,patient2", "primary care", int64(0), int64(1))
	f.Add("", "", "", int64(-1), int64(-1))
	f.Add("canary-5c7e\x00", "canary-5c7e,canary-5c7e", "canary-5c7e\xff", int64(1)<<62, -int64(1)<<62)
	f.Add(strings.Repeat("a", 151), strings.Repeat("a,", 501), strings.Repeat("é", 501), int64(5), int64(5))
	f.Fuzz(func(t *testing.T, doctor, patients, reason string, starts, ends int64) {
		begin, end := time.Unix(starts, 0), time.Unix(ends, 0)
		d := clinic.Declaration{
			Owner: clinic.Owner{UID: "uid"}, Name: "default/name", Doctors: []string{doctor}, Patients: strings.Split(patients, ","), Reason: reason, StartsAt: &begin, EndsAt: &end,
		}
		err := d.Validate()
		if err != nil {
			if clinic.CodeOf(err) != clinic.CodeInvalid || strings.Contains(err.Error(), "canary-5c7e") {
				t.Errorf("Validate: %v", err)
			}
			return
		}
		if !end.After(begin) || strings.ContainsRune(doctor+patients+reason, 0) || !utf8.ValidString(doctor+patients+reason) {
			t.Errorf("accepted: %+v", d)
		}
	})
}

// FuzzRegistration checks any registration.
func FuzzRegistration(f *testing.F) {
	f.Add("patient1", "patient@example.com", "securepass123", "+1234567890", "123 Main St", "A+")
	f.Add("", "", "", "", "", "")
	f.Add("canary-5c7e\n", "canary-5c7e@", "canary-5c7e", "canary-5c7e", "canary-5c7e\x00", "canary-5c7e")
	f.Fuzz(func(t *testing.T, username, email, password, phone, text, blood string) {
		r := clinic.Registration{
			Username: username, Email: email, Password: password, PhoneNumber: phone, FirstName: text, LastName: text,
			Role: clinic.RolePatient, BloodType: blood, Address: text, EmergencyContact: text,
		}
		err := r.Validate()
		if err != nil {
			if clinic.CodeOf(err) != clinic.CodeInvalid || strings.Contains(err.Error(), "canary-5c7e") {
				t.Errorf("Validate: %v", err)
			}
			return
		}
		all := username + email + phone + text + blood
		if strings.ContainsRune(all, 0) || !utf8.ValidString(all) || !clinic.ValidUsername(username) {
			t.Errorf("accepted: %+v", r)
		}
	})
}
