package clinic

import (
	"cmp"
	"crypto/rand"
	"errors"
	"strings"
	"unicode/utf8"
)

// MaxSourceID is the maximum length, in characters, of an identity
// in the system that an object was imported from.
const MaxSourceID = 200

// Import is the content of one bundle of another system, in the platform's terms.
// It names people by their SourceID, including those of earlier imports.
type Import struct {
	Accounts []ImportedAccount
	Records  []ImportedRecord
	CareTeam []CareTeamMember
}

// ImportedAccount is a person of the other system. Its password is not used:
// nobody can log in to the account until one is set.
type ImportedAccount struct {
	Entry    int    // number of the bundle's entry, from 0, for reports
	SourceID string // identity in that system, the same in every import
	Verified bool   // that system vouches for the doctor's license
	Registration
}

// ImportedRecord is a record of the other system.
type ImportedRecord struct {
	Entry    int
	SourceID string // identity in that system, the same in every import
	Patient  string // SourceID of the patient
	Author   string // SourceID of the doctor who made it; the patient counts as the author where it is "" or unknown
	RecordFields
}

// CareTeamMember states, by SourceIDs, that the doctor cared for the patient.
type CareTeamMember struct{ Patient, Doctor string }

// ImportRefusal names an entry that was refused though the rest was imported.
type ImportRefusal struct {
	Entry  int
	Reason string // a fixed text: it quotes nothing of the entry
}

// ImportCounts counts the results for the objects of one kind.
type ImportCounts struct{ Created, Updated, Unchanged int }

// Add adds the other counts.
func (c *ImportCounts) Add(other ImportCounts) {
	c.Created += other.Created
	c.Updated += other.Updated
	c.Unchanged += other.Unchanged
}

// ImportResult is what one import changed.
type ImportResult struct {
	Accounts    map[Role]ImportCounts
	Records     map[RecordType]ImportCounts
	Assignments ImportCounts
	Refused     []ImportRefusal
	LeftOut     int // optional fields of accounts that were not valid and stay empty
}

// Check returns the valid part of the import, its texts normalized, and the refused entries. An
// invalid optional field of an account is emptied and counted in
// leftOut: a phone number with an extension must not cost a patient their records.
// An author or a member of a care team counts as unknown when the identity is invalid, or belongs to
// several people.
func (i Import) Check() (valid Import, refused []ImportRefusal, leftOut int) {
	shared := i.sharedIdentities()
	seen := map[[2]string]bool{}
	once := func(owner, id string) error {
		if key := [2]string{owner, id}; !seen[key] {
			seen[key] = true
			return nil
		}
		return errTwice
	}
	for _, a := range i.Accounts {
		emptied, err := a.check()
		if err = errors.Join(err, once(string(a.Role), a.SourceID)); shared[identity{a.Role, a.SourceID}] {
			err = errShared
		}
		if err != nil {
			refused = append(refused, ImportRefusal{Entry: a.Entry, Reason: refusal(err)})
			continue
		}
		leftOut += emptied
		valid.Accounts = append(valid.Accounts, a)
	}
	for _, r := range i.Records {
		err := errors.Join(checkSourceID(r.SourceID), r.Validate(), once("record of "+r.Patient, r.SourceID))
		if !ValidSourceID(r.Patient) || shared[identity{RolePatient, r.Patient}] {
			err = errors.Join(errNoPatient, err)
		}
		if err != nil {
			refused = append(refused, ImportRefusal{Entry: r.Entry, Reason: refusal(err)})
			continue
		}
		if !ValidSourceID(r.Author) || shared[identity{RoleDoctor, r.Author}] {
			r.Author = ""
		}
		valid.Records = append(valid.Records, r)
	}
	for _, m := range i.CareTeam {
		if ValidSourceID(m.Patient) && ValidSourceID(m.Doctor) && !shared[identity{RolePatient, m.Patient}] && !shared[identity{RoleDoctor, m.Doctor}] {
			valid.CareTeam = append(valid.CareTeam, m)
		}
	}
	return valid, refused, leftOut
}

// identity is a person whom a SourceID names: a patient may be a doctor, too.
type identity struct {
	role Role
	id   string
}

// sharedIdentities are the identities of several people, recognized by their names or dates of birth:
// a family's insurance number, for example, or that of a practice. Doctors are compared
// by their last names only, where both have one: bundles spell first names in many ways.
func (i Import) sharedIdentities() map[identity]bool {
	first, shared := map[identity]ImportedAccount{}, map[identity]bool{}
	for _, a := range i.Accounts {
		who := identity{a.Role, a.SourceID}
		b, ok := first[who]
		if !ok {
			b = a
		}
		otherBirth := a.DateOfBirth != nil && b.DateOfBirth != nil && !a.DateOfBirth.Equal(*b.DateOfBirth)
		otherName := a.FirstName != b.FirstName || a.LastName != b.LastName
		if a.Role == RoleDoctor {
			otherName = a.LastName != "" && b.LastName != "" && !strings.EqualFold(a.LastName, b.LastName)
		}
		if otherBirth || otherName {
			shared[who] = true
		}
		if b.DateOfBirth == nil {
			b.DateOfBirth = a.DateOfBirth
		}
		b.LastName = cmp.Or(b.LastName, a.LastName)
		first[who] = b
	}
	return shared
}

var (
	errNoIdentity = Invalid("identity", "use 1 to 200 characters")
	errTwice      = Invalid("identity", "an earlier entry has the same identity")
	errShared     = Invalid("identity", "a person with another name or date of birth has the same identity")
	errNoPatient  = Invalid("patient", "the patient is unknown")
)

// ValidSourceID reports whether an identity is valid.
func ValidSourceID(id string) bool {
	return id != "" && utf8.ValidString(id) && utf8.RuneCountInString(id) <= MaxSourceID && !strings.Contains(id, "\x00")
}

func checkSourceID(id string) error {
	if !ValidSourceID(id) {
		return errNoIdentity
	}
	return nil
}

// check empties the invalid optional fields and returns how many it emptied.
func (a *ImportedAccount) check() (emptied int, err error) {
	if err := checkSourceID(a.SourceID); err != nil {
		return 0, err
	}
	if err = a.validate(); err == nil {
		return 0, nil
	}
	var faults *Error
	if errors.As(err, &faults) {
		for _, f := range faults.Fields {
			if a.empty(f.Field) {
				emptied++
			}
		}
	}
	return emptied, a.validate()
}

// validate is Registration.Validate without a password.
func (a *ImportedAccount) validate() error {
	a.Password = rand.Text()
	defer func() { a.Password = "" }()
	return a.Validate()
}

func (a *ImportedAccount) empty(field string) bool {
	switch field {
	case "email":
		a.Email = ""
	case "phone_number":
		a.PhoneNumber = ""
	case "date_of_birth":
		a.DateOfBirth = nil
	case "address":
		a.Address = ""
	case "emergency_contact":
		a.EmergencyContact = ""
	default:
		return false
	}
	return true
}

// refusal names the invalid fields, and the reasons, without their values.
func refusal(err error) string {
	var fields []string
	var e *Error
	if errors.As(err, &e) {
		for _, f := range e.Fields {
			fields = append(fields, f.Field+": "+f.Message)
		}
	}
	return "not valid: " + strings.Join(fields, "; ")
}
