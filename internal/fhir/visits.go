package fhir

import "github.com/healthrecords/healthrecords/internal/clinic"

// unfit returns the reason why the visit did not take place, or "".
func (v *encounter) unfit() string {
	switch v.Status {
	case "entered-in-error":
		return "it was entered in error"
	case "cancelled", "planned":
		return "the visit did not take place"
	}
	return ""
}

// visit finds the patient's visit to which a reference in the entry from points. It
// returns nil where it finds none, and why when the report has to say so.
func (m *mapper) visit(from *entry, patient string, ref reference) (visit *entry, v *encounter, why string) {
	found, _, fault := m.resolve(from, ref.Reference)
	if fault != "" {
		return nil, nil, "a reference in it " + fault
	}
	if found == nil || found.kind != "Encounter" {
		return nil, nil, ""
	}
	v, ok := found.resource.(*encounter)
	switch {
	case !ok || v.unfit() != "":
		return nil, nil, "its visit is not imported"
	case !m.concerns(patient, found, v.Subject):
		return nil, nil, "its visit belongs to another subject"
	}
	return found, v, ""
}

// encounter maps a visit to a checkup or an emergency.
func (m *mapper) encounter(e *entry, v *encounter) {
	if reason := v.unfit(); reason != "" {
		m.skip(e, reason)
		return
	}
	patient, ok := m.subject(e, v.Subject)
	if !ok {
		return
	}
	kind := clinic.RecordCheckup
	if v.Class.Code == "EMER" {
		kind = clinic.RecordEmergency
	}
	title := joined(", ", names(v.Type, concept.name)...)
	if title == "" {
		title = joined(" ", v.Class.name(), "visit")
	}
	var about lines
	about.add("Class", v.Class.name())
	about.add("Status", v.Status)
	about.add("Period", v.Period.span())
	about.add("Discharge", v.Hospitalization.DischargeDisposition.name())
	reasons := m.reasons(e, patient, v.ReasonCode, v.ReasonReference)
	m.record(e, source{patient: patient, dates: []string{v.Period.Start}, authors: v.practitioners()}, clinic.RecordFields{
		Type: kind, Title: title, Description: about.String(),
		Symptoms:  joined("\n", reasons...),
		Diagnosis: joined("\n", m.diagnoses[e]...),
	})
}

func (v *encounter) practitioners() []reference {
	refs := make([]reference, 0, len(v.Participant))
	for _, p := range v.Participant {
		refs = append(refs, p.Individual)
	}
	return refs
}

// name is the class in words (terminology.hl7.org/ValueSet/v3-ActEncounterCode):
// systems often send the bare code.
func (c coding) name() string {
	if c.Display != "" {
		return c.Display
	}
	switch c.Code {
	case "AMB":
		return "ambulatory"
	case "EMER":
		return "emergency"
	case "FLD":
		return "field"
	case "HH":
		return "home health"
	case "IMP":
		return "inpatient encounter"
	case "ACUTE":
		return "inpatient acute"
	case "NONAC":
		return "inpatient non-acute"
	case "OBSENC":
		return "observation encounter"
	case "PRENC":
		return "pre-admission"
	case "SS":
		return "short stay"
	case "VR":
		return "virtual"
	}
	return c.Code
}

// indexDiagnosis records the condition as a diagnosis of the patient's visit to which it
// belongs. Where that fails, the mapping of the condition reports the reason.
func (m *mapper) indexDiagnosis(e *entry, c *condition) {
	if c.unfit() != "" {
		return
	}
	patient, _ := m.person("Patient", e, c.Subject)
	if visit, _, _ := m.visit(e, patient, c.Encounter); visit != nil {
		m.diagnoses[visit] = append(m.diagnoses[visit], c.Code.coded())
	}
}

// unfit returns the reason why the condition is no diagnosis of the patient, or "".
func (c *condition) unfit() string {
	switch {
	case c.VerificationStatus.has("entered-in-error"):
		return "it was entered in error"
	case c.VerificationStatus.has("refuted"):
		return "it was refuted"
	}
	return ""
}

// condition maps a condition to a diagnosis.
func (m *mapper) condition(e *entry, c *condition) {
	if reason := c.unfit(); reason != "" {
		m.skip(e, reason)
		return
	}
	patient, ok := m.subject(e, c.Subject)
	if !ok {
		return
	}
	var about lines
	about.add("Clinical status", c.ClinicalStatus.name())
	about.add("Verification", c.VerificationStatus.name())
	about.add("Severity", c.Severity.name())
	about.add("Body site", names(c.BodySite, concept.name)...)
	about.add("Onset", c.OnsetDateTime, c.OnsetPeriod.span(), c.OnsetString)
	about.add("Ended", c.AbatementDateTime, c.AbatementPeriod.span(), c.AbatementString)
	about.add("Recorded", c.RecordedDate)
	about.notes(c.Note)
	var symptoms []string
	for _, evidence := range c.Evidence {
		symptoms = append(symptoms, names(evidence.Code, concept.coded)...)
	}
	m.record(e, source{
		patient: patient, encounter: c.Encounter, authors: []reference{c.Asserter, c.Recorder},
		dates: []string{c.OnsetDateTime, c.OnsetPeriod.Start, c.RecordedDate},
	}, clinic.RecordFields{
		Type: clinic.RecordDiagnosis, Title: c.Code.name(), Description: about.String(),
		Symptoms: joined("\n", symptoms...), Diagnosis: c.Code.coded(),
	})
}
