package fhir

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const npiSystem = "http://hl7.org/fhir/sid/us-npi"

// identifiersOf returns the identifiers of a patient or practitioner.
func identifiersOf(r resource) []identifier {
	switch r := r.(type) {
	case *patient:
		return r.Identifier
	case *practitioner:
		return r.Identifier
	}
	return nil
}

// personID is the stable identity of a patient or practitioner: the National
// Provider Identifier, else the medical record number, else the first
// identifier of a type that no two people share, else that of the entry. It is
// "" for other entries, and where another file could use the identity for another
// person.
func (m *mapper) personID(e *entry) string {
	if e.resource == nil || e.kind != "Patient" && e.kind != "Practitioner" {
		return ""
	}
	for _, fits := range []func(identifier) bool{
		func(i identifier) bool { return i.System == npiSystem },
		func(i identifier) bool { return i.Type.has("MR") },
		func(identifier) bool { return true },
	} {
		for _, i := range e.identifiers {
			if key := i.key(); key != "" && i.own(e.kind) && fits(i) {
				return key
			}
		}
	}
	if id := m.sourceID(e); m.source != "" || unique(id) {
		return id
	}
	return ""
}

// own reports whether the identifier belongs to one person, and still does. A family
// shares the number of its insurance, doctors that of their practice, and numbers of
// the state must not be stored: so these are the types that qualify (codes of
// terminology.hl7.org/CodeSystem/v2-0203), and identifiers without a type.
func (i identifier) own(kind string) bool {
	switch {
	case i.Use == "old":
		return false
	case i.System == npiSystem || i.Type.name() == "":
		return true
	}
	codes := []string{"MR", "PI", "PT", "NI"}
	if kind == "Practitioner" {
		codes = append(codes, "NPI", "MD", "DN", "LANR", "EI")
	}
	return slices.ContainsFunc(codes, i.Type.has)
}

const noIdentity = "it has no identity beyond this file: no identifier of its own and no unique fullUrl; name the system that it comes from with --source"

func (m *mapper) role(e *entry, r *practitionerRole) {
	e.used = true
	id := m.doctor(e, r.Practitioner)
	for _, s := range append(names(r.Specialty, concept.name), names(r.Code, concept.name)...) {
		if id != "" && s != "" && m.specialties[id] == "" {
			m.specialties[id] = s
		}
	}
}

func (m *mapper) patient(e *entry, p *patient) {
	e.used = true
	id := e.person
	if id == "" {
		m.skip(e, noIdentity)
		return
	}
	account := clinic.ImportedAccount{Entry: e.number, SourceID: id, Registration: m.registration(p.Name, p.Telecom, id)}
	account.Role = clinic.RolePatient
	if birth, ok := firstTime([]string{p.BirthDate}); ok && len(p.BirthDate) == len("2006-01-02") {
		account.DateOfBirth = &birth
	}
	if len(p.Address) > 0 {
		account.Address = m.fit(p.Address[0].lines(), clinic.MaxProfileText)
	}
	if len(p.Contact) > 0 {
		c := p.Contact[0]
		first, last := c.Name.parts()
		account.EmergencyContact = m.fit(joined(" ", first, last, telecom(c.Telecom, "phone")), clinic.MaxProfileText)
	}
	m.bundle.Import.Accounts = append(m.bundle.Import.Accounts, account)
	for _, r := range p.GeneralPractitioner {
		m.member(id, m.doctor(e, r))
	}
}

func (m *mapper) practitioner(e *entry, p *practitioner) {
	e.used = true
	id := e.person
	if id == "" {
		m.skip(e, noIdentity)
		return
	}
	account := clinic.ImportedAccount{
		Entry: e.number, SourceID: id, Registration: m.registration(p.Name, p.Telecom, id),
		// the record comes from the hospital's own system, which checked the license;
		// active is a modifier: a practitioner who left the hospital sees nobody
		Verified: p.Active == nil || *p.Active,
	}
	account.Role = clinic.RoleDoctor
	account.LicenseNumber = "FHIR-" + shortID(id)
	if npi, ok := strings.CutPrefix(id, npiSystem+"|"); ok {
		account.LicenseNumber = "NPI-" + npi
	}
	account.Specialization = "General Medicine"
	if s := m.specialties[id]; s != "" {
		account.Specialization = m.fit(clinic.OneLine(s), clinic.MaxName)
	}
	m.bundle.Import.Accounts = append(m.bundle.Import.Accounts, account)
}

func (m *mapper) careTeam(e *entry, c *careTeam) {
	if c.Status != "" && c.Status != "active" {
		m.skip(e, "it is not active")
		return
	}
	e.used = true
	patient, ok := m.subject(e, c.Subject)
	if !ok {
		return
	}
	for _, p := range c.Participant {
		m.member(patient, m.doctor(e, p.Member))
	}
}

func (m *mapper) registration(all []humanName, contacts []contactPoint, id string) clinic.Registration {
	var name humanName
	for _, use := range []string{"maiden", "old", "nickname", "anonymous", "temp", "", "usual", "official"} { // the last is the best
		for _, n := range all {
			if n.Use == use {
				name = n
			}
		}
	}
	first, last := name.parts()
	return clinic.Registration{
		Username:    username(first, last, id),
		FirstName:   m.fit(first, clinic.MaxName),
		LastName:    m.fit(last, clinic.MaxName),
		Email:       telecom(contacts, "email"),
		PhoneNumber: telecom(contacts, "phone"),
	}
}

func (n humanName) parts() (first, last string) {
	first, last = clinic.OneLine(strings.Join(n.Given, " ")), clinic.OneLine(n.Family)
	if first == "" && last == "" {
		last = clinic.OneLine(n.Text)
	}
	return first, last
}

// telecom is the first contact point of the system ("phone" or "email"). It drops the
// parentheses of "(555) 010-1234", which phone numbers cannot have here.
func telecom(points []contactPoint, system string) string {
	for _, p := range points {
		if p.System == system && p.Use != "old" && p.Value != "" {
			return strings.TrimSpace(strings.NewReplacer("(", "", ")", "").Replace(strings.TrimPrefix(p.Value, "tel:")))
		}
	}
	return ""
}

func (a address) lines() string {
	if a.Text != "" {
		return strings.TrimSpace(a.Text)
	}
	parts := append(append([]string{}, a.Line...), a.City, joined(" ", a.State, a.PostalCode), a.Country)
	return joined(", ", parts...)
}

// username is readable and the same in every import: given.family.1a2b3c4d5e.
func username(first, last, id string) string {
	parts := []string{}
	for _, s := range []string{first, last} {
		if s = ascii(s); s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(append(parts, shortID(id)), ".")
}

// shortID is 40 bits of the identity's SHA-256: enough to distinguish people of one name,
// and it reveals no medical record number to a reader who does not know it.
func shortID(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:5])
}

// ascii keeps the letters and digits that usernames may have, without accents.
func ascii(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) && b.Len() < 40 {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}
