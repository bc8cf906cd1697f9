package clinic_test

import (
	"slices"
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
		"odd patient":  func(r *clinic.ImportedRecord) { r.Patient = "a\x00b" },
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

// An identity with a zero byte counts as unknown; Postgres would refuse the whole bundle for it.
func TestImportCheckKnowsNobodyByAnIdentityThatIsNotValid(t *testing.T) {
	t.Parallel()
	for _, odd := range []string{"a\x00b", "\xff", strings.Repeat("x", clinic.MaxSourceID+1)} {
		r := importedRecord("r")
		r.Author = odd
		valid, refused, _ := clinic.Import{
			Records:  []clinic.ImportedRecord{r},
			CareTeam: []clinic.CareTeamMember{{Patient: odd, Doctor: "d"}, {Patient: "p", Doctor: odd}, {Patient: "p", Doctor: "d"}},
		}.Check()
		if len(refused) != 0 || len(valid.Records) != 1 || valid.Records[0].Author != "" || len(valid.CareTeam) != 1 || valid.CareTeam[0].Doctor != "d" {
			t.Errorf("%q: valid %+v, refused %v; want the record without its author, and one member", odd, valid, refused)
		}
	}
}

// Two patients of one bundle with one identity, such as that of a family's
// insurance, are not one account.
func TestImportCheckRefusesTwoPatientsOfOneIdentity(t *testing.T) {
	t.Parallel()
	day := func(d int) *time.Time {
		birth := time.Date(2000, 1, d, 0, 0, 0, 0, time.UTC)
		return &birth
	}
	person := func(first string, birth *time.Time) clinic.ImportedAccount {
		a := importedPatient("p")
		a.FirstName, a.DateOfBirth = first, birth
		return a
	}
	for name, c := range map[string]struct {
		first, second clinic.ImportedAccount
		one           bool
	}{
		"the same twice":  {person("A", day(1)), person("A", day(1)), true},
		"another name":    {person("A", day(1)), person("B", day(1)), false},
		"another birth":   {person("A", day(1)), person("A", day(2)), false},
		"one is not born": {person("A", day(1)), person("A", nil), true},
	} {
		other := importedRecord("other")
		other.Patient = "q"
		valid, refused, _ := clinic.Import{
			Accounts: []clinic.ImportedAccount{c.first, c.second, importedPatient("q")},
			Records:  []clinic.ImportedRecord{importedRecord("r"), other},
			CareTeam: []clinic.CareTeamMember{{Patient: "p", Doctor: "d"}, {Patient: "q", Doctor: "d"}},
		}.Check()
		want := []int{1, 1, 1, 3} // accounts, records, members; refused
		if c.one {
			want = []int{2, 2, 2, 1}
		}
		if got := []int{len(valid.Accounts), len(valid.Records), len(valid.CareTeam), len(refused)}; !slices.Equal(got, want) {
			t.Errorf("%s: accounts, records, care team, refused = %v, want %v", name, got, want)
		}
	}
}

// A missing date of birth of one patient does not hide that those of the others differ.
func TestImportCheckComparesAllPatientsOfOneIdentity(t *testing.T) {
	t.Parallel()
	var i clinic.Import
	for day := range 3 {
		a := importedPatient("p")
		if birth := time.Date(2000, 1, day, 0, 0, 0, 0, time.UTC); day > 0 {
			a.DateOfBirth = &birth
		}
		i.Accounts = append(i.Accounts, a)
	}
	if valid, refused, _ := i.Check(); len(valid.Accounts) != 0 || len(refused) != 3 {
		t.Errorf("valid %+v, refused %v; want all refused", valid.Accounts, refused)
	}
}

// Two doctors of one identity, such as the number of their practice, are not one
// account either: one of them would see the other's patients.
func TestImportCheckRefusesTwoDoctorsOfOneIdentity(t *testing.T) {
	t.Parallel()
	doctor := func(id, last string) clinic.ImportedAccount {
		a := importedPatient(id)
		a.Role, a.LastName, a.Specialization, a.LicenseNumber = clinic.RoleDoctor, last, "General Medicine", "FHIR-1"
		return a
	}
	r := importedRecord("r")
	r.Author = "d"
	valid, refused, _ := clinic.Import{
		Accounts: []clinic.ImportedAccount{doctor("d", "A"), doctor("d", "B"), doctor("e", "C"), doctor("e", "c"), doctor("e", ""), importedPatient("d")},
		Records:  []clinic.ImportedRecord{r},
		CareTeam: []clinic.CareTeamMember{{Patient: "d", Doctor: "d"}, {Patient: "d", Doctor: "e"}},
	}.Check()
	if len(valid.Accounts) != 2 || valid.Accounts[0].SourceID != "e" || len(refused) != 4 {
		t.Errorf("valid %+v, refused %v; want the two refused, and the doctor who occurs again", valid.Accounts, refused)
	}
	if len(valid.Records) != 1 || valid.Records[0].Author != "" || len(valid.CareTeam) != 1 || valid.CareTeam[0].Doctor != "e" {
		t.Errorf("records %+v, care team %v; want none of the two in them", valid.Records, valid.CareTeam)
	}
}
