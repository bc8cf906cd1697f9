package clinic

import "time"

// Role is what a user is; it never changes once the user exists.
type Role string

// The roles. Patients and doctors register; administrators are made by
// `healthrecords admin create`.
const (
	RolePatient Role = "PATIENT"
	RoleDoctor  Role = "DOCTOR"
	RoleAdmin   Role = "ADMIN"
)

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

// FullName is what people are called in messages: "First Last", or the
// username where neither is known.
func (u User) FullName() string {
	switch {
	case u.FirstName == "" && u.LastName == "":
		return u.Username
	case u.FirstName == "":
		return u.LastName
	case u.LastName == "":
		return u.FirstName
	}
	return u.FirstName + " " + u.LastName
}

// Doctor is a doctor's profile. ID is the profile's own, not the user's.
type Doctor struct {
	ID                int64
	User              User
	Specialization    string
	LicenseNumber     string
	YearsOfExperience int
	VerifiedAt        *time.Time // nil until an administrator verified the licence
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

// Session is what a login hands out. Expiry of the access token is
// token.AccessLifetime after its issue.
type Session struct {
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
