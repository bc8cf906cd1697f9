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
	MaxUsername        = 150
	MaxEmail           = 254 // RFC 5321 section 4.5.3.1.3, less the brackets
	MaxName            = 150
	maxLicense         = 50
	MaxPhone           = 20
	MinPassword        = 8 // OWASP ASVS 5.0, 6.2.1
	MaxPassword        = 128
	MaxTitle           = 200
	MaxText            = 10_000 // each free-text field of a record
	MaxComment         = 5_000
	MaxReason          = 500
	MaxDeclared        = 5000    // patients of one declaration
	MaxDeclaredDoctors = 50      // doctors of one declaration
	MaxProfileText     = 500     // address, emergency contact
	MaxSearch          = MaxName // any name can be searched for as a whole
)

var (
	usernamePattern = regexp.MustCompile(`^[A-Za-z0-9_.@+-]+$`)
	phonePattern    = regexp.MustCompile(`^\+?[0-9][0-9 ().-]{2,18}$`)
)

// BloodTypes lists the ABO and RhD groups that a profile may have.
func BloodTypes() []string {
	return []string{"A+", "A-", "B+", "B-", "AB+", "AB-", "O+", "O-"}
}

// The faults of fields that several requests have.
const (
	badUsername = "use letters, digits and @ . + - _ only, such as jane.smith"
	badEmail    = "enter an email address such as jane@example.org"
	badPhone    = "enter a phone number such as +1234567890: at most 20 digits, spaces and ( ) . -"
)

// faults collects all faults of a request, so that one answer reports them together.
type faults []FieldError

func (f *faults) add(wrong bool, field, message string) {
	if wrong {
		*f = append(*f, FieldError{Field: field, Message: message})
	}
}

// time refuses times that JSON cannot express: it has four digits for a year, in UTC.
func (f *faults) time(field string, t *time.Time) {
	f.add(t != nil && t.UTC().Year() > 9999, field, "enter a time before the year 10000, such as 2025-05-27T10:00:00Z")
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
	f.add(r.Username != "" && !usernamePattern.MatchString(r.Username), "username", badUsername)
	f.line("email", &r.Email, 0, MaxEmail)
	f.add(!validEmail(r.Email), "email", badEmail)
	f.password("password", r.Password, r.Username, r.Email)
	f.line("first_name", &r.FirstName, 0, MaxName)
	f.line("last_name", &r.LastName, 0, MaxName)
	f.add(!validPhone(r.PhoneNumber), "phone_number", badPhone)
	f.doctor(&r.Specialization, &r.YearsOfExperience)
	f.license(&r.LicenseNumber, 0)
	f.patient(r.DateOfBirth, &r.BloodType, &r.Address, &r.EmergencyContact)
	f.add(r.Role != RoleDoctor && (r.Specialization != "" || r.LicenseNumber != "" || r.YearsOfExperience != 0),
		"user_type", "only DOCTOR has specialization, license_number and years_of_experience; leave them out")
	f.add(r.Role != RolePatient && (r.DateOfBirth != nil || r.BloodType != "" || r.Address != "" || r.EmergencyContact != ""),
		"user_type", "only PATIENT has date_of_birth, blood_type, address and emergency_contact; leave them out")
	return f.err()
}

// Validate normalizes the texts that are set and checks them; role is the owner's.
func (c *ProfileChange) Validate(role Role) error {
	var f faults
	f.line("email", c.Email, 0, MaxEmail)
	f.add(c.Email != nil && !validEmail(*c.Email), "email", badEmail)
	f.line("first_name", c.FirstName, 0, MaxName)
	f.line("last_name", c.LastName, 0, MaxName)
	f.add(c.PhoneNumber != nil && !validPhone(*c.PhoneNumber), "phone_number", badPhone)
	if role == RoleDoctor {
		f.doctor(c.Specialization, c.YearsOfExperience)
		f.license(c.LicenseNumber, 1)
	}
	if role == RolePatient {
		var birth *time.Time
		if c.DateOfBirth != nil {
			birth = *c.DateOfBirth
		}
		f.patient(birth, c.BloodType, c.Address, c.EmergencyContact)
	}
	const forDoctors, forPatients = "only doctors have this field; leave it out", "only patients have this field; leave it out"
	f.add(role != RoleDoctor && c.Specialization != nil, "specialization", forDoctors)
	f.add(role != RoleDoctor && c.LicenseNumber != nil, "license_number", forDoctors)
	f.add(role != RoleDoctor && c.YearsOfExperience != nil, "years_of_experience", forDoctors)
	f.add(role != RolePatient && c.DateOfBirth != nil, "date_of_birth", forPatients)
	f.add(role != RolePatient && c.BloodType != nil, "blood_type", forPatients)
	f.add(role != RolePatient && c.Address != nil, "address", forPatients)
	f.add(role != RolePatient && c.EmergencyContact != nil, "emergency_contact", forPatients)
	return f.err()
}

// Validate normalizes every text of a record and checks every field.
func (r *RecordFields) Validate() error {
	all := RecordChange{
		Type: &r.Type, Title: &r.Title, Description: &r.Description, Symptoms: &r.Symptoms, Diagnosis: &r.Diagnosis,
		Treatment: &r.Treatment, Medications: &r.Medications, VisitDate: &r.VisitDate, Language: &r.Language,
	}
	return all.Validate()
}

// Validate normalizes the texts that are set and checks them.
func (c *RecordChange) Validate() error {
	var f faults
	f.add(c.Type != nil && !slices.Contains(RecordTypes(), *c.Type), "record_type", "use one of "+listed(RecordTypes()))
	f.line("title", c.Title, 1, MaxTitle)
	f.text("description", c.Description, 0, MaxText)
	f.text("symptoms", c.Symptoms, 0, MaxText)
	f.text("diagnosis", c.Diagnosis, 0, MaxText)
	f.text("treatment", c.Treatment, 0, MaxText)
	f.text("medications", c.Medications, 0, MaxText)
	f.add(c.VisitDate != nil && (c.VisitDate.Year() < 1900 || c.VisitDate.Year() > 2199),
		"visit_date", "enter a time in the years 1900 to 2199, such as 2025-05-27T10:00:00Z")
	f.add(c.Language != nil && *c.Language != "" && !c.Language.Known(), "language", "use one of "+listed(Languages())+", or null")
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
	f.add(r.EndsAt != nil && r.EndsAt.After(now.AddDate(1, 0, 0)), "ends_at", "enter a time within a year from now, in the form 2025-05-27T10:00:00Z")
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
	f.add(r.EndsAt != nil && !r.EndsAt.After(now), "ends_at", "enter a time in the future, in the form 2025-05-27T10:00:00Z")
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
	f.usernames("patients", d.Patients, MaxDeclared)
	f.usernames("doctors", d.Doctors, MaxDeclaredDoctors)
	f.add(commonName(d.Doctors, d.Patients), "patients", "the doctor cannot be one of the patients")
	f.add(d.UID == "", "owner", "send the UID of the object")
	d.Reason = strings.TrimRight(d.Reason, "\r\n")
	f.line("reason", &d.Reason, 0, MaxReason)
	f.add(d.EndsAt != nil && !d.EndsAt.After(d.Begin()), "endsAt", "enter a time later than startsAt, in the form 2025-05-27T10:00:00Z")
	f.time("startsAt", d.StartsAt)
	f.time("endsAt", d.EndsAt)
	return f.err()
}

// usernames checks a list of 1 to most different usernames.
func (f *faults) usernames(field string, names []string, most int) {
	seen := map[string]bool{}
	odd := false
	for _, name := range names {
		odd = odd || !ValidUsername(name)
		seen[strings.ToLower(name)] = true
	}
	f.add(odd, field, badUsername)
	f.add(len(names) == 0 || len(names) > most, field, "name 1 to "+strconv.Itoa(most)+" "+field)
	f.add(len(seen) < len(names), field, "name each of the "+field+" once; case makes no difference")
}

// commonName reports whether a name is in both lists.
func commonName(some, others []string) bool {
	seen := map[string]bool{}
	for _, name := range some {
		seen[strings.ToLower(name)] = true
	}
	return slices.ContainsFunc(others, func(name string) bool { return seen[strings.ToLower(name)] })
}

func (f *faults) doctor(specialization *string, years *int) {
	f.line("specialization", specialization, 0, MaxName)
	f.add(years != nil && (*years < 0 || *years > 80), "years_of_experience", "enter a whole number from 0 to 80")
}

func (f *faults) patient(birth *time.Time, blood, address, contact *string) {
	f.add(birth != nil && (birth.Year() < 1850 || birth.After(time.Now())), "date_of_birth", "enter a day in the past, from the year 1850 on, such as 1980-02-29")
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
