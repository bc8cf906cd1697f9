package fhir

import (
	"strconv"
	"unicode/utf8"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// unfit returns the reason why the request is no prescription, or "".
func (r *medicationRequest) unfit() string {
	switch {
	case r.Status == "entered-in-error":
		return "it was entered in error"
	case r.Status == "draft" || r.Status == "cancelled":
		return "it was not issued"
	case r.DoNotPerform:
		return "it asks not to take the medication"
	case r.Intent == "proposal" || r.Intent == "plan" || r.Intent == "option":
		return "it is a proposal, plan or option, not an order"
	}
	return ""
}

// medicationRequest maps an order of a medication to a prescription.
func (m *mapper) medicationRequest(e *entry, r *medicationRequest) {
	if reason := r.unfit(); reason != "" {
		m.skip(e, reason)
		return
	}
	patient, ok := m.subject(e, r.Subject)
	if !ok {
		return
	}
	what, ok := m.medication(e, r)
	if !ok {
		m.skip(e, "its medication was entered in error")
		return
	}
	var about lines
	about.add("Status", r.Status)
	about.add("Reason of the status", r.StatusReason.name())
	about.add("Intent", r.Intent)
	about.notes(r.Note)
	reasons := m.reasons(e, patient, r.ReasonCode, r.ReasonReference)
	var instructions []string
	for _, d := range r.DosageInstruction {
		instructions = append(instructions, d.text())
	}
	m.record(e, source{
		patient: patient, encounter: r.Encounter, authors: []reference{r.Requester}, dates: []string{r.AuthoredOn},
	}, clinic.RecordFields{
		Type: clinic.RecordPrescription, Title: what.name(), Description: about.String(),
		Diagnosis: joined("\n", reasons...), Treatment: joined("\n", instructions...), Medications: what.coded(),
	})
}

// medication finds the prescribed medication: the request names it, or refers to a resource of
// the bundle or inside the request. ok is false when the medication was entered in error.
func (m *mapper) medication(e *entry, r *medicationRequest) (what concept, ok bool) {
	ref := r.MedicationReference
	if ref.Reference == "" {
		return r.MedicationCodeableConcept, true
	}
	found, _, fault := m.resolve(e, ref.Reference)
	if fault != "" {
		m.omit(e, "a reference in it "+fault)
	}
	if found != nil {
		found.used = true
		if med, ok := found.resource.(*medication); ok && (med.unfit() || med.Code.name() != "") {
			return med.Code, !med.unfit()
		}
	}
	return concept{Text: ref.Display}, true
}

func (r *medication) unfit() bool { return r.Status == "entered-in-error" }

// reasons names the reasons for which something was done, according to the entry, up to
// the length of a field.
func (m *mapper) reasons(e *entry, patient string, codes []concept, refs []reference) []string {
	all, length := names(codes, concept.coded), 0
	for _, ref := range refs {
		if length > clinic.MaxText { // the rest is cut off
			break
		}
		reason := m.reason(e, patient, ref)
		all = append(all, reason)
		length += utf8.RuneCountInString(reason)
	}
	return all
}

// reason names the patient's condition or observation for which something was
// done, according to the entry from.
func (m *mapper) reason(from *entry, patient string, ref reference) string {
	e, _, fault := m.resolve(from, ref.Reference)
	if fault != "" {
		m.omit(from, "a reference in it "+fault)
	}
	if e == nil {
		return ref.Display
	}
	var text string
	unfit, own := e.refused, true
	switch r := e.resource.(type) {
	case *condition:
		text, unfit, own = m.textOf(e, r.Code.coded), r.unfit() != "", m.concerns(patient, e, r.Subject)
	case *observation:
		text, unfit, own = m.textOf(e, r.text), r.unfit(), r.Subject == nil || m.concerns(patient, e, *r.Subject)
	default:
		text = ref.Display
	}
	switch {
	case !own:
		m.omit(from, "its reason belongs to another subject")
		return ""
	case unfit:
		m.omit(from, "its reason was entered in error, refuted or not understood")
		return ""
	}
	return text
}

// text is the dosage in words. The prescriber's own text comes before
// the text that is composed from the parts.
func (d dosage) text() string {
	if d.Text != "" {
		return joined("; ", d.Text, d.PatientInstruction)
	}
	var parts []string
	for _, dose := range d.DoseAndRate {
		if s := joined(" ", dose.DoseQuantity.text(), dose.DoseRange.text()); s != "" {
			parts = append(parts, "dose "+s)
		}
	}
	parts = append(parts, d.Timing.Repeat.text(), d.Timing.Code.name(), d.Route.name())
	switch reason := d.AsNeededCodeableConcept.name(); {
	case reason != "":
		parts = append(parts, "as needed for "+reason)
	case d.AsNeededBoolean:
		parts = append(parts, "as needed")
	}
	parts = append(parts, names(d.AdditionalInstruction, concept.name)...)
	parts = append(parts, d.PatientInstruction)
	if d.more() {
		parts = append(parts, "further instructions are in the source")
	}
	return joined("; ", parts...)
}

// more reports whether the dosage has parts that text does not show.
func (d dosage) more() bool {
	rest := len(d.Rest) + len(d.Timing.Rest) + len(d.Timing.Repeat.Rest)
	for _, dose := range d.DoseAndRate {
		rest += len(dose.Rest)
	}
	return rest > 0 || d.Timing.Repeat.partial()
}

// partial reports whether the repetition lacks a part that text needs to
// show the others.
func (r repeat) partial() bool {
	given := r.Frequency != 0 || r.Period != "" || r.PeriodUnit != ""
	return given && (r.Frequency < 0 || r.Period == "" || r.PeriodUnit == "")
}

// text is e.g. "once every 6 hours" or "2 times every day", or "2 times" when the
// period is missing.
func (r repeat) text() string {
	var times string
	switch {
	case r.Frequency == 1 || r.Frequency == 0 && !r.partial():
		times = "once"
	case r.Frequency > 1:
		times = strconv.FormatInt(r.Frequency, 10) + " times"
	}
	switch {
	case r.partial():
		return times
	case r.Period == "":
		return ""
	}
	// units of time of UCUM
	unit := r.PeriodUnit
	switch unit {
	case "s":
		unit = "second"
	case "min":
		unit = "minute"
	case "h":
		unit = "hour"
	case "d":
		unit = "day"
	case "wk":
		unit = "week"
	case "mo":
		unit = "month"
	case "a":
		unit = "year"
	}
	if r.Period == "1" {
		return times + " every " + unit
	}
	return times + " every " + r.Period.text() + " " + unit + "s"
}
