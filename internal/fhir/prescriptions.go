package fhir

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// unfit says why the request is no prescription, or "".
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
	what := m.medication(r)
	var about lines
	about.add("Status", r.Status)
	about.add("Reason of the status", r.StatusReason.name())
	about.add("Intent", r.Intent)
	about.notes(r.Note)
	reasons := names(r.ReasonCode, concept.coded)
	for _, ref := range r.ReasonReference {
		reasons = append(reasons, m.reason(ref))
	}
	var instructions []string
	for _, d := range r.DosageInstruction {
		instructions = append(instructions, d.text())
	}
	m.record(e, source{
		subject: r.Subject, encounter: r.Encounter, authors: []reference{r.Requester}, dates: []string{r.AuthoredOn},
	}, clinic.RecordFields{
		Type: clinic.RecordPrescription, Title: what.name(), Description: about.String(),
		Diagnosis: joined("\n", reasons...), Treatment: joined("\n", instructions...), Medications: what.coded(),
	})
}

// medication finds what is prescribed: it is named, or refers to a resource of
// the bundle or inside the request.
func (m *mapper) medication(r *medicationRequest) concept {
	ref := r.MedicationReference
	if ref.Reference == "" {
		return r.MedicationCodeableConcept
	}
	if e := m.find(ref); e != nil {
		if found, ok := e.resource.(*medication); ok && found.Code.name() != "" {
			return found.Code
		}
	}
	if id, ok := strings.CutPrefix(ref.Reference, "#"); ok {
		for _, raw := range r.Contained {
			var inside medication
			if json.Unmarshal(raw, &inside) == nil && inside.ID == id && inside.Code.name() != "" {
				return inside.Code
			}
		}
	}
	return concept{Text: ref.Display}
}

// reason names the condition or observation for which something was done.
func (m *mapper) reason(ref reference) string {
	if e := m.byReference[ref.Reference]; e != nil {
		switch r := e.resource.(type) {
		case *condition:
			return r.Code.coded()
		case *observation:
			return r.text()
		}
	}
	return ref.Display
}

// text is the dosage in words. The text that the prescriber wrote goes before
// what can be put together from its parts.
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
	return rest > 0
}

// text is e.g. "once every 6 hours" or "2 times every day".
func (r repeat) text() string {
	if r.Period == "" {
		return ""
	}
	times := "once"
	if r.Frequency > 1 {
		times = strconv.FormatInt(r.Frequency, 10) + " times"
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
