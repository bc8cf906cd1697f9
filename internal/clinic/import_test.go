package clinic_test

import (
	"strings"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const canary = "Kanarienvogel\x01"

func importedRecord(id string) clinic.ImportedRecord {
	return clinic.ImportedRecord{SourceID: id, Patient: "p", RecordFields: clinic.RecordFields{
		Type: clinic.RecordCheckup, Title: "Check up", VisitDate: time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC),
	}}
}

func importedPatient(id string) clinic.ImportedAccount {
	return clinic.ImportedAccount{SourceID: id, Registration: clinic.Registration{Username: "p", Role: clinic.RolePatient}}
}

func TestImportCheckRefusesRecordsThatAreNotValid(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*clinic.ImportedRecord){
		"title":        func(r *clinic.ImportedRecord) { r.Title = "" },
		"text":         func(r *clinic.ImportedRecord) { r.Description = canary },
		"date":         func(r *clinic.ImportedRecord) { r.VisitDate = time.Time{} },
		"no identity":  func(r *clinic.ImportedRecord) { r.SourceID = "" },
		"long":         func(r *clinic.ImportedRecord) { r.SourceID = strings.Repeat("x", clinic.MaxSourceID+1) },
		"zero byte":    func(r *clinic.ImportedRecord) { r.SourceID = "a\x00b" },
		"of nobody":    func(r *clinic.ImportedRecord) { r.Patient = "" },
		"seen already": func(r *clinic.ImportedRecord) { r.SourceID = "good" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := importedRecord("bad")
			bad.Entry = 7
			spoil(&bad)
			valid, refused, _ := clinic.Import{Records: []clinic.ImportedRecord{importedRecord("good"), bad}}.Check()
			if len(valid.Records) != 1 || len(refused) != 1 || refused[0].Entry != 7 || refused[0].Reason == "" {
				t.Fatalf("valid %v, refused %v", valid.Records, refused)
			}
			if strings.Contains(refused[0].Reason, canary) {
				t.Errorf("the reason quotes the record: %s", refused[0].Reason)
			}
		})
	}
}

func TestImportCheckEmptiesOptionalFieldsOfAccounts(t *testing.T) {
	t.Parallel()
	a := importedPatient("p")
	tomorrow := time.Now().AddDate(0, 0, 1)
	a.Email, a.PhoneNumber, a.Address, a.EmergencyContact, a.DateOfBirth = "x", "555 ext. 1", canary, canary, &tomorrow
	valid, refused, leftOut := clinic.Import{Accounts: []clinic.ImportedAccount{a}}.Check()
	if len(valid.Accounts) != 1 || len(refused) != 0 || leftOut != 5 {
		t.Fatalf("valid %d, refused %v, left out %d; want 1, none, 5", len(valid.Accounts), refused, leftOut)
	}
	if got := valid.Accounts[0]; got.Email+got.PhoneNumber+got.Address+got.EmergencyContact != "" || got.DateOfBirth != nil {
		t.Errorf("fields that are not valid stay: %+v", got)
	}
	if a.Email == "" {
		t.Error("the caller's own account was changed")
	}
}

func TestImportCheckRefusesAccountsThatAreNotValid(t *testing.T) {
	t.Parallel()
	twin := importedPatient("p")
	unnamed := importedPatient("q")
	unnamed.Username = ""
	doctor := importedPatient("p")
	doctor.Role = clinic.RoleDoctor
	valid, refused, _ := clinic.Import{Accounts: []clinic.ImportedAccount{importedPatient("p"), twin, unnamed, doctor}}.Check()
	if len(valid.Accounts) != 2 || valid.Accounts[1].Role != clinic.RoleDoctor || len(refused) != 2 {
		t.Errorf("valid %+v, refused %v; want the first and the doctor, who is another person", valid.Accounts, refused)
	}
}
