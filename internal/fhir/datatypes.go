package fhir

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The structs of this package have the mapped elements of FHIR R4, by
// the names of the specification.

// base has the elements of every resource (hl7.org/fhir/R4/domainresource.html).
type base struct {
	ID                string           `json:"id"`
	ImplicitRules     string           `json:"implicitRules"`
	ModifierExtension []jsontext.Value `json:"modifierExtension"`
	Contained         []jsontext.Value `json:"contained"`
}

func (b *base) core() *base { return b }

// modified returns the reason why only a program that understands all of the resource may read
// it, or "" (hl7.org/fhir/R4/extensibility.html#modifierExtension).
func (b *base) modified() string {
	if b.ImplicitRules != "" || len(b.ModifierExtension) > 0 {
		return "it has implicit rules or a modifier extension, which may change its meaning"
	}
	return ""
}

// resource is a pointer to the struct of a resource type.
type resource interface{ core() *base }

type identifier struct {
	Use    string  `json:"use"`
	Type   concept `json:"type"`
	System string  `json:"system"`
	Value  string  `json:"value"`
}

// key is the identity from the identifier, "" where a part is missing. A system
// is a URI, which has no "|": with one, two pairs would make the same key.
func (i identifier) key() string {
	if strings.TrimSpace(i.System) == "" || strings.TrimSpace(i.Value) == "" || strings.Contains(i.System, "|") {
		return ""
	}
	return i.System + "|" + i.Value
}

type coding struct {
	System  string `json:"system"`
	Code    string `json:"code"`
	Display string `json:"display"`
}

type concept struct {
	Coding []coding `json:"coding"`
	Text   string   `json:"text"`
}

// name is the name that people use for the concept.
func (c concept) name() string {
	if s := strings.TrimSpace(c.Text); s != "" {
		return s
	}
	for _, k := range c.Coding {
		if k.Display != "" {
			return strings.TrimSpace(k.Display)
		}
	}
	return c.code()
}

// code is the first code.
func (c concept) code() string {
	for _, k := range c.Coding {
		if k.Code != "" {
			return k.Code
		}
	}
	return ""
}

// has reports whether one of the codings has the code.
func (c concept) has(code string) bool {
	for _, k := range c.Coding {
		if k.Code == code {
			return true
		}
	}
	return false
}

// coded is the name followed by the codes of the large terminologies, as in
// "Asthma (SNOMED CT 195967001)".
func (c concept) coded() string {
	var codes []string
	for _, k := range c.Coding {
		if system := terminology(k.System); system != "" && k.Code != "" {
			codes = append(codes, system+" "+k.Code)
		}
	}
	if len(codes) == 0 {
		return c.name()
	}
	return c.name() + " (" + strings.Join(codes, ", ") + ")"
}

// terminology is the name of a code system (hl7.org/fhir/R4/terminologies-systems.html).
func terminology(system string) string {
	switch system {
	case "http://snomed.info/sct":
		return "SNOMED CT"
	case "http://loinc.org":
		return "LOINC"
	case "http://www.nlm.nih.gov/research/umls/rxnorm":
		return "RxNorm"
	case "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-cm":
		return "ICD-10"
	case "http://hl7.org/fhir/sid/icd-9-cm":
		return "ICD-9"
	case "http://hl7.org/fhir/sid/ndc":
		return "NDC"
	case "http://www.whocc.no/atc":
		return "ATC"
	}
	return ""
}

func names(concepts []concept, name func(concept) string) []string {
	var s []string
	for _, c := range concepts {
		s = append(s, name(c))
	}
	return s
}

type reference struct {
	Reference  string     `json:"reference"`
	Type       string     `json:"type"`
	Display    string     `json:"display"`
	Identifier identifier `json:"identifier"`
}

type period struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

type humanName struct {
	Use    string   `json:"use"`
	Text   string   `json:"text"`
	Family string   `json:"family"`
	Given  []string `json:"given"`
}

type contactPoint struct {
	System string `json:"system"`
	Value  string `json:"value"`
	Use    string `json:"use"`
}

type address struct {
	Use        string   `json:"use"`
	Text       string   `json:"text"`
	Line       []string `json:"line"`
	City       string   `json:"city"`
	State      string   `json:"state"`
	PostalCode string   `json:"postalCode"`
	Country    string   `json:"country"`
}

type annotation struct {
	Text string `json:"text"`
}

// decimal is a number as it is written: its precision has a meaning
// (hl7.org/fhir/R4/datatypes.html#decimal).
type decimal string

var errNoNumber = errors.New("expected a number")

// UnmarshalJSON keeps the digits.
func (d *decimal) UnmarshalJSON(b []byte) error {
	switch jsontext.Value(b).Kind() {
	case '0':
		*d = decimal(b)
	case 'n':
		*d = ""
	default:
		return errNoNumber
	}
	return nil
}

type quantity struct {
	Value      decimal `json:"value"`
	Comparator string  `json:"comparator"`
	Unit       string  `json:"unit"`
	Code       string  `json:"code"`
}

type valueRange struct {
	Low  quantity `json:"low"`
	High quantity `json:"high"`
}

type ratio struct {
	Numerator   quantity `json:"numerator"`
	Denominator quantity `json:"denominator"`
}

// safeType replaces a text that cannot be a resource type, because the type is shown.
func safeType(s string) string {
	if s == "" || len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return "unknown type"
	}
	return s
}
