package fhir

import (
	"fmt"
	"strings"
	"testing"
)

// Two people of two files must not get one identity because their parts happen to be
// equal when they are joined, or are empty.
func TestNoTwoIdentitiesAreWrittenAlike(t *testing.T) {
	t.Parallel()
	const url = "urn:uuid:5b0c8a52-6a0e-4d5c-9c56-2f6c0a1b7d00"
	identified := func(fullURL, system, value string) string {
		return entryJSON(fullURL, fmt.Sprintf(`{"resourceType": "Patient", "identifier": [{"system": %q, "value": %q}]}`, system, value))
	}
	for name, c := range map[string]struct{ patient, want string }{
		"a bar in the value":  {identified(url, "http://mr", "1|2"), "http://mr|1|2"},
		"a bar in the system": {identified(url, "http://mr|1", "2"), url},
		"a blank value":       {identified(url, "http://mr", " \t"), url},
		"a blank system":      {identified(url, " ", "1"), url},
		"a bar in the URL":    {entryJSON("http://mr|1", `{"resourceType": "Patient"}`), ""},
	} {
		got := ""
		for _, a := range readEntries(t, c.patient).Import.Accounts {
			got = a.SourceID
		}
		if got != c.want {
			t.Errorf("%s: the identity is %q, want %q", name, got, c.want)
		}
	}
}

// A record whose other details contradict its subject is assigned to nobody.
func TestReadFollowsNoReferenceThatSaysMore(t *testing.T) {
	t.Parallel()
	for name, subject := range map[string]string{
		"another's identifier":     `{"reference": "http://a/Patient/1", "identifier": {"system": "mr", "value": "B"}}`,
		"both identifiers":         `{"reference": "Patient?identifier=mr|A&identifier=mr|B"}`,
		"either identifier":        `{"reference": "Patient?identifier=mr|A,mr|B"}`,
		"one more condition":       `{"reference": "Patient?identifier=mr|A&birthdate=1990-01-01"}`,
		"a modifier of one":        `{"reference": "Patient?identifier=mr|A&identifier:not=mr|A"}`,
		"a URL for an identifier":  `{"reference": "Patient?identifier=urn:uuid:5b0c8a52-6a0e-4d5c-9c56-2f6c0a1b7d00"}`,
		"no system":                `{"reference": "Patient?identifier=|A"}`,
		"a fragment of a resource": `{"reference": "http://a/Patient/1#x"}`,
	} {
		b := readEntries(t,
			entryJSON("http://a/Patient/1", patientJSON("1", "A")), entryJSON("http://a/Patient/2", patientJSON("2", "B")),
			entryJSON("urn:uuid:c", strings.Replace(conditionJSON("x", "y"), `{"reference": "y"}`, subject, 1)),
		)
		for _, patient := range landed(b) {
			if patient != "http://a/Patient/1#x" { // an unknown patient
				t.Errorf("%s: the record landed with %s", name, patient)
			}
		}
	}
	own := `{"reference": "http://a/Patient/1", "identifier": {"system": "mr", "value": "A"}}`
	b := readEntries(t, entryJSON("http://a/Patient/1", patientJSON("1", "A")),
		entryJSON("urn:uuid:c", strings.Replace(conditionJSON("x", "y"), `{"reference": "y"}`, own, 1)))
	if landed(b)["x"] != "mr|A" {
		t.Errorf("with their own identifier: %v, %v", landed(b), b.Skipped)
	}
}

// An unreadable part of an entry does not make another entry the only one with its id.
func TestReadKnowsTheIDsOfWhatItRefuses(t *testing.T) {
	t.Parallel()
	for _, refused := range []string{
		`{"resourceType": "Patient", "contained": 5, "id": "1"}`, `{"resourceType": "Patient", "modifierExtension": {}, "id": "1"}`,
		`{"resourceType": "Patient", "id": 1}`, `{"resourceType": "Patient", "birthDate": 5, "id": "1"}`,
	} {
		b := readFrom(t, "s", entryJSON("", refused), entryJSON("urn:uuid:b", patientJSON("1", "B")),
			entryJSON("", conditionJSON("x", "Patient/1")))
		if got := landed(b); len(got) != 0 {
			t.Errorf("after %s it landed with %v", refused, got)
		}
	}
}
