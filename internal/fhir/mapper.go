package fhir

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// mapper turns the entries of a bundle into clinic.Import.
type mapper struct {
	bundle *Bundle
	// byReference finds an entry by its fullUrl and by "Type/id".
	byReference map[string]*entry
	// people finds the SourceID of a patient or practitioner of the bundle by
	// its entry, and by "Type?identifier=system|value" for each of its identifiers.
	people      map[*entry]string
	identifiers map[string]string
	// specialties are by the practitioner's SourceID, diagnoses by the encounter.
	specialties map[string]string
	diagnoses   map[*entry][]string
	team        map[clinic.CareTeamMember]bool
}

func newMapper(b *Bundle) *mapper {
	return &mapper{
		bundle: b, byReference: map[string]*entry{}, people: map[*entry]string{}, identifiers: map[string]string{},
		specialties: map[string]string{}, diagnoses: map[*entry][]string{}, team: map[clinic.CareTeamMember]bool{},
	}
}

// mapAll maps in the order in which one thing needs another.
func (m *mapper) mapAll() {
	for _, e := range m.bundle.entries {
		m.index(e)
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
	slices.SortStableFunc(m.bundle.Skipped, func(a, b Skipped) int { return cmp.Compare(a.At.Offset, b.At.Offset) })
}

// each calls what for every entry of its resource type.
func each[R resource](m *mapper, what func(*entry, R)) {
	for _, e := range m.bundle.entries {
		if r, ok := e.resource.(R); ok {
			what(e, r)
		}
	}
}

func (m *mapper) index(e *entry) {
	if e.fullURL != "" {
		m.byReference[e.fullURL] = e
	}
	if e.resource == nil {
		return
	}
	if id := e.resource.core().ID; id != "" {
		m.byReference[e.kind+"/"+id] = e
	}
	var known []identifier
	switch r := e.resource.(type) {
	case *patient:
		known = r.Identifier
	case *practitioner:
		known = r.Identifier
	default:
		return
	}
	m.people[e] = e.personID(known)
	for _, i := range known {
		if key := i.key(); key != "" {
			m.identifiers[e.kind+"?identifier="+key] = m.people[e]
		}
	}
}

// sourceID is the entry's identity in the system it comes from.
func (e *entry) sourceID() string {
	if e.fullURL != "" {
		return e.fullURL
	}
	if id := e.resource.core().ID; id != "" {
		return e.kind + "/" + id
	}
	return ""
}

// find returns the entry that the reference means, nil when it is not here, and
// marks it as used.
func (m *mapper) find(r reference) *entry {
	ref, _, _ := strings.Cut(r.Reference, "/_history/")
	e := m.byReference[ref]
	if e != nil {
		e.used = true
	}
	return e
}

// person returns the SourceID of the patient or practitioner that the reference
// means, who may have come with an earlier bundle; "" for somebody else.
func (m *mapper) person(kind string, r reference) string {
	if e := m.find(r); e != nil {
		if e.kind != kind {
			return ""
		}
		return m.people[e]
	}
	// a conditional reference, hl7.org/fhir/R4/http.html#trules
	if query, ok := strings.CutPrefix(r.Reference, kind+"?"); ok {
		values, err := url.ParseQuery(query)
		if err != nil {
			return ""
		}
		return m.byIdentifier(kind, values.Get("identifier"))
	}
	if of := r.kind(); of != "" && of != kind {
		return ""
	}
	if r.Reference == "" {
		return m.byIdentifier(kind, r.Identifier.key())
	}
	return r.Reference
}

// kind is the resource type that the reference itself tells, "" when it does not.
func (r reference) kind() string {
	if kind, _, ok := strings.Cut(r.Reference, "/"); ok && !strings.Contains(kind, ":") {
		return kind
	}
	return r.Type
}

func (m *mapper) byIdentifier(kind, key string) string {
	if id, ok := m.identifiers[kind+"?identifier="+key]; ok {
		return id
	}
	return key
}

// member notes that the doctor cared for the patient.
func (m *mapper) member(patient, doctor string) {
	pair := clinic.CareTeamMember{Patient: patient, Doctor: doctor}
	if patient == "" || doctor == "" || m.team[pair] {
		return
	}
	m.team[pair] = true
	m.bundle.Import.CareTeam = append(m.bundle.Import.CareTeam, pair)
}

// skip says why the entry is not imported.
func (m *mapper) skip(e *entry, reason string) {
	e.used = true
	m.bundle.Skipped = append(m.bundle.Skipped, Skipped{Type: e.kind, At: e.at, Reason: reason})
}

// source is what every record has, apart from its text.
type source struct {
	subject, encounter reference
	authors            []reference // who made it, the likeliest first
	dates              []string    // when it was, the best first
}

// record adds a record and its author to the patient's care team.
func (m *mapper) record(e *entry, s source, fields clinic.RecordFields) {
	e.used = true
	visit := m.find(s.encounter)
	if visit != nil {
		if v, ok := visit.resource.(*encounter); ok {
			s.authors = append(s.authors, v.practitioners()...)
			s.dates = append(s.dates, v.Period.Start)
		}
	}
	when, ok := firstTime(s.dates)
	if !ok {
		m.skip(e, "it has no date")
		return
	}
	r := clinic.ImportedRecord{
		Entry: e.number, SourceID: e.sourceID(), Patient: m.person("Patient", s.subject), RecordFields: fields,
	}
	r.VisitDate = when
	for _, ref := range s.authors {
		doctor := m.person("Practitioner", ref)
		m.member(r.Patient, doctor)
		if r.Author == "" {
			r.Author = doctor
		}
	}
	r.Title = m.fit(clinic.OneLine(r.Title), clinic.MaxTitle)
	for _, text := range []*string{&r.Description, &r.Symptoms, &r.Diagnosis, &r.Treatment, &r.Medications} {
		*text = m.fit(*text, clinic.MaxText)
	}
	m.bundle.Import.Records = append(m.bundle.Import.Records, r)
}

// countUnused counts what nothing that is mapped refers to.
func (m *mapper) countUnused() {
	for _, e := range m.bundle.entries {
		if e.resource == nil || e.used {
			continue
		}
		m.bundle.Unmapped[e.kind]++
	}
}

// firstTime returns the first of the dates that can be read, in UTC.
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
