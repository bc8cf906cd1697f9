package fhir

import (
	"math/big"
	"strings"
	"unicode/utf8"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// fit shortens text to most characters, the last of them "…", and counts it.
func (m *mapper) fit(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	m.bundle.Truncated++
	return start(text, most-1) + "…"
}

// start returns the first characters of the text.
func start(text string, most int) string {
	n := 0
	for i := range text {
		if n == most {
			return text[:i]
		}
		n++
	}
	return text
}

// textOf returns another entry's text, which text composes, cut to the length of a field:
// many entries may refer to one, and its text may have megabytes.
func (m *mapper) textOf(e *entry, text func() string) string {
	s, known := m.texts[e]
	if !known {
		s = start(text(), clinic.MaxText+1)
		m.texts[e] = s
	}
	return s
}

// joined joins the parts that are not empty.
func joined(separator string, parts ...string) string {
	var full []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			full = append(full, p)
		}
	}
	return strings.Join(full, separator)
}

// lines builds a text of labeled lines; empty values have no line.
type lines []string

func (l *lines) add(label string, values ...string) {
	if v := joined(", ", values...); v != "" {
		*l = append(*l, label+": "+v)
	}
}

func (l *lines) notes(notes []annotation) {
	for _, n := range notes {
		l.add("Note", n.Text)
	}
}

func (l lines) String() string { return strings.Join(l, "\n") }

// span formats a period: "2020-01-02T10:00:00Z to 2020-01-02T11:00:00Z".
func (p period) span() string {
	switch {
	case p.Start == "":
		return p.End
	case p.End == "":
		return p.Start
	}
	return p.Start + " to " + p.End
}

// text formats a number with at most four digits after the point. A number that would
// lose all its digits by that, or has an exponent, stays as it is written.
func (d decimal) text() string {
	s := string(d)
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) <= 4 || len(s) > 64 || strings.ContainsAny(s, "eE") {
		return s
	}
	if strings.Trim(whole, "-0") == "" && strings.HasPrefix(fraction, "000") {
		return s
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return s
	}
	return r.FloatString(4)
}

// text formats a quantity: "> 13.5 g/dL". A unit of UCUM's annotations loses its
// braces: "{score}" is "score".
func (q quantity) text() string {
	if q.Value == "" {
		return ""
	}
	unit := q.Unit
	if unit == "" {
		unit = q.Code
	}
	unit = strings.NewReplacer("{", "", "}", "").Replace(unit)
	if unit == "%" {
		return joined(" ", q.Comparator, q.Value.text()+"%")
	}
	return joined(" ", q.Comparator, q.Value.text(), unit)
}

func (r valueRange) text() string { return span(r.Low, r.High) }

func span(low, high quantity) string {
	switch {
	case low.Value == "" && high.Value == "":
		return ""
	case low.Value == "":
		return "up to " + high.text()
	case high.Value == "":
		return "from " + low.text()
	}
	return low.text() + " to " + high.text()
}
