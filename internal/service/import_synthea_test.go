package service_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/fhir"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// syntheaFiles lists the bundles of synthetic patients (synthetichealth.github.io/synthea)
// beside the repository, or where HEALTHRECORDS_SYNTHEA says.
func syntheaFiles(t *testing.T) []string {
	t.Helper()
	folder := os.Getenv("HEALTHRECORDS_SYNTHEA")
	if folder == "" {
		folder = filepath.Join(testkit.Root(t), "..", "shared", "data", "synthea")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no Synthea bundles: set HEALTHRECORDS_SYNTHEA to a folder of them")
	}
	return files
}

// census counts the contents of the bundles, without the code under test.
type census struct {
	records                    map[clinic.RecordType]int
	patients, doctors, members map[string]bool
	unmapped                   map[string]int
	results                    map[string][]string // texts that the record of a report must contain, by the report's URL
}

type object = map[string]any

func at[T any](v any, path ...any) T {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			o, _ := v.(object)
			v = o[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				v = nil
				continue
			}
			v = l[p]
		}
	}
	t, _ := v.(T)
	return t
}

func (c *census) count(t *testing.T, file string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	entries := at[[]any](document, "entry")
	byURL := map[string]object{}
	for _, e := range entries {
		byURL[at[string](e, "fullUrl")] = at[object](e, "resource")
	}
	shown := map[string]bool{}
	for url, r := range byURL {
		c.resource(url, r, byURL, shown)
	}
	for url, r := range byURL {
		if r["resourceType"] == "Observation" && !shown[url] {
			c.unmapped["Observation"]++
		}
	}
}

func (c *census) resource(url string, r object, byURL map[string]object, shown map[string]bool) {
	switch kind := at[string](r, "resourceType"); kind {
	case "Patient":
		c.patients[url] = true
	case "Practitioner":
		c.doctors[at[string](r, "identifier", 0, "value")] = true
	case "Encounter":
		doctor := byURL[at[string](r, "participant", 0, "individual", "reference")]
		c.members[at[string](r, "subject", "reference")+" "+at[string](doctor, "identifier", 0, "value")] = true
		if at[string](r, "class", "code") == "EMER" {
			c.records[clinic.RecordEmergency]++
		} else {
			c.records[clinic.RecordCheckup]++
		}
	case "Condition":
		c.records[clinic.RecordDiagnosis]++
	case "MedicationRequest":
		c.records[clinic.RecordPrescription]++
	case "DiagnosticReport":
		c.records[clinic.RecordLabResult]++
		for _, ref := range at[[]any](r, "result") {
			observation := at[string](ref, "reference")
			shown[observation] = true
			o := byURL[observation]
			c.results[url] = append(c.results[url], at[string](o, "code", "text"), at[string](o, "valueQuantity", "unit"))
		}
	case "Observation": // counted later, when it is known which ones are part of a report
	default:
		c.unmapped[kind]++
	}
}

func TestImportOfSyntheaReconciles(t *testing.T) {
	t.Parallel()
	files := syntheaFiles(t)
	want := census{
		records: map[clinic.RecordType]int{}, patients: map[string]bool{}, doctors: map[string]bool{},
		members: map[string]bool{}, unmapped: map[string]int{}, results: map[string][]string{},
	}
	for _, file := range files {
		want.count(t, file)
	}
	f := newFixture(t)
	first := f.importFiles(t, files)
	for kind, n := range want.records {
		if got := first.Records[kind]; got != counts(n, 0, 0) {
			t.Errorf("%s: %+v, want %d created", kind, got, n)
		}
		if got := f.db.Count(`SELECT count(*) FROM health_records WHERE record_type = $1`, kind); got != n {
			t.Errorf("%s: %d rows, want %d", kind, got, n)
		}
	}
	patients, doctors, members := len(want.patients), len(want.doctors), len(want.members)
	rows := f.db.Count(`SELECT count(*) FROM patient_profiles`)*1e6 + f.db.Count(`SELECT count(*) FROM doctor_profiles`)*1e3 + f.db.Count(`SELECT count(*) FROM assignments`)
	if rows != patients*1e6+doctors*1e3+members {
		t.Errorf("patients, doctors, assignments = %d; want %d, %d, %d", rows, patients, doctors, members)
	}
	if diff := cmp.Diff(want.unmapped, first.unmapped); diff != "" {
		t.Errorf("not mapped (-want +got):\n%s", diff)
	}
	f.wantResults(t, want.results)
	second := f.importFiles(t, files)
	for kind, n := range want.records {
		if got := second.Records[kind]; got != counts(0, 0, n) {
			t.Errorf("second import: %s: %+v, want %d unchanged", kind, got, n)
		}
	}
	if c := second.Accounts[clinic.RolePatient]; c != counts(0, 0, patients) || second.Accounts[clinic.RoleDoctor].Created+second.Assignments.Created != 0 {
		t.Errorf("second import: %+v, want nothing new", second.ImportResult)
	}
}

type importedFiles struct {
	clinic.ImportResult
	unmapped map[string]int
}

func (f *fixture) importFiles(t *testing.T, files []string) importedFiles {
	t.Helper()
	sum := importedFiles{unmapped: map[string]int{}}
	sum.Accounts, sum.Records = map[clinic.Role]clinic.ImportCounts{}, map[clinic.RecordType]clinic.ImportCounts{}
	for _, file := range files {
		r, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		b, err := fhir.Read(r, fhir.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		got := f.importBundle(t, b.Import)
		if len(got.Refused)+len(b.Skipped)+got.LeftOut+b.Truncated+len(b.Omitted) > 0 {
			t.Errorf("%s: refused %v, skipped %v, omitted %v, left out %d, truncated %d", file, got.Refused, b.Skipped, b.Omitted, got.LeftOut, b.Truncated)
		}
		sum.add(got, b.Unmapped)
	}
	return sum
}

func (s *importedFiles) add(r clinic.ImportResult, unmapped map[string]int) {
	for k, c := range r.Accounts {
		c.Add(s.Accounts[k])
		s.Accounts[k] = c
	}
	for k, c := range r.Records {
		c.Add(s.Records[k])
		s.Records[k] = c
	}
	s.Assignments.Add(r.Assignments)
	for kind, n := range unmapped {
		s.unmapped[kind] += n
	}
}

// wantResults checks that every value of a report is in the text of its record.
func (f *fixture) wantResults(t *testing.T, results map[string][]string) {
	t.Helper()
	rows, err := f.db.Pool.Query(t.Context(), `SELECT source_id, description FROM health_records WHERE record_type = 'LAB_RESULT'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, text string
		if err := rows.Scan(&id, &text); err != nil {
			t.Fatal(err)
		}
		for _, part := range results[id] {
			if part == "" || !strings.Contains(text, part) {
				t.Errorf("report %s lacks %q", id, part)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
