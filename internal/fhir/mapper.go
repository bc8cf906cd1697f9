package fhir

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// mapper turns the entries of a bundle into clinic.Import.
type mapper struct {
	bundle *Bundle
	source string // see Options
	// Entries by SourceID, by "Type/id" and by "Type?identifier=system|value",
	// and the bases that their fullUrls have.
	byURL, byID, byIdentifier index
	roots                     map[string]bool
	// specialties are by the practitioner's SourceID, diagnoses by the encounter.
	specialties map[string]string
	diagnoses   map[*entry][]string
	team        map[clinic.CareTeamMember]bool
	omitted     map[omission]bool
	texts       map[*entry]string // see textOf
}

// omission is a part of the entry that is not imported.
type omission struct {
	entry  *entry
	reason string
}

func newMapper(b *Bundle, source string) *mapper {
	m := &mapper{
		bundle: b, source: source, byURL: index{}, byID: index{}, byIdentifier: index{}, roots: map[string]bool{},
		specialties: map[string]string{}, diagnoses: map[*entry][]string{}, team: map[clinic.CareTeamMember]bool{},
		omitted: map[omission]bool{}, texts: map[*entry]string{},
	}
	if source != "" {
		m.roots[source+"/"] = true
	}
	return m
}

// mapAll maps the resource types in the order of their dependencies.
func (m *mapper) mapAll() {
	for _, e := range m.bundle.entries {
		e.fullURL, _, _ = strings.Cut(e.fullURL, "/_history/")
		e.root, e.host = rootOf(e.fullURL, e.kind), hostOf(e.fullURL)
		e.person = m.personID(e)
		m.byURL.add(m.sourceID(e), e)
		m.byURL.add(e.fullURL, e)
	}
	m.skipTwins()
	for _, e := range m.bundle.entries {
		m.locate(e)
	}
	each(m, m.role)
	each(m, m.patient)
	each(m, m.practitioner)
	each(m, m.careTeam)
	each(m, m.indexDiagnosis)
	each(m, m.encounter)
	each(m, m.condition)
	each(m, m.medicationRequest)
	each(m, m.diagnosticReport)
	m.countUnused()
	for _, all := range [][]Skipped{m.bundle.Skipped, m.bundle.Omitted} {
		slices.SortStableFunc(all, func(a, b Skipped) int { return cmp.Compare(a.At.Offset, b.At.Offset) })
	}
}

// each calls what for every entry of its resource type.
func each[R resource](m *mapper, what func(*entry, R)) {
	for _, e := range m.bundle.entries {
		if r, ok := e.resource.(R); ok {
			what(e, r)
		}
	}
}

// skipTwins skips entries of one identity: nobody knows which of several versions of a
// resource is valid.
func (m *mapper) skipTwins() {
	for _, e := range m.bundle.entries {
		if twin, known := m.byURL[m.sourceID(e)]; known && twin == nil && e.resource != nil {
			m.skip(e, "another entry has its fullUrl, or without one its type and id")
			e.resource, e.person, e.refused = nil, "", true
		}
	}
}

// member records that the doctor cared for the patient.
func (m *mapper) member(patient, doctor string) {
	pair := clinic.CareTeamMember{Patient: patient, Doctor: doctor}
	if patient == "" || doctor == "" || m.team[pair] {
		return
	}
	m.team[pair] = true
	m.bundle.Import.CareTeam = append(m.bundle.Import.CareTeam, pair)
}

// doctor returns the SourceID of the practitioner to whom a reference in the entry
// from points, "" for anybody else.
func (m *mapper) doctor(from *entry, r reference) string {
	id, fault := m.person("Practitioner", from, r)
	if fault != "" {
		m.omit(from, "a reference in it "+fault)
	}
	return id
}

// subject returns the SourceID of the entry's patient. Without
// one the entry is skipped.
func (m *mapper) subject(e *entry, r reference) (patient string, ok bool) {
	patient, fault := m.person("Patient", e, r)
	switch {
	case fault != "":
		m.skip(e, "its subject "+fault)
	case patient == "":
		m.skip(e, "its subject is not a known patient")
	}
	return patient, patient != ""
}

// skip records the reason why the entry is not imported.
func (m *mapper) skip(e *entry, reason string) {
	e.used = true
	m.bundle.Skipped = append(m.bundle.Skipped, Skipped{Type: e.kind, At: e.at, Reason: reason})
}

// omit records a part of the entry that is not imported.
func (m *mapper) omit(e *entry, reason string) {
	if what := (omission{e, reason}); !m.omitted[what] {
		m.omitted[what] = true
		m.bundle.Omitted = append(m.bundle.Omitted, Skipped{Type: e.kind, At: e.at, Reason: reason})
	}
}

// source has what every record has apart from its text.
type source struct {
	patient   string // SourceID
	encounter reference
	authors   []reference // the likeliest author first
	dates     []string    // the most precise date first
}

// record adds a record and its author to the patient's care team.
func (m *mapper) record(e *entry, s source, fields clinic.RecordFields) {
	e.used = true
	var doctors []string
	for _, ref := range s.authors {
		doctors = append(doctors, m.doctor(e, ref))
	}
	visit, v, why := m.visit(e, s.patient, s.encounter)
	if why != "" {
		m.omit(e, why)
	}
	if visit != nil {
		s.dates = append(s.dates, v.Period.Start)
		for _, ref := range v.practitioners() {
			doctors = append(doctors, m.doctor(visit, ref))
		}
	}
	when, ok := firstTime(s.dates)
	if !ok {
		m.skip(e, "it has no date")
		return
	}
	r := clinic.ImportedRecord{Entry: e.number, SourceID: m.sourceID(e), Patient: s.patient, RecordFields: fields}
	r.VisitDate = when
	for _, doctor := range doctors {
		m.member(r.Patient, doctor)
		r.Author = cmp.Or(r.Author, doctor)
	}
	r.Title = m.fit(clinic.OneLine(r.Title), clinic.MaxTitle)
	for _, text := range []*string{&r.Description, &r.Symptoms, &r.Diagnosis, &r.Treatment, &r.Medications} {
		*text = m.fit(*text, clinic.MaxText)
	}
	m.bundle.Import.Records = append(m.bundle.Import.Records, r)
}

// countUnused counts the resources to which no mapped resource refers.
func (m *mapper) countUnused() {
	for _, e := range m.bundle.entries {
		if e.resource == nil || e.used {
			continue
		}
		m.bundle.Unmapped[e.kind]++
	}
}

// firstTime returns the first readable date, in UTC.
func firstTime(dates []string) (time.Time, bool) {
	for _, s := range dates {
		// hl7.org/fhir/R4/datatypes.html#dateTime: a date may lack day and month
		for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01", "2006"} {
			if t, err := time.Parse(layout, s); err == nil {
				return t.UTC(), true
			}
		}
	}
	return time.Time{}, false
}
