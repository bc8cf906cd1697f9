package store

import (
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// userOf translates a row of the view accounts, which statements embed where
// they return a person: sqlc.embed(accounts).
func userOf(a dbsqlc.Account) clinic.User {
	return clinic.User{
		ID: a.ID, Username: a.Username, Email: a.Email, FirstName: a.FirstName, LastName: a.LastName,
		Role: clinic.Role(a.Role), PhoneNumber: a.PhoneNumber, Active: a.Active, CreatedAt: a.CreatedAt,
	}
}

// personOf is a person with their names from name_versions; nil where the statement joined
// none. The license number is nil for everyone but doctors.
func personOf(id int64, username string, name clinic.Name, license *string) *clinic.Person {
	if username == "" {
		return nil
	}
	return &clinic.Person{ID: id, Username: username, Name: name, LicenseNumber: orZero(license)}
}

// withPendingName adds the name that waits for a decision. It is nil where none waits, or
// the caller may not know it.
func withPendingName(d clinic.Doctor, first, last *string) clinic.Doctor {
	if first != nil {
		d.PendingName = &clinic.Name{First: *first, Last: orZero(last)}
	}
	return d
}

func doctorOf(d dbsqlc.DoctorProfile, user dbsqlc.Account) clinic.Doctor {
	return clinic.Doctor{
		ID: d.ID, User: userOf(user), Specialization: d.Specialization, LicenseNumber: d.LicenseNumber,
		YearsOfExperience: int(d.YearsOfExperience), VerifiedAt: d.VerifiedAt,
	}
}

func patientOf(p dbsqlc.PatientProfile, user dbsqlc.Account) clinic.Patient {
	return clinic.Patient{
		ID: p.ID, User: userOf(user), DateOfBirth: p.DateOfBirth, BloodType: p.BloodType,
		Address: p.Address, EmergencyContact: p.EmergencyContact,
	}
}
