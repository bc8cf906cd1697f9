package fhir

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entryJSON is an entry of a bundle; it has no fullUrl where that is "".
func entryJSON(fullURL, resource string) string {
	if fullURL == "" {
		return fmt.Sprintf(`{"resource": %s}`, resource)
	}
	return fmt.Sprintf(`{"fullUrl": %q, "resource": %s}`, fullURL, resource)
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// patientJSON has the name as its medical record number.
func patientJSON(id, name string) string {
	return fmt.Sprintf(`{"resourceType": "Patient", "id": %q, "name": [{"family": %q}],
		"identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": "mr", "value": %q}]}`, id, name, name)
}

func conditionJSON(text, subject string) string {
	return fmt.Sprintf(`{"resourceType": "Condition", "id": "c", "code": {"text": %q}, "onsetDateTime": "2020-01-01",
		"subject": {"reference": %s}}`, text, quoted(subject))
}

// landed returns the patients of the valid records, by the records' titles.
func landed(b *Bundle) map[string]string {
	valid, _, _ := b.Import.Check()
	patients := map[string]string{}
	for _, r := range valid.Records {
		patients[r.Title] = r.Patient
	}
	return patients
}

func TestRelativeReferenceIsOfItsEntrysBase(t *testing.T) {
	t.Parallel()
	b := readEntries(t,
		entryJSON("http://a/Patient/1", patientJSON("1", "A")),
		entryJSON("http://b/fhir/Patient/1", patientJSON("1", "B")),
		entryJSON("http://a/Condition/7", conditionJSON("of A", "Patient/1")),
		entryJSON("http://b/fhir/Condition/7", conditionJSON("of B", "Patient/1/_history/3")),
		entryJSON("http://c/Condition/7", conditionJSON("of somebody of C", "Patient/1")),
	)
	want := map[string]string{"of A": "mr|A", "of B": "mr|B", "of somebody of C": "http://c/Patient/1"}
	if diff := cmp.Diff(want, landed(b)); diff != "" {
		t.Errorf("patients (-want +got):\n%s", diff)
	}
}

// In each case two entries of the bundle are patient 1, or might be.
func TestReadSkipsWhatMayBelongToSeveralPatients(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ first, second, condition string }{
		"two bases": {
			entryJSON("http://a/Patient/1", patientJSON("1", "A")), entryJSON("http://b/Patient/1", patientJSON("1", "B")),
			entryJSON("urn:uuid:c", conditionJSON("x", "Patient/1")),
		},
		"no fullUrl": {
			entryJSON("", patientJSON("1", "A")), entryJSON("", patientJSON("1", "B")),
			entryJSON("", conditionJSON("x", "Patient/1")),
		},
		"an id and a fullUrl": {
			entryJSON("urn:uuid:a", patientJSON("1", "A")), entryJSON("http://b/Patient/1", patientJSON("other", "B")),
			entryJSON("urn:uuid:c", conditionJSON("x", "Patient/1")),
		},
		"one of two bases": {
			entryJSON("http://a/Patient/1", patientJSON("1", "A")), entryJSON("http://b/Patient/2", patientJSON("2", "B")),
			entryJSON("urn:uuid:c", conditionJSON("x", "Patient/1")),
		},
		"one that cannot be read": {
			entryJSON("urn:uuid:a", patientJSON("1", "A")), entryJSON("urn:uuid:b", `{"resourceType": "Patient", "name": 5, "id": "1"}`),
			entryJSON("urn:uuid:c", conditionJSON("x", "Patient/1")),
		},
		"the same fullUrl": {
			entryJSON("urn:uuid:p", patientJSON("1", "A")), entryJSON("urn:uuid:p", patientJSON("2", "B")),
			entryJSON("urn:uuid:c", conditionJSON("x", "urn:uuid:p")),
		},
		"an identifier of one that is refused": {
			entryJSON("urn:uuid:a", patientJSON("1", "A")), entryJSON("urn:uuid:b", strings.Replace(patientJSON("2", "A"), `"id"`, `"implicitRules": "x", "id"`, 1)),
			entryJSON("urn:uuid:c", conditionJSON("x", "Patient?identifier=mr|A")),
		},
		"an identifier of one of two of one fullUrl": {
			entryJSON("urn:uuid:a", patientJSON("1", "A")), entryJSON("urn:uuid:twin", strings.Replace(patientJSON("2", "A"), "family", "text", 1)) + "," +
				entryJSON("urn:uuid:twin", patientJSON("2", "B")),
			entryJSON("urn:uuid:c", conditionJSON("x", "Patient?identifier=mr|A")),
		},
		"an identifier of both": {
			entryJSON("urn:uuid:a", `{"resourceType": "Patient", "name": [{"family": "A"}], "identifier": [
				{"type": {"coding": [{"code": "SN"}]}, "system": "insurer", "value": "1"}]}`),
			entryJSON("urn:uuid:b", `{"resourceType": "Patient", "name": [{"family": "B"}], "identifier": [
				{"type": {"coding": [{"code": "SN"}]}, "system": "insurer", "value": "1"}]}`),
			entryJSON("urn:uuid:c", conditionJSON("x", "Patient?identifier=insurer|1")),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, entries := range [][]string{{c.first, c.second, c.condition}, {c.condition, c.second, c.first}} {
				b := readEntries(t, entries...)
				if diff := cmp.Diff(map[string]string{}, landed(b)); diff != "" {
					t.Errorf("it landed with a patient (-want +got):\n%s", diff)
				}
				skipped := false
				for _, s := range b.Skipped {
					skipped = skipped || s.Type == "Condition" && s.Reason != "" && s.At.Path != ""
				}
				if !skipped {
					t.Errorf("the condition is not reported: %v", b.Skipped)
				}
			}
		})
	}
}

// Nobody knows which of two versions of a resource is valid.
func TestReadSkipsEntriesOfOneFullURL(t *testing.T) {
	t.Parallel()
	b := readEntries(t,
		entryJSON("urn:uuid:p", patientJSON("1", "A")),
		entryJSON("urn:uuid:c", conditionJSON("before", "urn:uuid:p")),
		entryJSON("urn:uuid:c", conditionJSON("after", "urn:uuid:p")),
	)
	if got := landed(b); len(got) != 0 || len(b.Skipped) != 2 {
		t.Errorf("records %v, skipped %v; want none, and both skipped", got, b.Skipped)
	}
}

// A later version of a resource is the same resource, in another bundle too.
func TestReadKnowsAResourceInEachVersion(t *testing.T) {
	t.Parallel()
	patient := entryJSON("http://a/Patient/1/_history/1", patientJSON("1", "A"))
	var ids []string
	for _, version := range []string{"", "/_history/1", "/_history/2"} {
		b := readEntries(t, patient, entryJSON("http://a/Condition/7"+version, conditionJSON("x", "http://a/Patient/1")))
		for _, r := range b.Import.Records {
			ids = append(ids, r.Patient+" "+r.SourceID)
		}
	}
	if want := "mr|A http://a/Condition/7"; !slices.Equal(ids, []string{want, want, want}) {
		t.Errorf("records %q, want three times %q", ids, want)
	}
	b := readEntries(t, patient,
		entryJSON("http://a/Condition/7/_history/1", conditionJSON("before", "http://a/Patient/1")),
		entryJSON("http://a/Condition/7/_history/2", conditionJSON("after", "http://a/Patient/1")))
	if got := landed(b); len(got) != 0 || len(b.Skipped) != 2 {
		t.Errorf("records %v, skipped %v; want none, and both skipped", got, b.Skipped)
	}
}

// The same doctor twice is one doctor.
func TestReadTakesAPersonTwiceForOne(t *testing.T) {
	t.Parallel()
	b := readEntries(t,
		entryJSON("urn:uuid:p", patientJSON("1", "A")),
		entryJSON("urn:uuid:p", patientJSON("1", "A")),
		entryJSON("urn:uuid:c", conditionJSON("x", "urn:uuid:p")),
	)
	if diff := cmp.Diff(map[string]string{"x": "mr|A"}, landed(b)); diff != "" {
		t.Errorf("patients (-want +got):\n%s", diff)
	}
}

func TestSubjectIsFollowedOnlyToWhatItNames(t *testing.T) {
	t.Parallel()
	const base, urn = "http://a/Condition/7", "urn:uuid:c"
	for name, c := range map[string]struct{ fullURL, subject, want string }{
		"absolute":                         {base, "http://a/Patient/1", "mr|A"},
		"absolute, of another base":        {"http://c/Condition/7", "http://a/Patient/1", "mr|A"},
		"absolute, of a urn":               {urn, "http://a/Patient/1", "mr|A"},
		"absolute with a version":          {base, "http://a/Patient/1/_history/2", "mr|A"},
		"absolute, in no entry":            {base, "http://a/Patient/9", "http://a/Patient/9"},
		"relative":                         {base, "Patient/1", "mr|A"},
		"relative, in no entry":            {base, "Patient/9", "http://a/Patient/9"},
		"relative with a version, in none": {base, "Patient/9/_history/2", "http://a/Patient/9"},
		"relative, of another base":        {"http://c/Condition/7", "Patient/1", "http://c/Patient/1"},
		"relative, of a urn":               {urn, "Patient/1", "mr|A"},
		"relative, of a urn, in no entry":  {urn, "Patient/9", ""},
		"relative, without a fullUrl":      {"", "Patient/1", "mr|A"},
		"relative, fullUrl too":            {"Condition/7", "Patient/1", "mr|A"},
		"relative, fullUrl is no RESTful":  {"http://a/documents/7", "Patient/1", "mr|A"},
		"relative, fullUrl of other type":  {"http://a/Observation/7", "Patient/1", "mr|A"},
		"relative, of another's type":      {"http://c/Observation/7", "Patient/1", ""},
		"relative, of another version":     {"http://c/Condition/7/_history/2", "Patient/1", "http://c/Patient/1"},
		"relative, scheme in capitals":     {"HTTP://c/Condition/7", "Patient/1", "HTTP://c/Patient/1"},
		"relative, of another host":        {"http://c/documents/7", "Patient/1", ""},
		"relative, of another host's urn":  {"http://c/Condition/7/", "Patient/u", ""},
		"relative to a urn's id":           {urn, "Patient/u", "mr|U"},
		"relative to a urn's id from base": {base, "Patient/u", "http://a/Patient/u"},
		"urn":                              {base, "urn:uuid:u", "mr|U"},
		"urn in other letters":             {base, "urn:uuid:U", ""},
		"type and id of a version":         {urn, "Patient/u/_history/1", "mr|U"},
		"contained":                        {urn, "#1", ""},
		"another type":                     {urn, "Group/1", ""},
		"another type of the base":         {base, "Group/1", ""},
		"a doctor":                         {base, "urn:uuid:d", ""},
		"no id":                            {base, "Patient/", ""},
		"a path":                           {base, "../a/Patient/1", ""},
		"conditional":                      {base, "Patient?identifier=mr|A", "mr|A"},
		"conditional, in no entry":         {base, "Patient?identifier=mr|Z", "mr|Z"},
		"zero byte":                        {base, "Patient/1\x00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := readEntries(t,
				entryJSON("http://a/Patient/1", patientJSON("1", "A")),
				entryJSON("urn:uuid:u", patientJSON("u", "U")),
				entryJSON("urn:uuid:d", `{"resourceType": "Practitioner", "id": "d", "identifier": [{"system": "staff", "value": "1"}]}`),
				entryJSON(c.fullURL, conditionJSON("x", c.subject)),
			)
			want := map[string]string{"x": c.want}
			if c.want == "" {
				want = map[string]string{}
			}
			if diff := cmp.Diff(want, landed(b)); diff != "" {
				t.Errorf("patients (-want +got):\n%s", diff)
			}
		})
	}
}

func TestContainedResourcesAreFoundWhereTheyAre(t *testing.T) {
	t.Parallel()
	const contained = `"contained": [{"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "OF"}, "valueInteger": 1,
		"hasMember": [{"reference": "#m"}, {"reference": "#twice"}]},
		{"resourceType": "Observation", "id": "m", "status": "final", "code": {"text": "MEMBER"}, "valueInteger": 2},
		{"resourceType": "Observation", "id": "twice", "status": "final", "code": {"text": "ONE"}, "valueInteger": 2},
		{"resourceType": "Observation", "id": "twice", "status": "final", "code": {"text": "OTHER"}, "valueInteger": 2}]`
	report := func(text string) string {
		return `{"resourceType": "DiagnosticReport", "code": {"text": "` + text + `"}, "issued": "2020-01-01T00:00:00Z", ` +
			`"subject": {"reference": "urn:uuid:p"}, "result": [{"reference": "#o"}], `
	}
	b := readEntries(t,
		entryJSON("urn:uuid:p", patientJSON("1", "A")),
		entryJSON("urn:uuid:1", report("with")+contained+`}`),
		entryJSON("urn:uuid:2", report("without")+`"status": "final"}`),
	)
	texts := map[string]string{}
	for _, r := range b.Import.Records {
		texts[r.Title] = r.Description
	}
	want := map[string]string{
		"with":    "OF: 1\nMEMBER: 2\nIssued: 2020-01-01T00:00:00Z",
		"without": "Status: final\nIssued: 2020-01-01T00:00:00Z",
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("descriptions (-want +got):\n%s", diff)
	}
}
