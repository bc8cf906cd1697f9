package fhir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

func readFile(t *testing.T, name string) *Bundle {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b, err := Read(f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readResources reads a bundle with the resources, each under its own full URL.
func readResources(t *testing.T, resources ...string) *Bundle {
	t.Helper()
	var entries []string
	for i, r := range resources {
		entries = append(entries, `{"fullUrl": "urn:uuid:`+string(rune('a'+i))+`", "resource": `+r+`}`)
	}
	return readEntries(t, entries...)
}

func readEntries(t *testing.T, entries ...string) *Bundle {
	t.Helper()
	return readFrom(t, "", entries...)
}

// readFrom reads a bundle of the source.
func readFrom(t *testing.T, source string, entries ...string) *Bundle {
	t.Helper()
	b, err := Read(strings.NewReader(`{"resourceType": "Bundle", "type": "collection", "entry": [`+strings.Join(entries, ",\n")+`]}`), Options{Source: source})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	patientID = "https://hospital.example|MR-0001"
	adaID     = "http://hl7.org/fhir/sid/us-npi|9000000001"
	secondID  = "https://hospital.example/staff|S-2"
)

func date(t *testing.T, s string) time.Time {
	t.Helper()
	d, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestReadMapsPeopleToAccounts(t *testing.T) {
	t.Parallel()
	birth := date(t, "1980-02-29T00:00:00Z")
	want := []clinic.ImportedAccount{
		{Entry: 0, SourceID: patientID, Registration: clinic.Registration{
			Username: "zoeq.deteexample." + shortID(patientID), Email: "zoe@patients.example", FirstName: "Zoë Q.",
			LastName: "d'Été-Example", PhoneNumber: "555 010-0001", Role: clinic.RolePatient, DateOfBirth: &birth,
			Address: "1 Example Street, Flat 2, Sampleton, EX 00001, XX", EmergencyContact: "Max Example 555-010-0002",
		}},
		{Entry: 1, SourceID: adaID, Verified: true, Registration: clinic.Registration{
			Username: "ada.sample." + shortID(adaID), FirstName: "Ada", LastName: "Sample", Role: clinic.RoleDoctor,
			Specialization: "Cardiology", LicenseNumber: "NPI-9000000001",
		}},
		// The doctor is not active, so not verified.
		{Entry: 2, SourceID: secondID, Registration: clinic.Registration{
			Username: "dr." + shortID(secondID), LastName: "Dr. 医 師", Role: clinic.RoleDoctor,
			Specialization: "General Medicine", LicenseNumber: "FHIR-" + shortID(secondID),
		}},
	}
	b := readFile(t, "clinic.json")
	if diff := cmp.Diff(want, b.Import.Accounts); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	team := []clinic.CareTeamMember{{Patient: patientID, Doctor: adaID}, {Patient: patientID, Doctor: secondID}}
	if diff := cmp.Diff(team, b.Import.CareTeam); diff != "" {
		t.Errorf("care team (-want +got):\n%s", diff)
	}
}

func TestReadMapsVisitsAndFindingsToRecords(t *testing.T) {
	t.Parallel()
	record := func(id, author, visit string, f clinic.RecordFields) clinic.ImportedRecord {
		f.VisitDate = date(t, visit)
		return clinic.ImportedRecord{SourceID: "urn:uuid:" + id, Patient: patientID, Author: author, RecordFields: f}
	}
	want := []clinic.ImportedRecord{
		record("visit-1", adaID, "2020-03-01T08:00:00Z", clinic.RecordFields{
			Type: clinic.RecordCheckup, Title: "Check up",
			Description: "Class: ambulatory\nStatus: finished\nPeriod: 2020-03-01T09:00:00+01:00 to 2020-03-01T09:30:00+01:00",
			Symptoms:    "Cough (SNOMED CT 49727002)", Diagnosis: "Acute bronchitis (SNOMED CT 10509002)",
		}),
		record("visit-2", "", "2021-04-05T23:59:59.5Z", clinic.RecordFields{
			Type: clinic.RecordEmergency, Title: "emergency visit",
			Description: "Class: emergency\nStatus: finished\nPeriod: 2021-04-05T23:59:59.5Z\nDischarge: Home",
		}),
		record("condition-1", adaID, "2020-02-01T00:00:00Z", clinic.RecordFields{
			Type: clinic.RecordDiagnosis, Title: "Acute bronchitis",
			Description: "Clinical status: resolved\nVerification: confirmed\nOnset: 2020-02\nEnded: 2020-03-10\nNote: Smoker",
			Symptoms:    "Wheezing", Diagnosis: "Acute bronchitis (SNOMED CT 10509002)",
		}),
		record("prescription-1", secondID, "2020-03-01T00:00:00Z", clinic.RecordFields{
			Type: clinic.RecordPrescription, Title: "Examplecillin 500 mg", Description: "Status: active\nIntent: order",
			Diagnosis: "Acute bronchitis (SNOMED CT 10509002)", Medications: "Examplecillin 500 mg (RxNorm 0000)",
			Treatment: "dose 1.50 tablet; 2 times every day; oral; as needed\n" +
				"once every 6 hours; further instructions are in the source\nNothing else on Sundays",
		}),
		record("prescription-2", "", "2020-03-02T00:00:00Z", clinic.RecordFields{
			Type: clinic.RecordPrescription, Title: "Contained ointment", Description: "Status: completed\nIntent: order",
			Medications: "Contained ointment",
		}),
		record("prescription-3", "", "2020-03-03T00:00:00Z", clinic.RecordFields{
			Type: clinic.RecordPrescription, Title: "Drops of the bundle", Description: "Status: completed\nIntent: order",
			Medications: "Drops of the bundle",
		}),
		record("report-1", adaID, "2021-04-06T01:00:00Z", clinic.RecordFields{
			Type: clinic.RecordLabResult, Title: "Complete blood count", Diagnosis: "Mild anaemia",
			Description: "Hemoglobin: 10.50 g/dL (reference 12 g/dL to 16 g/dL; Low)\n" +
				"Blood pressure:\n  Systolic: 121.1235 mm[Hg]\n  Diastolic: no value (Not performed)\n" +
				"Urine panel: see below [corrected]\nGlucose: Negative\nPlatelets: not part of what was imported\n" +
				"Status: final\nCategory: Laboratory",
		}),
	}
	b := readFile(t, "clinic.json")
	for i := range b.Import.Records {
		b.Import.Records[i].Entry = 0
	}
	if diff := cmp.Diff(want, b.Import.Records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestReadCountsWhatIsNotMapped(t *testing.T) {
	t.Parallel()
	b := readFile(t, "clinic.json")
	want := map[string]int{"Claim": 2, "Organization": 1, "Observation": 1, "Medication": 1}
	if diff := cmp.Diff(want, b.Unmapped); diff != "" {
		t.Errorf("not mapped (-want +got):\n%s", diff)
	}
	if b.Resources != 23 || len(b.Skipped) != 0 || b.Truncated != 0 {
		t.Errorf("resources %d, skipped %v, truncated %d", b.Resources, b.Skipped, b.Truncated)
	}
	if _, refused, leftOut := b.Import.Check(); len(refused) > 0 || leftOut > 0 {
		t.Errorf("refused %v, left out %d", refused, leftOut)
	}
}
