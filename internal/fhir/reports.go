package fhir

import (
	"strconv"
	"unicode/utf8"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// diagnosticReport maps a report with its observations to a lab result.
func (m *mapper) diagnosticReport(e *entry, r *diagnosticReport) {
	switch r.Status {
	case "entered-in-error":
		m.skip(e, "it was entered in error")
		return
	case "cancelled", "registered":
		m.skip(e, "it has no result")
		return
	}
	patient, ok := m.subject(e, r.Subject)
	if !ok {
		return
	}
	found := findings{report: e, patient: patient, seen: map[*entry]bool{}}
	for _, ref := range r.Result {
		m.results(e, ref, &found)
	}
	about := found.texts
	about.add("Status", r.Status)
	about.add("Category", names(r.Category, concept.name)...)
	about.add("Issued", r.Issued)
	conclusion := append([]string{r.Conclusion}, names(r.ConclusionCode, concept.coded)...)
	m.record(e, source{
		patient: patient, encounter: r.Encounter,
		authors: append(append([]reference{}, r.ResultsInterp...), r.Performer...),
		dates:   []string{r.EffectiveDateTime, r.EffectivePeriod.Start, r.Issued},
	}, clinic.RecordFields{
		Type: clinic.RecordLabResult, Title: r.Code.name(), Description: about.String(), Diagnosis: joined("\n", conclusion...),
	})
}

// mostResults is how many observations one report may have.
const mostResults = 10_000

// findings are the results of a report's observations.
type findings struct {
	report  *entry
	patient string
	texts   lines
	length  int             // of the texts, in characters
	seen    map[*entry]bool // ends the recursion where a broken bundle has a cycle
}

// results adds one observation of the patient, to which the entry from refers, and
// the observations in it. It ends at the length of a field: many reports may have the same ones.
func (m *mapper) results(from *entry, ref reference, f *findings) {
	e, _, fault := m.resolve(from, ref.Reference)
	if fault != "" {
		m.omit(from, "a reference in it "+fault)
	}
	if e == nil {
		if ref.Display != "" {
			f.add(ref.Display + ": not part of what was imported")
		}
		return
	}
	o, ok := e.resource.(*observation)
	if !ok || f.seen[e] {
		return
	}
	if o.Subject != nil && !m.concerns(f.patient, e, *o.Subject) {
		m.omit(from, "a result in it belongs to another subject")
		return
	}
	e.used = true
	switch {
	case f.length > clinic.MaxText: // the rest is cut off
		return
	case len(f.seen) == mostResults:
		m.omit(f.report, "it has more than 10,000 results")
		return
	}
	f.seen[e] = true
	if s := m.textOf(e, o.text); s != "" {
		f.add(s)
	}
	for _, member := range o.HasMember {
		m.results(e, member, f)
	}
}

func (f *findings) add(text string) {
	f.texts = append(f.texts, text)
	f.length += utf8.RuneCountInString(text)
}

// unfit reports whether the observation is void.
func (o *observation) unfit() bool { return o.Status == "entered-in-error" || o.Status == "cancelled" }

// text is e.g. "Hemoglobin: 13.5 g/dL (reference 12 g/dL to 16 g/dL; Low)", with
// an indented line for each component.
func (o *observation) text() string {
	if o.unfit() {
		return ""
	}
	var all lines
	head := o.measurement.text()
	if len(o.Component) == 0 || o.value() != "" {
		all = append(all, head)
	} else {
		all = append(all, o.Code.name()+":")
	}
	for _, c := range o.Component {
		all = append(all, "  "+c.text())
	}
	for _, n := range o.Note {
		all.add("  Note", n.Text)
	}
	if o.Status == "preliminary" || o.Status == "amended" || o.Status == "corrected" {
		all[0] += " [" + o.Status + "]"
	}
	return all.String()
}

func (v measurement) text() string {
	value := v.value()
	if value == "" {
		value = "no value"
		if reason := v.DataAbsentReason.name(); reason != "" {
			value += " (" + reason + ")"
		}
	}
	var notes []string
	for _, r := range v.ReferenceRange {
		if s := r.text(); s != "" {
			notes = append(notes, "reference "+s)
		}
	}
	notes = append(notes, names(v.Interpretation, concept.name)...)
	if s := joined("; ", notes...); s != "" {
		value += " (" + s + ")"
	}
	return v.Code.name() + ": " + value
}

func (r referenceRange) text() string {
	if r.Text != "" {
		return r.Text
	}
	return span(r.Low, r.High)
}

// value formats the value[x] of the measurement.
func (v measurement) value() string {
	switch {
	case v.ValueQuantity != nil:
		return v.ValueQuantity.text()
	case v.ValueCodeableConcept != nil:
		return v.ValueCodeableConcept.name()
	case v.ValueBoolean != nil:
		return map[bool]string{true: "yes", false: "no"}[*v.ValueBoolean]
	case v.ValueInteger != nil:
		return strconv.FormatInt(*v.ValueInteger, 10)
	case v.ValueRange != nil:
		return v.ValueRange.text()
	case v.ValueRatio != nil:
		return joined(" : ", v.ValueRatio.Numerator.text(), v.ValueRatio.Denominator.text())
	case v.ValuePeriod != nil:
		return v.ValuePeriod.span()
	}
	return joined(" ", v.ValueString, v.ValueDateTime, v.ValueTime)
}
