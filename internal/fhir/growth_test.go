package fhir

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// Many entries may refer to one text: the memory for a bundle must not grow with their
// product, in the end or during the reading.
//
//nolint:paralleltest // allocations of other tests would count
func TestReadDoesNotMultiplyATextByItsReferences(t *testing.T) {
	const references, size = 500, 1 << 20
	const subject = `"subject": {"reference": "urn:uuid:p"}`
	text := strings.Repeat("x", size)
	observation := entryJSON("urn:uuid:r", `{"resourceType": "Observation", "status": "final", "valueString": "`+text+`", "code": {"text": "y"}, `+subject+`}`)
	reasons := `"reasonReference": [` + strings.Repeat(`{"reference": "urn:uuid:r"}, `, references) + `{"reference": "urn:uuid:r"}]`
	var reports []string
	for i := range references {
		reports = append(reports, entryJSON(fmt.Sprintf("urn:uuid:%d", i), `{"resourceType": "DiagnosticReport", "issued": "2020-01-01T00:00:00Z",
			"code": {"text": "z"}, "result": [{"reference": "urn:uuid:r"}], `+subject+`}`))
	}
	for name, entries := range map[string][]string{
		"reasons of a visit": {
			entryJSON("urn:uuid:r", conditionJSON(text, "urn:uuid:p")),
			entryJSON("urn:uuid:e", `{"resourceType": "Encounter", "period": {"start": "2020-01-01"}, "class": {"code": "AMB"}, `+subject+`, `+reasons+`}`),
		},
		"reasons of a prescription": {
			observation,
			entryJSON("urn:uuid:e", `{"resourceType": "MedicationRequest", "authoredOn": "2020-01-01", "medicationCodeableConcept": {"text": "z"}, `+subject+`, `+reasons+`}`),
		},
		"results of reports": append(reports, observation),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			b := readEntries(t, append(entries, entryJSON("urn:uuid:p", patientJSON("1", "A")))...)
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 60*size {
				t.Errorf("%d MiB for a bundle of one", got>>20)
			}
			if valid, refused, _ := b.Import.Check(); len(valid.Records) == 0 || len(refused) != 0 || b.Truncated == 0 {
				t.Errorf("%d records, refused %v, %d texts shortened", len(valid.Records), refused, b.Truncated)
			}
		})
	}
}

// Each report may group the same observations.
func TestReadEndsWhereAReportHasTooManyResults(t *testing.T) {
	t.Parallel()
	var entries []string
	for i := range mostResults + 1 {
		entries = append(entries, entryJSON(fmt.Sprintf("urn:uuid:%d", i), fmt.Sprintf(
			`{"resourceType": "Observation", "status": "cancelled", "code": {"text": "y"}, "hasMember": [{"reference": "urn:uuid:%d"}]}`, i+1)))
	}
	entries = append(entries, entryJSON("urn:uuid:p", patientJSON("1", "A")), entryJSON("urn:uuid:r", `{"resourceType": "DiagnosticReport",
		"issued": "2020-01-01T00:00:00Z", "code": {"text": "z"}, "result": [{"reference": "urn:uuid:0"}], "subject": {"reference": "urn:uuid:p"}}`))
	b := readEntries(t, entries...)
	if len(b.Omitted) != 1 || b.Omitted[0].Type != "DiagnosticReport" || len(b.Import.Records) != 1 {
		t.Errorf("omitted %v, %d records; want the report, without some results", b.Omitted, len(b.Import.Records))
	}
}
