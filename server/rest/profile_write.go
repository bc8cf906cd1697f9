package rest

import (
	"context"
	"errors"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// The types of the fields that belong to one role are exported because huma
// ignores the fields of embedded types that are not.

// DoctorFields are the fields of a doctor's profile that its owner writes.
type DoctorFields struct {
	Specialization    patch[string] `json:"specialization,omitzero" maxLength:"150" doc:"For doctors."`
	LicenseNumber     patch[string] `json:"license_number,omitzero" maxLength:"50" doc:"For doctors."`
	YearsOfExperience patch[int]    `json:"years_of_experience,omitzero" minimum:"0" maximum:"80" doc:"For doctors."`
}

// PatientFields are the fields of a patient's profile that its owner writes.
type PatientFields struct {
	DateOfBirth      patch[string] `json:"date_of_birth,omitzero" format:"date" doc:"For patients."`
	BloodType        patch[string] `json:"blood_type,omitzero" doc:"For patients. One of A+, A-, B+, B-, AB+, AB-, O+, O-." example:"A+"`
	Address          patch[string] `json:"address,omitzero" maxLength:"500" doc:"For patients."`
	EmergencyContact patch[string] `json:"emergency_contact,omitzero" maxLength:"500" doc:"For patients."`
}

type doctorProfileChange struct {
	DoctorFields
	PendingName ignored `json:"pending_name,omitzero" readOnly:"true" doc:"Ignored: the value is only read."`
}

// TransformSchema implements huma.SchemaTransformer.
func (doctorProfileChange) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	return readBack[doctorProfile](r, s)
}

type patientProfileChange struct{ PatientFields }

// TransformSchema implements huma.SchemaTransformer.
func (patientProfileChange) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	return readBack[patientProfile](r, s)
}

// ignored is a field whose value does not matter.
type ignored struct{ sent bool }

// UnmarshalJSON implements json.Unmarshaler.
func (i *ignored) UnmarshalJSON([]byte) error {
	i.sent = true
	return nil
}

// Schema implements huma.SchemaProvider.
func (ignored) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }

// RoleFields are the fields of a profile that belong to one role: in an object, as in the answer, or outside of it.
type RoleFields struct {
	DoctorFields
	PatientFields
	PatientProfile *patientProfileChange `json:"patient_profile,omitempty" doc:"For patients."`
	DoctorProfile  *doctorProfileChange  `json:"doctor_profile,omitempty" doc:"For doctors."`
}

// change returns the change of these fields, and how they were sent.
func (f RoleFields) change() (clinic.ProfileChange, *spelling) {
	s := &spelling{nested: map[string]string{}}
	var doctor DoctorFields
	if f.DoctorProfile != nil {
		doctor = f.DoctorProfile.DoctorFields
	}
	var patient PatientFields
	if f.PatientProfile != nil {
		patient = f.PatientProfile.PatientFields
	}
	change := clinic.ProfileChange{
		Specialization:    oneOf(s, "doctor_profile", "specialization", f.Specialization, doctor.Specialization),
		LicenseNumber:     oneOf(s, "doctor_profile", "license_number", f.LicenseNumber, doctor.LicenseNumber),
		YearsOfExperience: oneOf(s, "doctor_profile", "years_of_experience", f.YearsOfExperience, doctor.YearsOfExperience),
		BloodType:         oneOf(s, "patient_profile", "blood_type", f.BloodType, patient.BloodType),
		Address:           oneOf(s, "patient_profile", "address", f.Address, patient.Address),
		EmergencyContact:  oneOf(s, "patient_profile", "emergency_contact", f.EmergencyContact, patient.EmergencyContact),
	}
	if day := oneOf(s, "patient_profile", "date_of_birth", f.DateOfBirth, patient.DateOfBirth); day != nil {
		birth, err := parseDate("date_of_birth", *day)
		var invalid *clinic.Error
		if errors.As(err, &invalid) {
			s.faults = append(s.faults, invalid.Fields...)
		}
		change.DateOfBirth = &birth
	}
	return change, s
}

// spelling says how the fields of a role were sent.
type spelling struct {
	nested map[string]string // by the field's name, its name in an object
	faults []clinic.FieldError
}

// oneOf returns the change of a field that can be sent in an object and outside of it.
func oneOf[T comparable](s *spelling, object, name string, flat, nested patch[T]) *T {
	if !nested.sent {
		return flat.change()
	}
	s.nested[name] = object + "." + name
	if flat.sent && flat != nested {
		s.faults = append(s.faults, clinic.FieldError{Field: name, Message: "this field was also sent outside of " + object + ", with another value; send it once"})
	}
	return nested.change()
}

// check returns everything that is wrong with a change.
func (s *spelling) check(change clinic.ProfileChange, role clinic.Role) error {
	return s.named(together(clinic.InvalidFields(s.faults), change.Validate(role)))
}

// named gives the fields of an error the names under which they were sent.
func (s *spelling) named(err error) error {
	var known *clinic.Error
	if !errors.As(err, &known) || len(known.Fields) == 0 {
		return err
	}
	renamed := *known
	renamed.Fields = slices.Clone(known.Fields)
	for i, f := range renamed.Fields {
		if name := s.nested[f.Field]; name != "" {
			renamed.Fields[i].Field = name
		}
	}
	return &renamed
}

// ConditionalProfile is embedded in requests that change a profile. It is exported
// because huma ignores the fields of embedded types that are not.
type ConditionalProfile struct {
	IfMatch string `header:"If-Match" doc:"The ETag that the client has read. If the profile has changed since, the answer is 412."`
}

type replaceProfileRequest struct {
	ConditionalProfile
	Body profileReplacement
}

type profileReplacement struct {
	Email       string `json:"email" maxLength:"254" example:"patient@example.com"`
	FirstName   string `json:"first_name" maxLength:"150" example:"John"`
	LastName    string `json:"last_name" maxLength:"150" example:"Doe"`
	PhoneNumber string `json:"phone_number" maxLength:"20" example:"+1234567890"`
	RoleFields
}

// TransformSchema implements huma.SchemaTransformer.
func (profileReplacement) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	return readBack[profile](r, s)
}

// Resolve implements huma.Resolver.
func (p *profileReplacement) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error {
		change, sent := p.change()
		return sent.check(change, web.CallerOf(ctx.Context()).Role)
	})
}

func (p profileReplacement) change() (clinic.ProfileChange, *spelling) {
	change, sent := p.RoleFields.change()
	change.Email, change.FirstName, change.LastName, change.PhoneNumber = &p.Email, &p.FirstName, &p.LastName, &p.PhoneNumber
	return change, sent
}

func (h *handlers) replaceProfile(ctx context.Context, request *replaceProfileRequest) (*profileResponse, error) {
	change, sent := request.Body.change()
	return h.updateProfile(ctx, request.IfMatch, change, sent)
}

type changeProfileRequest struct {
	ConditionalProfile
	Body profileChange
}

type profileChange struct {
	Email       patch[string] `json:"email,omitzero" maxLength:"254" example:"patient@example.com"`
	FirstName   patch[string] `json:"first_name,omitzero" maxLength:"150" example:"John"`
	LastName    patch[string] `json:"last_name,omitzero" maxLength:"150" example:"Doe"`
	PhoneNumber patch[string] `json:"phone_number,omitzero" maxLength:"20" example:"+1234567890"`
	RoleFields
}

// TransformSchema implements huma.SchemaTransformer.
func (profileChange) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	return readBack[profile](r, s)
}

// Resolve implements huma.Resolver.
func (p *profileChange) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error {
		change, sent := p.change()
		return sent.check(change, web.CallerOf(ctx.Context()).Role)
	})
}

// change takes the name as wanted, unless the client has only sent back what it read: that contains the pending name.
func (p profileChange) change() (clinic.ProfileChange, *spelling) {
	change, sent := p.RoleFields.change()
	change.Email, change.FirstName = p.Email.change(), p.FirstName.change()
	change.LastName, change.PhoneNumber = p.LastName.change(), p.PhoneNumber.change()
	change.NameWanted = p.DoctorProfile == nil || !p.DoctorProfile.PendingName.sent
	return change, sent
}

func (h *handlers) changeProfile(ctx context.Context, request *changeProfileRequest) (*profileResponse, error) {
	change, sent := request.Body.change()
	return h.updateProfile(ctx, request.IfMatch, change, sent)
}

func (h *handlers) updateProfile(ctx context.Context, ifMatch string, change clinic.ProfileChange, sent *spelling) (*profileResponse, error) {
	caller := web.CallerOf(ctx)
	if len(sent.faults) > 0 {
		return nil, sent.check(change, caller.Role)
	}
	matches, err := web.ExpectETag(ctx, ifMatch)
	if err != nil {
		return nil, err
	}
	var expect func(clinic.Profile) bool // nil: any
	if matches != nil {
		expect = func(p clinic.Profile) bool { return matches(web.DigestETag(newProfile(p))) }
	}
	p, err := h.service.Accounts.UpdateProfile(ctx, caller, change, expect)
	if err != nil {
		return nil, sent.named(err)
	}
	return answerProfile(p), nil
}
