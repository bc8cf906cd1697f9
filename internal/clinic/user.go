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

// RegisteredRoles lists the roles that somebody can register with.
func RegisteredRoles() []Role { return []Role{RolePatient, RoleDoctor} }

// Caller is the proven identity behind a request. What it may see is asked of
// the database each time: nothing but the identity is taken from the token.
type Caller struct {
	UserID    int64
	Role      Role
	SessionID int64   // the login that he calls by, which must not have ended; 0: a call from inside, not over the network
	Enrolling bool    // he may only set up the second factor that his role requires
	Request   Request // what the audit log tells of it
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

// FullName is "First Last", or the username where neither is known.
func (u User) FullName() string { return cmp.Or(Name{u.FirstName, u.LastName}.String(), u.Username) }

// Name is what somebody is called; either part may be empty.
type Name struct{ First, Last string }

// String is "First Last", or the part that there is.
func (n Name) String() string { return strings.TrimSpace(n.First + " " + n.Last) }

// Normal returns the name as a new one is stored; an older one may be in another form.
func (n Name) Normal() Name { return Name{normalLine(n.First), normalLine(n.Last)} }

// Person is somebody as they were known at a time: the name and the license number
// may be others by now, the username never is.
type Person struct {
	ID            int64 // of the user
	Username      string
	Name          Name
	LicenseNumber string // a doctor's, else ""
}

// FullName is the name, or the username where there is none.
func (p Person) FullName() string { return cmp.Or(p.Name.String(), p.Username) }

// Signature is a doctor's name with what no other doctor has: "Jane Smith (doctor1,
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
	PendingName       *Name      // of a doctor who is verified or was ever assigned, until an administrator decides; nil also for who may not know it
}

// Verification is what an administrator says of a doctor. Name and LicenseNumber
// are those that they have looked at; nil for whatever there is.
type Verification struct {
	Verified      bool
	Name          *Name // the pending one, which is approved, or the present one, which refuses that
	LicenseNumber *string
}

// Validate normalizes the texts, so that they compare with those that are stored. The
// license number may be one of before, which nobody could take today.
func (v *Verification) Validate() error {
	var f faults
	if v.Name != nil {
		f.line("first_name", &v.Name.First, 0, MaxName)
		f.line("last_name", &v.Name.Last, 0, MaxName)
	}
	if v.LicenseNumber != nil {
		*v.LicenseNumber = normalLine(normalLicense(*v.LicenseNumber))
		f.add(*v.LicenseNumber == "", "license_number", "this field is required")
	}
	return f.err()
}

// Approves reports whether the verification makes the doctor's pending name the
// present one. It is CodeConflict with reason "doctor_changed" where what the
// administrator looked at is not what there is.
func (v Verification) Approves(d Doctor) (bool, error) {
	present := Name{d.User.FirstName, d.User.LastName}.Normal()
	pending := d.PendingName != nil && (v.Name == nil || *v.Name == *d.PendingName)
	named := v.Name == nil || pending || *v.Name == present
	numbered := v.LicenseNumber == nil || *v.LicenseNumber == normalLine(normalLicense(d.LicenseNumber))
	if !named || !numbered {
		return false, Conflict("doctor_changed", "the doctor's name or license number is another one by now: look at them again")
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

// Profile is a user with the profile of his role.
type Profile struct {
	User    User
	Doctor  *Doctor  // set for RoleDoctor
	Patient *Patient // set for RolePatient
}

// Registration is what makes an account. Fields of the other role are refused.
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

// ProfileChange holds the fields to set; nil leaves a field as it is.
type ProfileChange struct {
	Email, FirstName, LastName, PhoneNumber *string
	Specialization, LicenseNumber           *string     // doctors
	YearsOfExperience                       *int        // doctors
	DateOfBirth                             **time.Time // patients; pointer to nil clears it
	BloodType, Address, EmergencyContact    *string     // patients
}

// Name returns the name that somebody with the present one has after the change.
func (c ProfileChange) Name(present Name) Name {
	set(&present.First, c.FirstName)
	set(&present.Last, c.LastName)
	return present
}

// Tokens are what a login hands out. Expiry of the access token is
// token.AccessLifetime after its issue.
type Tokens struct {
	User    User
	Access  string // signed JWT
	Refresh string // opaque, single use
}

// ActiveSession is a login that has not ended.
type ActiveSession struct {
	ID         int64
	CreatedAt  time.Time
	LastUsedAt time.Time // login or newest refresh
	ExpiresAt  time.Time // when it ends unless it is refreshed
	Current    bool      // the caller's own
}
