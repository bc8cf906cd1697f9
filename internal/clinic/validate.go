package clinic

import (
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of submitted texts, in characters. The database has the same
// limits as named constraints.
const (
	MaxUsername    = 150
	MaxEmail       = 254 // RFC 5321 section 4.5.3.1.3, less the brackets
	MaxName        = 150
	maxLicense     = 50
	MaxPhone       = 20
	MinPassword    = 8 // OWASP ASVS 5.0, 6.2.1
	MaxPassword    = 128
	MaxTitle       = 200
	MaxText        = 10_000 // each free-text field of a record
	MaxComment     = 5_000
	MaxReason      = 500
	MaxDeclared    = 500     // patients of one declaration
	MaxProfileText = 500     // address, emergency contact
	MaxSearch      = MaxName // any name can be searched for as a whole
)

var (
	usernamePattern = regexp.MustCompile(`^[A-Za-z0-9_.@+-]+$`)
	phonePattern    = regexp.MustCompile(`^\+?[0-9][0-9 ().-]{2,18}$`)
)

// BloodTypes lists the ABO and RhD groups that a profile may have.
func BloodTypes() []string {
	return []string{"A+", "A-", "B+", "B-", "AB+", "AB-", "O+", "O-"}
}

// faults collects all faults of a request, so that one answer reports them together.
type faults []FieldError

func (f *faults) add(wrong bool, field, message string) {
	if wrong {
		*f = append(*f, FieldError{Field: field, Message: message})
	}
}

// time refuses times that JSON cannot express: it has four digits for a year, in UTC.
func (f *faults) time(field string, t *time.Time) {
	f.add(t != nil && t.UTC().Year() > 9999, field, "enter a time before the year 10000")
}

func (f *faults) err() error {
	if len(*f) == 0 {
		return nil
	}
	return InvalidFields(*f)
}

// ValidUsername reports whether a user can have the name.
func ValidUsername(name string) bool {
	return len(name) <= MaxUsername && usernamePattern.MatchString(name)
}

// ValidateSearch normalizes and checks the search text of a list,
// which may be empty.
func ValidateSearch(search *string) error {
	var f faults
	f.line("search", search, 0, MaxSearch)
	return f.err()
}

// Validate normalizes every text, checks every field and reports all faults together.
func (r *Registration) Validate() error {
	var f faults
	f.sized("username", r.Username, 1, MaxUsername)
	f.add(r.Username != "" && !usernamePattern.MatchString(r.Username), "username", "use letters, digits and @ . + - _ only")
	f.line("email", &r.Email, 0, MaxEmail)
	f.add(!validEmail(r.Email), "email", "enter a valid email address")
	f.password("password", r.Password, r.Username, r.Email)
	f.line("first_name", &r.FirstName, 0, MaxName)
	f.line("last_name", &r.LastName, 0, MaxName)
	f.add(!validPhone(r.PhoneNumber), "phone_number", "enter a phone number such as +1234567890")
	f.doctor(&r.Specialization, &r.YearsOfExperience)
	f.license(&r.LicenseNumber, 0)
	f.patient(r.DateOfBirth, &r.BloodType, &r.Address, &r.EmergencyContact)
	f.add(r.Role != RoleDoctor && (r.Specialization != "" || r.LicenseNumber != "" || r.YearsOfExperience != 0),
		"user_type", "specialization, license_number and years_of_experience are only for doctors")
	f.add(r.Role != RolePatient && (r.DateOfBirth != nil || r.BloodType != "" || r.Address != "" || r.EmergencyContact != ""),
		"user_type", "date_of_birth, blood_type, address and emergency_contact are only for patients")
	return f.err()
}

// Validate normalizes the texts that are set and checks them; role is the owner's.
func (c *ProfileChange) Validate(role Role) error {
	var f faults
	f.line("email", c.Email, 0, MaxEmail)
	f.add(c.Email != nil && !validEmail(*c.Email), "email", "enter a valid email address")
	f.line("first_name", c.FirstName, 0, MaxName)
	f.line("last_name", c.LastName, 0, MaxName)
	f.add(c.PhoneNumber != nil && !validPhone(*c.PhoneNumber), "phone_number", "enter a phone number such as +1234567890")
	f.doctor(c.Specialization, c.YearsOfExperience)
	f.license(c.LicenseNumber, 1)
	var birth *time.Time
	if c.DateOfBirth != nil {
		birth = *c.DateOfBirth
	}
	f.patient(birth, c.BloodType, c.Address, c.EmergencyContact)
	f.add(role != RoleDoctor && (c.Specialization != nil || c.LicenseNumber != nil || c.YearsOfExperience != nil),
		"user_type", "specialization, license_number and years_of_experience are only for doctors")
	f.add(role != RolePatient && (c.DateOfBirth != nil || c.BloodType != nil || c.Address != nil || c.EmergencyContact != nil),
		"user_type", "date_of_birth, blood_type, address and emergency_contact are only for patients")
	return f.err()
}

// Validate normalizes every text of a record and checks every field.
func (r *RecordFields) Validate() error {
	var f faults
	f.add(!slices.Contains(RecordTypes(), r.Type), "record_type", "use one of "+listed(RecordTypes()))
	f.line("title", &r.Title, 1, MaxTitle)
	f.text("description", &r.Description, 0, MaxText)
	f.text("symptoms", &r.Symptoms, 0, MaxText)
	f.text("diagnosis", &r.Diagnosis, 0, MaxText)
	f.text("treatment", &r.Treatment, 0, MaxText)
	f.text("medications", &r.Medications, 0, MaxText)
	f.add(r.VisitDate.Year() < 1900 || r.VisitDate.Year() > 2199, "visit_date", "enter a date between 1900 and 2199")
	return f.err()
}

// ValidateComment normalizes and checks the text of a doctor's comment.
func ValidateComment(text *string) error {
	var f faults
	f.text("comment", text, 1, MaxComment)
	return f.err()
}

// Validate normalizes and checks the fields of every request for an assignment.
func (r *AssignmentRequest) Validate(now time.Time) error {
	f := r.faults(now, 0)
	return f.err()
}

// ValidateConfirmed also checks the fields that a doctor has to send under
// SelfAssignmentConfirm. Its reason is "confirmation_required" where neither
// password nor code was sent.
func (r *AssignmentRequest) ValidateConfirmed(now time.Time) error {
	f := r.faults(now, 1)
	f.add(r.EndsAt != nil && r.EndsAt.After(now.AddDate(1, 0, 0)), "ends_at", "enter a time within a year")
	f.add(r.Password != "" && r.TOTPCode != "", "totp_code", "send totp_code or password, not both")
	if r.Password == "" && r.TOTPCode == "" {
		f.add(true, "password", "to assign yourself, send your password again, or a code from your authenticator as totp_code")
		return InvalidFields(f).WithReason("confirmation_required")
	}
	return f.err()
}

func (r *AssignmentRequest) faults(now time.Time, leastReason int) faults {
	var f faults
	f.line("reason", &r.Reason, leastReason, MaxReason)
	f.add(r.EndsAt != nil && !r.EndsAt.After(now), "ends_at", "enter a time in the future")
	f.time("ends_at", r.EndsAt)
	return f
}

// Validate normalizes and checks the reason, which emergency access
// requires.
func (r *BreakGlassRequest) Validate() error {
	var f faults
	f.line("reason", &r.Reason, 1, MaxReason)
	return f.err()
}

// Validate normalizes the reason, checks every field and reports all faults
// together. It allows a line break at the end of the reason, which YAML blocks have.
func (d *Declaration) Validate() error {
	var f faults
	seen := map[string]bool{}
	odd := false
	for _, patient := range d.Patients {
		odd = odd || !usernamePattern.MatchString(patient)
		seen[strings.ToLower(patient)] = true
	}
	f.add(odd, "patients", "use letters, digits and @ . + - _ only")
	f.add(len(d.Patients) == 0 || len(d.Patients) > MaxDeclared, "patients", "name 1 to "+strconv.Itoa(MaxDeclared)+" patients")
	f.add(len(seen) < len(d.Patients), "patients", "name each patient once; case makes no difference")
	f.add(d.Owner == "", "owner", "this field is required")
	f.add(!usernamePattern.MatchString(d.Doctor), "doctor", "use letters, digits and @ . + - _ only")
	d.Reason = strings.TrimRight(d.Reason, "\r\n")
	f.line("reason", &d.Reason, 0, MaxReason)
	f.add(d.EndsAt != nil && !d.EndsAt.After(d.Begin()), "endsAt", "enter a time later than startsAt")
	f.time("startsAt", d.StartsAt)
	f.time("endsAt", d.EndsAt)
	return f.err()
}

func (f *faults) doctor(specialization *string, years *int) {
	f.line("specialization", specialization, 0, MaxName)
	f.add(years != nil && (*years < 0 || *years > 80), "years_of_experience", "enter 0 to 80")
}

func (f *faults) patient(birth *time.Time, blood, address, contact *string) {
	f.add(birth != nil && (birth.Year() < 1850 || birth.After(time.Now())), "date_of_birth", "enter a date in the past, YYYY-MM-DD")
	f.add(blood != nil && *blood != "" && !slices.Contains(BloodTypes(), *blood), "blood_type", "use one of "+listed(BloodTypes()))
	f.text("address", address, 0, MaxProfileText)
	f.text("emergency_contact", contact, 0, MaxProfileText)
}

// listed is "A, B, C".
func listed[T ~string](values []T) string {
	texts := make([]string, 0, len(values))
	for _, value := range values {
		texts = append(texts, string(value))
	}
	return strings.Join(texts, ", ")
}

// validEmail accepts "" (an address is optional) and a bare RFC 5322 addr-spec.
func validEmail(s string) bool {
	if s == "" {
		return true
	}
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}

func validPhone(s string) bool {
	return s == "" || len(s) <= MaxPhone && phonePattern.MatchString(s)
}
