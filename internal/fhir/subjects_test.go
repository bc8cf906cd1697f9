package fhir

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// texts returns all texts of the records, by title.
func texts(b *Bundle) map[string]string {
	all := map[string]string{}
	for _, r := range b.Import.Records {
		all[r.Title] = strings.Join([]string{r.Description, r.Symptoms, r.Diagnosis, r.Treatment, r.Medications}, "\n")
	}
	return all
}

// others are resources to which A's records refer, though they belong to B, or must not
// be used.
func others(subject string) []string {
	return []string{
		entryJSON("urn:uuid:a", patientJSON("a", "A")),
		entryJSON("urn:uuid:b", patientJSON("b", "B")),
		entryJSON("urn:uuid:doctor", `{"resourceType": "Practitioner", "identifier": [{"system": "staff", "value": "1"}]}`),
		entryJSON("urn:uuid:observation", `{"resourceType": "Observation", "status": "final", "code": {"text": "FOREIGN"}, "valueInteger": 1, "subject": `+subject+`}`),
		entryJSON("urn:uuid:panel", `{"resourceType": "Observation", "status": "final", "code": {"text": "Panel"}, "valueInteger": 1,
			"subject": {"reference": "urn:uuid:a"}, "hasMember": [{"reference": "urn:uuid:observation"}]}`),
		entryJSON("urn:uuid:condition", `{"resourceType": "Condition", "code": {"text": "FOREIGN"}, "onsetDateTime": "2020-01-01", "subject": `+subject+`,
			"encounter": {"reference": "urn:uuid:visit-of-a"}}`),
		entryJSON("urn:uuid:visit", `{"resourceType": "Encounter", "class": {"code": "AMB"}, "type": [{"text": "foreign visit"}], "subject": `+subject+`,
			"period": {"start": "1999-01-01"}, "participant": [{"individual": {"reference": "urn:uuid:doctor"}}]}`),
	}
}

func TestNothingOfAnotherSubjectIsTakenIn(t *testing.T) {
	t.Parallel()
	const a = `"subject": {"reference": "urn:uuid:a"}`
	for name, c := range map[string]struct{ url, resource string }{
		"report": {"urn:uuid:x", `{"resourceType": "DiagnosticReport", "code": {"text": "x"}, "issued": "2020-01-01T00:00:00Z", ` + a + `,
			"result": [{"reference": "urn:uuid:observation", "display": "FOREIGN"}]}`},
		"panel": {"urn:uuid:x", `{"resourceType": "DiagnosticReport", "code": {"text": "x"}, "issued": "2020-01-01T00:00:00Z", ` + a + `,
			"result": [{"reference": "urn:uuid:panel"}]}`},
		"conditions of a visit": {"urn:uuid:visit-of-a", `{"resourceType": "Encounter", "type": [{"text": "x"}], "period": {"start": "2020-01-01"}, ` + a + `}`},
		"reason of a visit": {"urn:uuid:x", `{"resourceType": "Encounter", "type": [{"text": "x"}], "period": {"start": "2020-01-01"}, ` + a + `,
			"reasonReference": [{"reference": "urn:uuid:condition", "display": "FOREIGN"}, {"reference": "urn:uuid:observation"}]}`},
		"reason of a prescription": {"urn:uuid:x", `{"resourceType": "MedicationRequest", "medicationCodeableConcept": {"text": "x"}, "authoredOn": "2020-01-01", ` + a + `,
			"reasonReference": [{"reference": "urn:uuid:condition"}, {"reference": "urn:uuid:observation"}]}`},
		"visit of a record": {"urn:uuid:x", `{"resourceType": "Condition", "code": {"text": "x"}, "onsetDateTime": "2020-01-01", ` + a + `,
			"encounter": {"reference": "urn:uuid:visit"}}`},
	} {
		for _, subject := range []string{`{"reference": "urn:uuid:b"}`, `{"reference": "urn:uuid:zzz"}`, `{"reference": "Group/1"}`, `{"display": "somebody"}`} {
			t.Run(name+" "+subject, func(t *testing.T) {
				t.Parallel()
				b := readEntries(t, append(others(subject), entryJSON(c.url, c.resource))...)
				text, ok := texts(b)["x"]
				if !ok || strings.Contains(text, "FOREIGN") {
					t.Errorf("record %q, there: %v", text, ok)
				}
				if len(b.Omitted)+len(b.Skipped) == 0 {
					t.Error("the omission is not reported")
				}
				for _, m := range b.Import.CareTeam {
					if m.Patient == "mr|A" {
						t.Errorf("a doctor of another patient's visit is assigned: %v", m)
					}
				}
			})
		}
		t.Run(name+" own", func(t *testing.T) {
			t.Parallel()
			b := readEntries(t, append(others(`{"reference": "Patient/a"}`), entryJSON(c.url, c.resource))...)
			member := clinic.CareTeamMember{Patient: "mr|A", Doctor: "staff|1"}
			if text := texts(b)["x"]; name != "visit of a record" && !strings.Contains(text, "FOREIGN") {
				t.Errorf("record %q lacks its own part", text)
			}
			if diff := cmp.Diff([]clinic.CareTeamMember{member}, b.Import.CareTeam); diff != "" || len(b.Omitted) != 0 {
				t.Errorf("omitted %v, care team (-want +got):\n%s", b.Omitted, diff)
			}
		})
	}
}

// A void statement must not appear as a reason either.
func TestNothingThatWasEnteredInErrorIsPrinted(t *testing.T) {
	t.Parallel()
	const a = `"subject": {"reference": "urn:uuid:a"}`
	status := func(code string) string { return `"verificationStatus": {"coding": [{"code": "` + code + `"}]}` }
	for name, wrong := range map[string]string{
		"condition entered in error":   `{"resourceType": "Condition", "code": {"text": "WRONG"}, "onsetDateTime": "2020-01-01", ` + status("entered-in-error") + `, ` + a + `}`,
		"condition refuted":            `{"resourceType": "Condition", "code": {"text": "WRONG"}, "onsetDateTime": "2020-01-01", ` + status("refuted") + `, ` + a + `}`,
		"condition not understood":     `{"resourceType": "Condition", "code": {"text": "WRONG"}, "implicitRules": "http://x", ` + a + `}`,
		"observation entered in error": `{"resourceType": "Observation", "status": "entered-in-error", "code": {"text": "WRONG"}, "valueInteger": 1, ` + a + `}`,
		"observation canceled":         `{"resourceType": "Observation", "status": "cancelled", "code": {"text": "WRONG"}, "valueInteger": 1, ` + a + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := readEntries(t,
				entryJSON("urn:uuid:a", patientJSON("a", "A")),
				entryJSON("urn:uuid:wrong", wrong),
				entryJSON("urn:uuid:1", `{"resourceType": "Encounter", "type": [{"text": "visit"}], "period": {"start": "2020-01-01"}, `+a+`,
					"reasonReference": [{"reference": "urn:uuid:wrong", "display": "WRONG"}]}`),
				entryJSON("urn:uuid:2", `{"resourceType": "MedicationRequest", "medicationCodeableConcept": {"text": "prescription"}, "authoredOn": "2020-01-01", `+a+`,
					"reasonReference": [{"reference": "urn:uuid:wrong", "display": "WRONG"}]}`),
			)
			if len(b.Import.Records) != 2 || len(b.Omitted) != 2 {
				t.Errorf("records %v, omitted %v; want 2 and 2", b.Import.Records, b.Omitted)
			}
			for title, text := range texts(b) {
				if strings.Contains(text, "WRONG") {
					t.Errorf("%s: %q", title, text)
				}
			}
		})
	}
}

func TestNoRecordGoesByAVisitThatIsSkipped(t *testing.T) {
	t.Parallel()
	const a = `"subject": {"reference": "urn:uuid:a"}`
	for _, status := range []string{"entered-in-error", "cancelled", "planned"} {
		b := readEntries(t,
			entryJSON("urn:uuid:a", patientJSON("a", "A")),
			entryJSON("urn:uuid:doctor", `{"resourceType": "Practitioner", "identifier": [{"system": "staff", "value": "1"}]}`),
			entryJSON("urn:uuid:visit", `{"resourceType": "Encounter", "status": "`+status+`", "period": {"start": "2020-01-01"}, `+a+`,
				"participant": [{"individual": {"reference": "urn:uuid:doctor"}}]}`),
			entryJSON("urn:uuid:1", `{"resourceType": "Condition", "code": {"text": "x"}, "onsetDateTime": "2020-01-01", "encounter": {"reference": "urn:uuid:visit"}, `+a+`}`),
			entryJSON("urn:uuid:2", `{"resourceType": "Condition", "code": {"text": "undated"}, "encounter": {"reference": "urn:uuid:visit"}, `+a+`}`),
		)
		if len(b.Import.Records) != 1 || b.Import.Records[0].Author != "" || len(b.Import.CareTeam) != 0 || len(b.Omitted) == 0 {
			t.Errorf("%s: records %v, care team %v, omitted %v", status, b.Import.Records, b.Import.CareTeam, b.Omitted)
		}
	}
}

func TestMedicationEnteredInErrorIsNotPrescribed(t *testing.T) {
	t.Parallel()
	for name, ref := range map[string]string{"in the bundle": "urn:uuid:m", "contained": "#m"} {
		const wrong = `{"resourceType": "Medication", "id": "m", "status": "entered-in-error", "code": {"text": "WRONG"}}`
		b := readEntries(t, entryJSON("urn:uuid:a", patientJSON("a", "A")), entryJSON("urn:uuid:m", wrong),
			entryJSON("urn:uuid:1", `{"resourceType": "MedicationRequest", "contained": [`+wrong+`], "authoredOn": "2020-01-01",
				"subject": {"reference": "urn:uuid:a"}, "medicationReference": {"reference": "`+ref+`", "display": "WRONG"}}`))
		if len(b.Import.Records) != 0 || len(b.Skipped) != 1 {
			t.Errorf("%s: records %v, skipped %v", name, b.Import.Records, b.Skipped)
		}
	}
}
