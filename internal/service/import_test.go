package service_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// bundle has a patient, their doctor and one record.
func bundle() clinic.Import {
	birth := time.Date(1980, 2, 29, 0, 0, 0, 0, time.UTC)
	return clinic.Import{
		Accounts: []clinic.ImportedAccount{
			{Entry: 0, SourceID: "mr|1", Registration: clinic.Registration{
				Username: "zoe.example.1", FirstName: "Zoë", LastName: "Example", Role: clinic.RolePatient, DateOfBirth: &birth,
				PhoneNumber: "555-010-0001", Address: "1 Example Street", Email: "zoe@patients.example", EmergencyContact: "Max",
			}},
			{Entry: 1, SourceID: "npi|1", Verified: true, Registration: clinic.Registration{
				Username: "ada.sample.1", FirstName: "Ada", LastName: "Sample", Role: clinic.RoleDoctor,
				Specialization: "Cardiology", LicenseNumber: "NPI-1",
			}},
		},
		Records: []clinic.ImportedRecord{{Entry: 2, SourceID: "urn:uuid:1", Patient: "mr|1", Author: "npi|1", RecordFields: clinic.RecordFields{
			Type: clinic.RecordCheckup, Title: "Check up", Description: "d", Symptoms: "s", Diagnosis: "di", Treatment: "t",
			Medications: "m", VisitDate: time.Date(2020, 3, 1, 9, 0, 0, 0, time.FixedZone("", 3600)),
		}}},
		CareTeam: []clinic.CareTeamMember{{Patient: "mr|1", Doctor: "npi|1"}},
	}
}

func (f *fixture) importBundle(t *testing.T, b clinic.Import) clinic.ImportResult {
	t.Helper()
	return testkit.Value(f.Imports.Load(t.Context(), b))(t)
}

// importedCaller is a person whom an import created.
func (f *fixture) importedCaller(t *testing.T, username string) clinic.Caller {
	t.Helper()
	id := f.db.Count(`SELECT id FROM users WHERE username = $1`, username)
	role := clinic.RolePatient
	if f.db.Count(`SELECT count(*) FROM doctor_profiles WHERE user_id = $1`, id) == 1 {
		role = clinic.RoleDoctor
	}
	return testkit.CallerOf(clinic.User{ID: int64(id), Role: role})
}

func counts(created, updated, unchanged int) clinic.ImportCounts {
	return clinic.ImportCounts{Created: created, Updated: updated, Unchanged: unchanged}
}

func wantImport(t *testing.T, got clinic.ImportResult, each clinic.ImportCounts) {
	t.Helper()
	want := clinic.ImportResult{
		Accounts:    map[clinic.Role]clinic.ImportCounts{clinic.RolePatient: each, clinic.RoleDoctor: each},
		Records:     map[clinic.RecordType]clinic.ImportCounts{clinic.RecordCheckup: each},
		Assignments: each,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestImportedRecordIsReadByPatientAndDoctor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	wantImport(t, f.importBundle(t, bundle()), counts(1, 0, 0))
	want := bundle().Records[0].RecordFields
	want.VisitDate = want.VisitDate.UTC()
	for _, username := range []string{"zoe.example.1", "ada.sample.1"} {
		page := testkit.Value(f.Records.List(t.Context(), f.importedCaller(t, username), clinic.RecordFilter{}, clinic.PageRequest{}))(t)
		if len(page.Items) != 1 {
			t.Fatalf("%s sees %d records, want 1", username, len(page.Items))
		}
		if diff := cmp.Diff(want, page.Items[0].RecordFields); diff != "" {
			t.Errorf("record (-want +got):\n%s", diff)
		}
		if page.Items[0].CreatedBy.Username != "ada.sample.1" {
			t.Errorf("created by %s", page.Items[0].CreatedBy.Username)
		}
	}
	if n := f.db.Count(`SELECT count(*) FROM patient_profiles p JOIN users u ON u.id = p.user_id
		WHERE p.date_of_birth = '1980-02-29' AND p.address = '1 Example Street' AND p.emergency_contact = 'Max'
		AND u.phone_number = '555-010-0001' AND u.email = 'zoe@patients.example' AND u.first_name = 'Zoë'`); n != 1 {
		t.Error("the patient's profile is not what was imported")
	}
}

func TestImportTellsNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.importBundle(t, bundle())
	if n := f.db.Count(`SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM notifications)`); n != 0 {
		t.Errorf("%d events or notifications of the past", n)
	}
}

func TestImportAgainChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.importBundle(t, bundle())
	before := f.db.Count(`SELECT sum(version) FROM health_records`)
	wantImport(t, f.importBundle(t, bundle()), counts(0, 0, 1))
	if after := f.db.Count(`SELECT sum(version) FROM health_records`); after != before {
		t.Errorf("versions add up to %d, before %d", after, before)
	}
}

// TestImportKnowsTheDigestsOfFormerReleases: another digest of the same source would put it over what its owner changed since.
// The digest is that of the first release.
func TestImportKnowsTheDigestsOfFormerReleases(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.importBundle(t, bundle())
	former := sha256.Sum256([]byte(`{"Type":"CHECKUP","Title":"Check up","Description":"d","Symptoms":"s","Diagnosis":"di","Treatment":"t",` +
		`"Medications":"m","VisitDate":"2020-03-01T08:00:00Z"}`))
	if n := f.db.Count(`SELECT count(*) FROM health_records WHERE source_digest = $1`, former[:]); n != 1 {
		t.Error("the digest is another one")
	}
	f.db.Exec(`UPDATE health_records SET source_digest = $1, title = 'corrected', version = version + 1`, former[:])
	wantImport(t, f.importBundle(t, bundle()), counts(0, 0, 1))
	if n := f.db.Count(`SELECT count(*) FROM health_records WHERE title = 'corrected'`); n != 1 {
		t.Error("the import has overwritten the record")
	}
}

func TestImportUpdatesARecordWhenItsSourceChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.importBundle(t, bundle())
	changed := bundle()
	changed.Records[0].Diagnosis = "another"
	result := f.importBundle(t, changed)
	if got := result.Records[clinic.RecordCheckup]; got != counts(0, 1, 0) {
		t.Errorf("records = %+v, want 1 updated", got)
	}
	if n := f.db.Count(`SELECT count(*) FROM health_records WHERE version = 2 AND diagnosis = 'another'`); n != 1 {
		t.Error("the record is not at version 2 with the new text")
	}
}

func TestImportLeavesWhatItsOwnerChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.importBundle(t, bundle())
	patient := f.importedCaller(t, "zoe.example.1")
	title, phone := "My own words", "555-010-9999"
	id := int64(f.db.Count(`SELECT id FROM health_records`))
	testkit.Value(f.Records.Update(t.Context(), patient, id, clinic.RecordChange{Title: &title}, nil))(t)
	f.db.Exec(`UPDATE users SET phone_number = $1 WHERE id = $2`, phone, patient.UserID)
	wantImport(t, f.importBundle(t, bundle()), counts(0, 0, 1))
	if n := f.db.Count(`SELECT count(*) FROM health_records r, users u
		WHERE u.id = $1 AND r.title = $2 AND u.phone_number = $3`, patient.UserID, title, phone); n != 1 {
		t.Error("the import changed back what the patient wrote")
	}
}

func TestImportDoesNotGiveAccessBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.importBundle(t, bundle())
	f.db.Exec(`UPDATE assignments SET ends_at = now()`)
	f.importBundle(t, bundle())
	if n := f.db.Count(`SELECT count(*) FROM assignments`); n != 1 {
		t.Errorf("%d assignments, want the ended one alone", n)
	}
	if _, err := f.Records.Get(t.Context(), f.importedCaller(t, "ada.sample.1"), int64(f.db.Count(`SELECT id FROM health_records`))); clinic.CodeOf(err) != clinic.CodeNotFound {
		t.Errorf("the doctor's read: %v, want CodeNotFound", err)
	}
}

func TestImportDoesNotAssignAnUnverifiedDoctor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := bundle()
	b.Accounts[1].Verified = false
	f.importBundle(t, b)
	if n := f.db.Count(`SELECT count(*) FROM assignments`); n != 0 {
		t.Errorf("%d assignments, want none", n)
	}
}

// A user who registered under a doctor's license number must not become that doctor.
func TestImportRefusesADoctorWhoseLicenseSomebodyHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stranger := f.db.Doctor(testkit.DoctorOptions{Unverified: true})
	f.db.Exec(`UPDATE doctor_profiles SET license_number = 'NPI-1' WHERE id = $1`, stranger.ID)
	result := f.importBundle(t, bundle())
	if len(result.Refused) != 1 || result.Refused[0].Entry != 1 || result.Accounts[clinic.RoleDoctor] != counts(0, 0, 0) {
		t.Errorf("result %+v, want the doctor refused", result)
	}
	if n := f.db.Count(`SELECT count(*) FROM health_records r JOIN patient_profiles p ON p.user_id = r.created_by`); n != 1 {
		t.Error("the record with the patient as its author is missing")
	}
	if n := f.db.Count(`SELECT count(*) FROM assignments`); n != 0 {
		t.Errorf("%d assignments, want none", n)
	}
}

// The number is the same in another spelling, also within one bundle.
// A user who registers under the name that an account would get prevents the import of that
// account, which the report shows, and of nobody else in the bundle.
func TestImportRefusesAnAccountWhoseNameSomebodyHas(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stranger := f.db.Patient(testkit.PatientOptions{})
	f.db.Exec(`UPDATE users SET username = 'Zoe.Example.1' WHERE id = $1`, stranger.User.ID)
	b := bundle()
	twin := b.Accounts[1]
	twin.Entry, twin.SourceID, twin.LicenseNumber = 3, "npi|2", "NPI-2"
	other := b.Accounts[0]
	other.Entry, other.SourceID, other.Username = 4, "mr|2", "max.example.2"
	b.Accounts = append(b.Accounts, twin, other)
	result := f.importBundle(t, b)
	var refused []int
	for _, r := range result.Refused {
		refused = append(refused, r.Entry)
	}
	slices.Sort(refused)
	if !slices.Equal(refused, []int{0, 2, 3}) || result.Accounts[clinic.RolePatient].Created != 1 || result.Accounts[clinic.RoleDoctor].Created != 1 {
		t.Errorf("%+v, want the patient, their record and the second doctor refused, and the others there", result)
	}
}

func TestImportTellsLicensesApartWhateverTheirSpelling(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	holder := f.db.Doctor(testkit.DoctorOptions{})
	f.db.Exec(`UPDATE doctor_profiles SET license_number = 'npi 1' WHERE id = $1`, holder.ID)
	b := bundle()
	for n, number := range []string{"NPI-2", "NPI 2", "NPI-3"} {
		twin := b.Accounts[1]
		twin.Entry, twin.SourceID, twin.Username, twin.LicenseNumber = 10+n, "npi|"+number, fmt.Sprint("twin", n), number
		b.Accounts = append(b.Accounts, twin)
	}
	result := f.importBundle(t, b)
	var refused []int
	for _, r := range result.Refused {
		refused = append(refused, r.Entry)
	}
	if diff := cmp.Diff([]int{1, 11}, refused); diff != "" || result.Accounts[clinic.RoleDoctor] != counts(2, 0, 0) {
		t.Errorf("result %+v, refused entries %s", result, diff)
	}
}

func TestImportNormalizesTexts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := bundle()
	b.Accounts[0].FirstName, b.Records[0].Title, b.Records[0].Description = "Zoe\u0308", "Cafe\u0301", "cafe\u0301\nau lait"
	f.importBundle(t, b)
	if n := f.db.Count(`SELECT count(*) FROM users u JOIN health_records r ON r.title = 'Café' AND r.description = E'café\nau lait'
		WHERE u.first_name = 'Zoë'`); n != 1 {
		t.Error("the texts are not in their normal form")
	}
	wantImport(t, f.importBundle(t, b), counts(0, 0, 1))
}

func TestImportFindsPeopleOfAnEarlierBundle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := bundle(), bundle()
	first.Records, first.CareTeam, second.Accounts = nil, nil, nil
	f.importBundle(t, first)
	result := f.importBundle(t, second)
	if result.Records[clinic.RecordCheckup] != counts(1, 0, 0) || result.Assignments != counts(1, 0, 0) || len(result.Refused) != 0 {
		t.Errorf("result %+v, want the record and the assignment made", result)
	}
}

// TestImportRefusesAnotherPatientUnderAKnownIdentity: the second patient's records must not become the first one's.
func TestImportRefusesAnotherPatientUnderAKnownIdentity(t *testing.T) {
	t.Parallel()
	otherBirth := time.Date(1991, 7, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		change  func(*clinic.ImportedAccount)
		earlier func(*clinic.ImportedAccount)
		refused int
	}{
		"another name and date of birth": {change: func(a *clinic.ImportedAccount) { a.FirstName, a.LastName, a.DateOfBirth = "Max", "Muster", &otherBirth }, refused: 2},
		"another name":                   {change: func(a *clinic.ImportedAccount) { a.FirstName, a.LastName = "Zoe", "Married" }},
		"another date of birth":          {change: func(a *clinic.ImportedAccount) { a.LastName, a.DateOfBirth = "EXAMPLE", &otherBirth }},
		"no date of birth":               {change: func(a *clinic.ImportedAccount) { a.FirstName, a.DateOfBirth = "Max", nil }},
		"no earlier date of birth": {
			change:  func(a *clinic.ImportedAccount) { a.FirstName = "Max" },
			earlier: func(a *clinic.ImportedAccount) { a.DateOfBirth = nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			b := bundle()
			if test.earlier != nil {
				test.earlier(&b.Accounts[0])
			}
			f.importBundle(t, b)
			b = bundle()
			test.change(&b.Accounts[0])
			b.Records[0].SourceID = "urn:uuid:2"
			result := f.importBundle(t, b)
			if len(result.Refused) != test.refused || test.refused > 0 && !strings.Contains(result.Refused[0].Reason, "another name and date of birth") {
				t.Errorf("refused: %+v", result.Refused)
			}
			if n, want := f.db.Count(`SELECT count(*) FROM health_records`), 2-test.refused/2; n != want {
				t.Errorf("%d records, want %d", n, want)
			}
			if n := f.db.Count(`SELECT count(*) FROM patient_profiles`); n != 1 {
				t.Errorf("%d patients", n)
			}
		})
	}
}

// TestImportKnowsAPatientWhoChangedTheirProfile by the name of the earlier import.
func TestImportKnowsAPatientWhoChangedTheirProfile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.importBundle(t, bundle())
	f.db.Exec(`UPDATE users SET first_name = 'Zoe', last_name = 'Married' WHERE username = 'zoe.example.1'`)
	f.db.Exec(`UPDATE patient_profiles SET date_of_birth = '1980-03-01'`)
	if result := f.importBundle(t, bundle()); len(result.Refused) != 0 {
		t.Errorf("refused: %+v", result.Refused)
	}
}

func TestImportRefusesARecordOfNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := bundle()
	b.Records[0].Patient = "mr|unknown"
	result := f.importBundle(t, b)
	if len(result.Refused) != 1 || result.Refused[0].Entry != 2 || len(result.Records) != 0 {
		t.Errorf("result %+v, want the record refused", result)
	}
}

// A bundle is loaded as a whole or not at all.
func TestImportLeavesNothingOfABundleThatFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.db.Exec(`ALTER TABLE health_records ADD CONSTRAINT refuses CHECK (false)`)
	_, err := f.Imports.Load(t.Context(), bundle())
	wantCode(t, err, clinic.CodeInternal)
	if strings.Contains(err.Error(), "Check up") {
		t.Errorf("the error quotes the bundle: %v", err)
	}
	if n := f.db.Count(`SELECT (SELECT count(*) FROM doctor_profiles) + (SELECT count(*) FROM patient_profiles) + (SELECT count(*) FROM health_records)`); n != 0 {
		t.Errorf("%d rows of it are there", n)
	}
}

func TestImportedPeopleCannotLogIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.importBundle(t, bundle())
	// Each has a valid hash of its own, so that a login attempt looks like any other.
	if n := f.db.Count(`SELECT count(DISTINCT password_hash) FROM users WHERE password_hash LIKE '$argon2id$v=19$m=64,t=1,p=1$%'`); n != 2 {
		t.Errorf("%d accounts have a hash of their own, want 2", n)
	}
}

// Two concurrent imports of the same bundle make everything once.
func TestImportsAtTheSameTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const twins = 4
	results := make(chan error, twins)
	for range twins {
		go func() {
			_, err := f.Imports.Load(t.Context(), bundle())
			results <- err
		}()
	}
	for range twins {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if n := f.db.Count(`SELECT (SELECT count(*) FROM users) * 100 + (SELECT count(*) FROM health_records) * 10 + (SELECT count(*) FROM assignments)`); n != 211 {
		t.Errorf("users, records, assignments = %d, want 2, 1, 1", n)
	}
}
