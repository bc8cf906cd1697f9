package clinic

import (
	"cmp"
	"strings"
	"time"
)

// Role is what a user is; it never changes once the user exists.
type Role string

// The roles. Patients and doctors register; administrators are made by
// `healthrecords admin create`.
const (
	RolePatient Role = "PATIENT"
	RoleDoctor  Role = "DOCTOR"
	RoleAdmin   Role = "ADMIN"
)

// Roles lists every role.
func Roles() []Role { return []Role{RolePatient, RoleDoctor, RoleAdmin} }

// RegisteredRoles lists the roles that can register.
func RegisteredRoles() []Role { return []Role{RolePatient, RoleDoctor} }

// Caller is the proven identity behind a request. The database decides at each
// request what it may see: only the identity is taken from the token.
type Caller struct {
	UserID    int64
	Role      Role
	SessionID int64   // the login of the call, which must not have ended; 0: a call from inside, not over the network
	Enrolling bool    // the caller may only set up the second factor that their role requires
	Request   Request // the request's facts for the audit log
}

// User is an account.
type User struct {
	ID          int64
	Username    string
	Email       string
	FirstName   string
	LastName    string
	Role        Role
	PhoneNumber string
	Active      bool
	CreatedAt   time.Time
}

// FullName is "First Last", or the username where both are empty.
func (u User) FullName() string { return cmp.Or(Name{u.FirstName, u.LastName}.String(), u.Username) }

// Name is a person's name; either part may be empty.
type Name struct{ First, Last string }

// String is "First Last", or the part that is not empty.
func (n Name) String() string { return strings.TrimSpace(n.First + " " + n.Last) }

// Normal returns the name as a new one is stored; an older one may be in another form.
func (n Name) Normal() Name { return Name{normalLine(n.First), normalLine(n.Last)} }

// Person is a person as they were known at a time: the name and the license number
// may have changed since, the username never does.
type Person struct {
	ID            int64 // of the user
	Username      string
	Name          Name
	LicenseNumber string // a doctor's, else ""
}

// FullName is the name, or the username where the name is empty.
func (p Person) FullName() string { return cmp.Or(p.Name.String(), p.Username) }

// Signature is a doctor's name with the parts that only they have: "Jane Smith (doctor1,
// license DOC000001)".
func (p Person) Signature() string {
	if p.Name.String() == "" {
		return p.Username + " (license " + p.LicenseNumber + ")"
	}
	return p.Name.String() + " (" + p.Username + ", license " + p.LicenseNumber + ")"
}

// Doctor is a doctor's profile. ID is the profile's own, not the user's.
type Doctor struct {
	ID                int64
	User              User
	Specialization    string
	LicenseNumber     string
	YearsOfExperience int
	VerifiedAt        *time.Time // nil until an administrator verified the license
	PendingName       *Name      // of a doctor who is verified or was ever assigned, until an administrator decides; nil also for readers who may not know it
}

// Verification is an administrator's decision about a doctor. Name and LicenseNumber
// are those that the administrator has seen; nil accepts any.
type Verification struct {
	Verified      bool
	Name          *Name // the pending one, to approve it, or the present one, to refuse the pending one
	LicenseNumber *string
}

// Validate normalizes the texts, so that they compare with the stored ones. The
// license number may be an older one, which would be refused today.
func (v *Verification) Validate() error {
	var f faults
	if v.Name != nil {
		f.line("first_name", &v.Name.First, 0, MaxName)
		f.line("last_name", &v.Name.Last, 0, MaxName)
	}
	if v.LicenseNumber != nil {
		*v.LicenseNumber = normalLine(normalLicense(*v.LicenseNumber))
		f.add(*v.LicenseNumber == "", "license_number", "send the license number that you have checked, such as DOC000001, or leave the field out")
	}
	return f.err()
}

// Approves reports whether the verification makes the doctor's pending name the
// present one. It fails with CodeConflict and reason "doctor_changed" where the doctor
// differs from what the administrator has seen.
func (v Verification) Approves(d Doctor) (bool, error) {
	present := Name{d.User.FirstName, d.User.LastName}.Normal()
	pending := d.PendingName != nil && (v.Name == nil || *v.Name == *d.PendingName)
	named := v.Name == nil || pending || *v.Name == present
	numbered := v.LicenseNumber == nil || *v.LicenseNumber == normalLine(normalLicense(d.LicenseNumber))
	if !named || !numbered {
		return false, Conflict("doctor_changed", "the doctor's name or license number has changed; read the doctor again, then repeat the request with what you see")
	}
	return pending, nil
}

// Patient is a patient's profile. ID is the profile's own, not the user's.
type Patient struct {
	ID               int64
	User             User
	DateOfBirth      *time.Time // midnight UTC of the day
	BloodType        string     // "A+" ... "O-", or "" when unknown
	Address          string
	EmergencyContact string
}

// PatientSummary is a row of a doctor's "my patients".
type PatientSummary struct {
	Patient
	TotalRecords int
	LastVisit    *time.Time // newest visit date; nil without records
}

// Profile is a user with the profile of their role.
type Profile struct {
	User    User
	Doctor  *Doctor  // set for RoleDoctor
	Patient *Patient // set for RolePatient
}

// Registration is the request to make an account. Fields of the other role are refused.
type Registration struct {
	Username, Email, Password     string
	FirstName, LastName           string
	PhoneNumber                   string
	Role                          Role
	Specialization, LicenseNumber string     // doctors
	YearsOfExperience             int        // doctors
	DateOfBirth                   *time.Time // patients
	BloodType                     string     // patients
	Address, EmergencyContact     string     // patients
}

// ProfileChange has the fields to set; nil leaves a field as it is.
type ProfileChange struct {
	Email, FirstName, LastName, PhoneNumber *string
	NameWanted                              bool        // the name is what its owner wants, even if it is the present one: they have not only sent back what they read
	Specialization, LicenseNumber           *string     // doctors
	YearsOfExperience                       *int        // doctors
	DateOfBirth                             **time.Time // patients; pointer to nil clears it
	BloodType, Address, EmergencyContact    *string     // patients
}

// Name returns the name after the change, given the present one.
func (c ProfileChange) Name(present Name) Name {
	set(&present.First, c.FirstName)
	set(&present.Last, c.LastName)
	return present
}

// Without returns the change without the fields that already have the value. A stored text need not follow the present
// rules, and those who send it back do not change it. Names stay if the rules allow them, because an older one gets its
// normal form.
func (c ProfileChange) Without(p Profile) ProfileChange {
	drop(&c.Email, p.User.Email)
	drop(&c.PhoneNumber, p.User.PhoneNumber)
	dropRefused(&c.FirstName, p.User.FirstName)
	dropRefused(&c.LastName, p.User.LastName)
	if d := p.Doctor; d != nil {
		drop(&c.Specialization, d.Specialization)
		drop(&c.LicenseNumber, d.LicenseNumber)
		drop(&c.YearsOfExperience, d.YearsOfExperience)
	}
	if p.Patient != nil {
		drop(&c.BloodType, p.Patient.BloodType)
		drop(&c.Address, p.Patient.Address)
		drop(&c.EmergencyContact, p.Patient.EmergencyContact)
		if c.DateOfBirth != nil && sameDay(*c.DateOfBirth, p.Patient.DateOfBirth) {
			c.DateOfBirth = nil
		}
	}
	return c
}

// dropRefused is drop for a text that the rules would refuse.
func dropRefused(value **string, stored string) {
	var f faults
	line := stored
	if f.line("", &line, 0, MaxName); len(f) > 0 {
		drop(value, stored)
	}
}

func sameDay(a, b *time.Time) bool { return a == b || a != nil && b != nil && a.Equal(*b) }

// Tokens are the result of a login. Expiry of the access token is
// token.AccessLifetime after its issue.
type Tokens struct {
	User    User
	Access  string // signed JWT
	Refresh string // opaque, single use
}

// ResetCode is a one-time code with which a user sets a new password without the old one.
type ResetCode struct {
	User      User // ID and Username
	Code      string
	ExpiresAt time.Time
}

// AccountDisabled means that the account must be active for this.
func AccountDisabled() *Error {
	return Conflict("account_disabled", "this account is disabled; enable it first")
}

// ActiveSession is a login that has not ended.
type ActiveSession struct {
	ID         int64
	CreatedAt  time.Time
	LastUsedAt time.Time // login or newest refresh
	ExpiresAt  time.Time // when it ends unless it is refreshed
	Current    bool      // the caller's own

	Login, LastUse Client // where it was started, and used last
}

// UserFilter narrows an administrator's list of users; zero values do not narrow.
type UserFilter struct {
	Search   string // a part of the name, the username or the email address
	Role     Role
	Active   *bool
	Verified *bool // only doctors whose license is verified, or is not
}

// ListedUser is an account as administrators list it.
type ListedUser struct {
	User
	PatientID, DoctorID int64      // of the profile; 0: none
	VerifiedAt          *time.Time // a doctor's; nil: not verified
}

// DoctorFilter narrows the directory; zero values do not narrow.
type DoctorFilter struct {
	Search   string // a part of the name, the username or the specialization
	Verified *bool
	Renaming bool // only doctors whose new name waits for approval; for administrators
}
