package app

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// hospitalBundle has patient 1 of a hospital that sends no full URLs.
func hospitalBundle(family string) string {
	return `{"resourceType": "Bundle", "type": "batch", "entry": [
	{"resource": {"resourceType": "Patient", "id": "1", "name": [{"family": "` + family + `"}]}},
	{"resource": {"resourceType": "Condition", "id": "1", "code": {"text": "` + bundleCanary + `"}, "onsetDateTime": "2020-01-01", "subject": {"reference": "Patient/1"}}}
	]}`
}

// Patient 1 of one hospital is not patient 1 of another.
func TestImportTellsPatientsOfTwoHospitalsApart(t *testing.T) { //nolint:paralleltest // sets DATABASE_URL
	dsn := testkit.NewDatabase(t, schema.Migrate)
	t.Setenv("DATABASE_URL", dsn)
	folder := t.TempDir()
	a, b := filepath.Join(folder, "a.json"), filepath.Join(folder, "b.json")
	write(t, a, hospitalBundle("A"))
	write(t, b, hospitalBundle("B"))
	stdout, _, err := runImport(t, "", folder)
	if err != nil {
		t.Error(err)
	}
	wantLines(t, stdout, "patients              0", "2  Patient: it has no identity", "2  Condition: its subject is not a known patient")
	for _, each := range [][]string{{"--source", "https://a.example/fhir", a}, {"--source=hospital-b", b}} {
		stdout, _, err := runImport(t, "", each...)
		if err != nil {
			t.Error(err)
		}
		wantLines(t, stdout, "patients              1         0          0", "DIAGNOSIS             1         0          0")
		stdout, _, err = runImport(t, "", each...)
		if err != nil {
			t.Error(err)
		}
		wantLines(t, stdout, "patients              0         0          1", "DIAGNOSIS             0         0          1")
	}
	// as if it had been written with full URLs
	full := strings.ReplaceAll(hospitalBundle("A"), `{"resource": {"resourceType": "Patient"`, `{"fullUrl": "https://a.example/fhir/Patient/1", "resource": {"resourceType": "Patient"`)
	stdout, _, err = runImport(t, full, "-")
	if err != nil {
		t.Error(err)
	}
	wantLines(t, stdout, "patients              0         0          1")
}

func TestImportRefusesASourceThatIsNotValid(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"", " ", "a|b", "a/", "/a", "a b", "ä", strings.Repeat("a", 101), "a\x00b"} {
		if _, _, err := runImport(t, goodBundle(1), "--dry-run", "--source", source, "-"); err == nil {
			t.Errorf("%q: no error", source)
		}
	}
	if _, _, err := runImport(t, goodBundle(1), "--dry-run", "--source", strings.Repeat("a", 100), "-"); err != nil {
		t.Error(err)
	}
}

// A zero byte in a reference must not lose the whole file.
func TestImportGoesOnAfterAZeroByteInAReference(t *testing.T) { //nolint:paralleltest // sets DATABASE_URL
	t.Setenv("DATABASE_URL", testkit.NewDatabase(t, schema.Migrate))
	for place, fields := range map[string]string{
		"subject": `"subject": {"reference": "http://h/\u0000"}`,
		"author":  `"subject": {"reference": "http://h/Patient/1"}, "asserter": {"reference": "http://h/\u0000"}`,
		"visit":   `"subject": {"reference": "http://h/Patient/1"}, "encounter": {"reference": "http://h/\u0000"}`,
		"id":      `"subject": {"reference": "Patient?identifier=a%7C%00"}`,
	} {
		odd := `{"fullUrl": "urn:uuid:odd", "resource": {"resourceType": "Condition", "code": {"text": "x"}, "onsetDateTime": "2020-01-01", ` + fields + `}},`
		stdout, _, err := runImport(t, strings.Replace(goodBundle(1), `"entry": [`, `"entry": [`+odd, 1), "-")
		if err != nil {
			t.Errorf("%s: %v", place, err)
		}
		wantLines(t, stdout, "1 files, 5 resources")
		if reported := strings.Contains(stdout, "is not valid"); reported != (place != "visit") {
			t.Errorf("%s: reported %v:\n%s", place, reported, stdout)
		}
	}
}

func TestImportReportsWhatIsLeftOutOfARecord(t *testing.T) {
	t.Parallel()
	foreign := `{"fullUrl": "urn:uuid:v", "resource": {"resourceType": "Encounter", "period": {"start": "2020-01-01"}, "class": {"code": "AMB"}, "subject": {"reference": "http://h/Patient/2"}}},`
	document := strings.Replace(goodBundle(1), `"entry": [`, `"entry": [`+foreign, 1)
	document = strings.Replace(document, `"onsetDateTime"`, `"encounter": {"reference": "urn:uuid:v"}, "onsetDateTime"`, 1)
	stdout, _, err := runImport(t, document, "--dry-run", "-")
	if err != nil {
		t.Error(err)
	}
	wantLines(t, stdout, "Imported without a part of it:\n       1  Condition: its visit belongs to another subject",
		"standard input: Condition at line 3", "DIAGNOSIS             1\n")
}
