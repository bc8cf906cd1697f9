package fhir

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A relative id names another person in another hospital's file.
func TestReadRefusesPeopleWithoutAnIdentity(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"Patient", "Practitioner"} {
		for name, fullURL := range map[string]string{"no fullUrl": "", "relative": kind + "/1", "no scheme": "hospital/" + kind + "/1"} {
			b := readEntries(t, entryJSON(fullURL, `{"resourceType": "`+kind+`", "id": "1", "name": [{"family": "X"}]}`))
			if len(b.Import.Accounts) != 0 || len(b.Skipped) != 1 || b.Skipped[0].Type != kind {
				t.Errorf("%s, %s: accounts %v, skipped %v; want it skipped", kind, name, b.Import.Accounts, b.Skipped)
			}
		}
	}
}

// A placeholder of one file, or a name that every machine has, occurs in another
// hospital's file, too.
func TestReadKnowsNobodyByAPlaceholder(t *testing.T) {
	t.Parallel()
	for fullURL, unique := range map[string]bool{
		"urn:uuid:patient-1":                            false,
		"URN:UUID:1":                                    false,
		"http://localhost/Patient/1":                    false,
		"http://LocalHost:8080/fhir/Patient/1":          false,
		"http://127.0.0.1:8080/fhir/Patient/1":          false,
		"https://[::1]:8443/fhir/Patient/1":             false,
		"https://[::1]/fhir/Patient/1":                  false,
		"urn:uuid:5b0c8a52-6a0e-4d5c-9c56-2f6c0a1b7d00": true,
		"URN:UUID:5B0C8A52-6A0E-4D5C-9C56-2F6C0A1B7D00": true,
		"urn:oid:1.2.3.4":                               true,
		"http://hapi:8080/fhir/Patient/1":               true,
		"http://192.0.2.7/fhir/Patient/1":               true,
	} {
		patient := entryJSON(fullURL, `{"resourceType": "Patient", "id": "1"}`)
		condition := entryJSON("urn:uuid:c", conditionJSON("x", fullURL))
		for source, who := range map[string]string{"": "", "s": "s/" + fullURL} {
			if unique {
				who = fullURL
			}
			want := map[string]string{"x": who}
			if who == "" {
				want = map[string]string{}
			}
			if diff := cmp.Diff(want, landed(readFrom(t, source, patient, condition))); diff != "" {
				t.Errorf("%s, source %q (-want +got):\n%s", fullURL, source, diff)
			}
			if diff := cmp.Diff(want, landed(readFrom(t, source, condition))); diff != "" {
				t.Errorf("%s, of another bundle, source %q (-want +got):\n%s", fullURL, source, diff)
			}
		}
	}
}

func TestRecordOfSomebodyWithoutAnIdentityIsRefused(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string][]string{
		"in the bundle": {entryJSON("", `{"resourceType": "Patient", "id": "1"}`), entryJSON("urn:uuid:c", conditionJSON("x", "Patient/1"))},
		"elsewhere":     {entryJSON("urn:uuid:c", conditionJSON("x", "Patient/1"))},
	} {
		b := readEntries(t, entries...)
		if got := landed(b); len(got) != 0 {
			t.Errorf("%s: landed with %v", name, got)
		}
	}
}

func TestIdentifiersThatTellPeopleApart(t *testing.T) {
	t.Parallel()
	const url = "urn:uuid:5b0c8a52-6a0e-4d5c-9c56-2f6c0a1b7d00"
	typed := func(code, value string) string {
		return fmt.Sprintf(`{"type": {"coding": [{"code": %q}]}, "system": "s", "value": %q}`, code, value)
	}
	const untyped = `{"system": "s", "value": "untyped"}`
	for name, c := range map[string]struct{ identifiers, patient, doctor string }{
		"insurance number":        {typed("SN", "1"), url, url},
		"member of an insurance":  {typed("MB", "1"), url, url},
		"social security":         {typed("SS", "1"), url, url},
		"tax number":              {typed("TAX", "1"), url, url},
		"employee":                {typed("EI", "1"), url, "s|1"},
		"type in words":           {`{"type": {"text": "Insurance card"}, "system": "s", "value": "1"}`, url, url},
		"internal":                {typed("PI", "1"), "s|1", "s|1"},
		"external":                {typed("PT", "1"), "s|1", "s|1"},
		"national":                {typed("NI", "1"), "s|1", "s|1"},
		"untyped":                 {untyped, "s|untyped", "s|untyped"},
		"first one that does":     {typed("SN", "1") + "," + typed("PI", "2") + "," + untyped, "s|2", "s|2"},
		"record number":           {untyped + "," + typed("MR", "1"), "s|1", "s|1"},
		"old record number":       {`{"use": "old", "type": {"coding": [{"code": "MR"}]}, "system": "s", "value": "1"},` + untyped, "s|untyped", "s|untyped"},
		"old one alone":           {`{"use": "old", "system": "s", "value": "1"}`, url, url},
		"old provider identifier": {`{"use": "old", "system": "` + npiSystem + `", "value": "1"}`, url, url},
		"none":                    {"", url, url},
	} {
		for kind, want := range map[string]string{"Patient": c.patient, "Practitioner": c.doctor} {
			b := readEntries(t, entryJSON(url, fmt.Sprintf(`{"resourceType": %q, "identifier": [%s]}`, kind, c.identifiers)))
			if len(b.Import.Accounts) != 1 || b.Import.Accounts[0].SourceID != want {
				t.Errorf("%s, %s: %+v, want %s", name, kind, b.Import.Accounts, want)
			}
		}
	}
}

// A family with one insurance number is not a single person.
func TestAFamilyIsNotOneAccount(t *testing.T) {
	t.Parallel()
	const a, b = "urn:uuid:5b0c8a52-6a0e-4d5c-9c56-2f6c0a1b7d0a", "urn:uuid:5b0c8a52-6a0e-4d5c-9c56-2f6c0a1b7d0b"
	member := func(id, name string) string {
		return entryJSON(id, fmt.Sprintf(`{"resourceType": "Patient", "name": [{"family": "F", "given": [%q]}], "identifier": [
			{"type": {"coding": [{"code": "SN"}]}, "system": "insurer", "value": "1"}]}`, name))
	}
	family := readEntries(t, member(a, "A"), member(b, "B"), entryJSON("urn:uuid:c", conditionJSON("of A", a)))
	valid, _, _ := family.Import.Check()
	var ids []string
	for _, a := range valid.Accounts {
		ids = append(ids, a.SourceID)
	}
	if !slices.Equal(ids, []string{a, b}) || landed(family)["of A"] != a {
		t.Errorf("accounts %v, records %v", ids, landed(family))
	}
}

// A number that several people share, or that no longer belongs to a person, identifies nobody,
// even where the bundle has only one of them.
func TestReadFollowsNoReferenceByWhatIsNoIdentity(t *testing.T) {
	t.Parallel()
	const family = `{"type": {"coding": [{"code": "SN"}]}, "system": "insurer", "value": "1"}`
	const former = `{"use": "old", "type": {"coding": [{"code": "MR"}]}, "system": "mr", "value": "7"}`
	for name, c := range map[string]struct{ identifiers, subject string }{
		"conditional, a family's":  {family, `{"reference": "Patient?identifier=insurer|1"}`},
		"identifier, a family's":   {family, `{"identifier": ` + family + `}`},
		"untyped, a family's":      {family, `{"identifier": {"system": "insurer", "value": "1"}}`},
		"conditional, a former":    {former, `{"reference": "Patient?identifier=mr|7"}`},
		"identifier, a former":     {former, `{"identifier": {"system": "mr", "value": "7"}}`},
		"a family's, not in here":  {`{}`, `{"identifier": ` + family + `}`},
		"a former one of somebody": {`{}`, `{"identifier": ` + former + `}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := readEntries(t,
				entryJSON("http://a/Patient/1", `{"resourceType": "Patient", "name": [{"family": "A"}], "identifier": [`+c.identifiers+`]}`),
				entryJSON("urn:uuid:c", strings.Replace(conditionJSON("x", "y"), `{"reference": "y"}`, c.subject, 1)),
			)
			if got := landed(b); len(got) != 0 || len(b.Skipped) != 1 || b.Skipped[0].Type != "Condition" {
				t.Errorf("landed %v, skipped %v; want the condition skipped", got, b.Skipped)
			}
		})
	}
}
