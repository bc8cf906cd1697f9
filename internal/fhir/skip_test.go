package fhir

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// A resource that revokes or restricts its own meaning is not imported.
func TestReadSkipsWhatMustNotBecomeARecord(t *testing.T) {
	t.Parallel()
	const (
		subject  = `"subject": {"reference": "http://h/Patient/p"}`
		ordered  = `"resourceType": "MedicationRequest", "medicationCodeableConcept": {"text": "x"}, "authoredOn": "2020-01-01", ` + subject
		seen     = `"resourceType": "Encounter", "class": {"code": "AMB"}, "period": {"start": "2020-01-01"}, ` + subject
		found    = `"resourceType": "Condition", "code": {"text": "x"}, "onsetDateTime": "2020-01-01", ` + subject
		reported = `"resourceType": "DiagnosticReport", "code": {"text": "x"}, "issued": "2020-01-01T00:00:00Z", ` + subject
	)
	for name, resource := range map[string]string{
		"encounter entered in error":    `{` + seen + `, "status": "entered-in-error"}`,
		"encounter canceled":            `{` + seen + `, "status": "cancelled"}`,
		"encounter planned":             `{` + seen + `, "status": "planned"}`,
		"condition entered in error":    `{` + found + `, "verificationStatus": {"coding": [{"code": "entered-in-error"}]}}`,
		"condition refuted":             `{` + found + `, "verificationStatus": {"coding": [{"code": "refuted"}]}}`,
		"modifier extension":            `{` + found + `, "modifierExtension": [{"url": "https://hospital.example/not"}]}`,
		"implicit rules":                `{` + found + `, "implicitRules": "https://hospital.example/rules"}`,
		"prescription entered in error": `{` + ordered + `, "status": "entered-in-error"}`,
		"prescription draft":            `{` + ordered + `, "status": "draft"}`,
		"prescription canceled":         `{` + ordered + `, "status": "cancelled"}`,
		"prescription forbids":          `{` + ordered + `, "status": "active", "doNotPerform": true}`,
		"prescription proposed":         `{` + ordered + `, "status": "active", "intent": "proposal"}`,
		"report entered in error":       `{` + reported + `, "status": "entered-in-error"}`,
		"report without results":        `{` + reported + `, "status": "registered"}`,
		"no date":                       `{"resourceType": "Condition", "code": {"text": "x"}, ` + subject + `}`,
		"no readable date":              `{"resourceType": "Condition", "code": {"text": "x"}, "onsetDateTime": "lately", ` + subject + `}`,
		"class of another release":      `{` + strings.Replace(seen, `{"code": "AMB"}`, `[{"coding": [{"code": "AMB"}]}]`, 1) + `}`,
		"care team of the past":         `{"resourceType": "CareTeam", "status": "inactive", ` + subject + `}`,
		"no object":                     `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := readResources(t, resource)
			if len(b.Skipped) != 1 || b.Skipped[0].Reason == "" || len(b.Import.Records) != 0 || len(b.Unmapped) != 0 {
				t.Errorf("skipped %v, records %d, not mapped %v", b.Skipped, len(b.Import.Records), b.Unmapped)
			}
		})
	}
}

func TestReadTakesOnlyEntriesThatPostOrPut(t *testing.T) {
	t.Parallel()
	const entry = `{"fullUrl": "urn:uuid:e", "request": {"method": "METHOD"}, "resource": {"resourceType": "Condition",
		"code": {"text": "x"}, "onsetDateTime": "2020-01-01", "subject": {"reference": "http://h/Patient/p"}}}`
	for method, records := range map[string]int{"POST": 1, "PUT": 1, "DELETE": 0, "PATCH": 0} {
		doc := `{"resourceType": "Bundle", "type": "transaction", "entry": [` + strings.Replace(entry, "METHOD", method, 1) + `, {}]}`
		b, err := Read(strings.NewReader(doc), Options{})
		if err != nil {
			t.Fatal(err)
		}
		// The entry without a resource is always skipped.
		if len(b.Import.Records) != records || len(b.Skipped) != 2-records {
			t.Errorf("%s: records %d, skipped %v", method, len(b.Import.Records), b.Skipped)
		}
	}
}

func TestReadShortensTextOnARuneBoundary(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", clinic.MaxText)
	b := readResources(t, `{"resourceType": "Condition", "code": {"text": "`+long+`"}, "onsetDateTime": "2020-01-01",
		"subject": {"reference": "http://h/Patient/p"}, "note": [{"text": "`+long+`"}]}`)
	if len(b.Import.Records) != 1 || b.Truncated != 2 {
		t.Fatalf("records %d, truncated %d; want 1 and 2: title and description", len(b.Import.Records), b.Truncated)
	}
	r := b.Import.Records[0]
	for text, most := range map[string]int{r.Title: clinic.MaxTitle, r.Description: clinic.MaxText} {
		if utf8.RuneCountInString(text) != most || !utf8.ValidString(text) || !strings.HasSuffix(text, "ä…") {
			t.Errorf("%d characters, want %d with … at the end", utf8.RuneCountInString(text), most)
		}
	}
	if r.Diagnosis != long {
		t.Error("a text at the limit was changed")
	}
}

// A name of another system is changed into an acceptable one; nobody is left out because of it.
func TestReadCleansNames(t *testing.T) {
	t.Parallel()
	b := readResources(t,
		`{"resourceType": "Patient", "id": "odd", "identifier": [{"system": "mr", "value": "1"}], "name": [{"given": ["\u202eenaJ\u202c", "A.\n"], "family": "Mu\u0308ller\u2028\u0085 Meier\u0007"}]}`,
		`{"resourceType": "Practitioner", "id": "blank", "identifier": [{"system": "staff", "value": "1"}], "name": [{"given": ["\u3164"], "family": "\u200b"}]}`,
		`{"resourceType": "PractitionerRole", "practitioner": {"reference": "Practitioner/blank"}, "specialty": [{"text": "Cardio\u200flogy\n"}]}`)
	valid, refused, _ := b.Import.Check()
	names := map[string]bool{}
	for _, a := range valid.Accounts {
		names[a.FirstName+"|"+a.LastName+"|"+a.Specialization] = true
	}
	if len(refused) != 0 || !names["enaJ A.|Müller Meier|"] || !names["||Cardiology"] {
		t.Errorf("names %v, refused %v", names, refused)
	}
}

func TestDecimalKeepsPrecisionThatMatters(t *testing.T) {
	t.Parallel()
	for in, want := range map[decimal]string{
		"5.10": "5.10", "178.88023499217553": "178.8802", "0.00012345": "0.00012345", "-0.00056789": "-0.00056789",
		"1234567.123456": "1234567.1235", "1e-7": "1e-7", "-3.00005": "-3.0001", "12": "12",
	} {
		if got := in.text(); got != want {
			t.Errorf("%s is shown as %s, want %s", in, got, want)
		}
	}
}

func TestPersonFollowsEveryWayToRefer(t *testing.T) {
	t.Parallel()
	const npi = npiSystem + "|1"
	doctor := `{"resourceType": "Practitioner", "id": "d", "identifier": [{"system": "urn:staff", "value": "7"},
		{"system": "` + npiSystem + `", "value": "1"}]}`
	for name, c := range map[string]struct{ reference, want string }{
		"full URL":             {`{"reference": "urn:uuid:a"}`, npi},
		"relative":             {`{"reference": "Practitioner/d"}`, npi},
		"version":              {`{"reference": "Practitioner/d/_history/3"}`, npi},
		"condition":            {`{"reference": "Practitioner?identifier=urn:staff|7"}`, npi},
		"earlier bundle":       {`{"reference": "Practitioner?identifier=urn:staff|8"}`, "urn:staff|8"},
		"identifier":           {`{"type": "Practitioner", "identifier": {"system": "urn:staff", "value": "7"}}`, npi},
		"other type":           {`{"reference": "Organization/d"}`, ""},
		"other conditional":    {`{"reference": "Organization?identifier=urn:staff|7"}`, ""},
		"other by identifier":  {`{"type": "Organization", "identifier": {"system": "urn:staff", "value": "7"}}`, ""},
		"display alone":        {`{"display": "Somebody"}`, ""},
		"broken query":         {`{"reference": "Practitioner?identifier=%zz"}`, ""},
		"another server's":     {`{"reference": "https://fhir.example/Practitioner/d"}`, "https://fhir.example/Practitioner/d"},
		"unknown in a bundle":  {`{"reference": "urn:uuid:zzz"}`, ""},
		"no identifier system": {`{"identifier": {"value": "7"}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := readResources(t, doctor, `{"resourceType": "MedicationRequest", "status": "active", "authoredOn": "2020-01-01",
				"medicationCodeableConcept": {"text": "x"}, "subject": {"reference": "http://h/Patient/p"}, "requester": `+c.reference+`}`)
			if len(b.Import.Records) != 1 || b.Import.Records[0].Author != c.want {
				t.Errorf("author %+v, want %q", b.Import.Records, c.want)
			}
		})
	}
}
