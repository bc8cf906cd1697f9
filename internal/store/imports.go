package store

import (
	"context"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// ImportedPerson is an imported account as the database knows it.
type ImportedPerson struct {
	ID       int64 // of the profile
	UserID   int64
	SourceID string
}

// NewPerson is an imported account to make.
type NewPerson struct {
	clinic.ImportedAccount
	PasswordHash string
}

// NewRecord is an imported record to make, or to compare by Digest with the
// one that an earlier import made.
type NewRecord struct {
	clinic.RecordFields
	PatientID int64
	Author    int64 // user id
	SourceID  string
	Digest    []byte // SHA-256 of the content as imported
}

// Lock waits until no other import writes, and keeps others waiting until the
// transaction ends.
func (h Imports) Lock(ctx context.Context) error {
	if err := h.q.LockImport(ctx, h.db); err != nil {
		return fmt.Errorf("waiting for another import: %w", translate(err))
	}
	return nil
}

// People returns the accounts of the role that earlier imports made for
// these identities.
func (h Imports) People(ctx context.Context, role clinic.Role, sourceIDs []string) ([]ImportedPerson, error) {
	if role == clinic.RoleDoctor {
		rows, err := h.q.ImportedDoctors(ctx, h.db, sourceIDs)
		return importedPeople(rows, err)
	}
	rows, err := h.q.ImportedPatients(ctx, h.db, sourceIDs)
	return importedPeople(rows, err)
}

// Strangers returns the identities of those patients of the bundle who are not the ones that an earlier
// import made for them: both the name and the date of birth differ.
func (h Imports) Strangers(ctx context.Context, patients []clinic.ImportedAccount) ([]string, error) {
	var p dbsqlc.OtherPatientsParams
	for _, a := range patients {
		p.SourceIds = append(p.SourceIds, a.SourceID)
		p.FirstNames = append(p.FirstNames, a.FirstName)
		p.LastNames = append(p.LastNames, a.LastName)
		p.DatesOfBirth = append(p.DatesOfBirth, isoDate(a.DateOfBirth))
	}
	ids, err := h.q.OtherPatients(ctx, h.db, p)
	if err != nil {
		return nil, fmt.Errorf("comparing patients: %w", translate(err))
	}
	return ids, nil
}

// isoDate returns the date as the statements take it, "" for none.
func isoDate(date *time.Time) string {
	if date == nil {
		return ""
	}
	return date.Format(time.DateOnly)
}

type importedRow interface {
	dbsqlc.ImportedDoctorsRow | dbsqlc.ImportedPatientsRow | dbsqlc.InsertImportedDoctorsRow | dbsqlc.InsertImportedPatientsRow
}

func importedPeople[R importedRow](rows []*R, err error) ([]ImportedPerson, error) {
	if err != nil {
		return nil, fmt.Errorf("importing accounts: %w", translate(err))
	}
	people := make([]ImportedPerson, 0, len(rows))
	for _, r := range rows {
		people = append(people, ImportedPerson(*r))
	}
	return people, nil
}

// HeldLicenses reports for each license number whether an account has it or it occurs
// earlier in the list, in any spelling.
func (h Imports) HeldLicenses(ctx context.Context, numbers []string) (held []bool, err error) {
	places, err := h.q.HeldLicenses(ctx, h.db, numbers)
	if err != nil {
		return nil, fmt.Errorf("reading license numbers: %w", translate(err))
	}
	return heldAt(places, len(numbers)), nil
}

// HeldUsernames reports for each username whether an account has it or it occurs earlier in the list.
func (h Imports) HeldUsernames(ctx context.Context, usernames []string) (held []bool, err error) {
	places, err := h.q.HeldUsernames(ctx, h.db, usernames)
	if err != nil {
		return nil, fmt.Errorf("reading usernames: %w", translate(err))
	}
	return heldAt(places, len(usernames)), nil
}

func heldAt(places []int64, length int) []bool {
	held := make([]bool, length)
	for _, place := range places {
		held[place-1] = true
	}
	return held
}

// InsertPatients makes accounts of patients.
func (h Imports) InsertPatients(ctx context.Context, people []NewPerson) ([]ImportedPerson, error) {
	var p dbsqlc.InsertImportedPatientsParams
	for _, n := range people {
		p.SourceIds = append(p.SourceIds, n.SourceID)
		p.Usernames = append(p.Usernames, n.Username)
		p.PasswordHashes = append(p.PasswordHashes, n.PasswordHash)
		p.Emails = append(p.Emails, n.Email)
		p.FirstNames = append(p.FirstNames, n.FirstName)
		p.LastNames = append(p.LastNames, n.LastName)
		p.PhoneNumbers = append(p.PhoneNumbers, n.PhoneNumber)
		p.DatesOfBirth = append(p.DatesOfBirth, isoDate(n.DateOfBirth))
		p.Addresses = append(p.Addresses, n.Address)
		p.EmergencyContacts = append(p.EmergencyContacts, n.EmergencyContact)
	}
	rows, err := h.q.InsertImportedPatients(ctx, h.db, p)
	return importedPeople(rows, err)
}

// InsertDoctors makes accounts of doctors.
func (h Imports) InsertDoctors(ctx context.Context, people []NewPerson) ([]ImportedPerson, error) {
	var p dbsqlc.InsertImportedDoctorsParams
	for _, n := range people {
		p.SourceIds = append(p.SourceIds, n.SourceID)
		p.Usernames = append(p.Usernames, n.Username)
		p.PasswordHashes = append(p.PasswordHashes, n.PasswordHash)
		p.Emails = append(p.Emails, n.Email)
		p.FirstNames = append(p.FirstNames, n.FirstName)
		p.LastNames = append(p.LastNames, n.LastName)
		p.PhoneNumbers = append(p.PhoneNumbers, n.PhoneNumber)
		p.Specializations = append(p.Specializations, n.Specialization)
		p.LicenseNumbers = append(p.LicenseNumbers, n.LicenseNumber)
		p.Verified = append(p.Verified, n.Verified)
	}
	rows, err := h.q.InsertImportedDoctors(ctx, h.db, p)
	return importedPeople(rows, err)
}

// WriteRecords makes the records that are new and changes those whose digest
// differs from that of their last import. No two may have the same
// patient and SourceID. It returns the counts by type; Unchanged is 0.
func (h Imports) WriteRecords(ctx context.Context, records []NewRecord) (map[clinic.RecordType]clinic.ImportCounts, error) {
	var p dbsqlc.ImportRecordsParams
	for _, r := range records {
		p.PatientIDs = append(p.PatientIDs, r.PatientID)
		p.Authors = append(p.Authors, r.Author)
		p.RecordTypes = append(p.RecordTypes, string(r.Type))
		p.Titles = append(p.Titles, r.Title)
		p.Descriptions = append(p.Descriptions, r.Description)
		p.Symptoms = append(p.Symptoms, r.Symptoms)
		p.Diagnoses = append(p.Diagnoses, r.Diagnosis)
		p.Treatments = append(p.Treatments, r.Treatment)
		p.Medications = append(p.Medications, r.Medications)
		p.VisitDates = append(p.VisitDates, r.VisitDate)
		p.SourceIds = append(p.SourceIds, r.SourceID)
		p.SourceDigests = append(p.SourceDigests, r.Digest)
	}
	rows, err := h.q.ImportRecords(ctx, h.db, p)
	if err != nil {
		return nil, fmt.Errorf("importing records: %w", translate(err))
	}
	counts := map[clinic.RecordType]clinic.ImportCounts{}
	for _, r := range rows {
		c := counts[clinic.RecordType(r.RecordType)]
		if r.Created {
			c.Created++
		} else {
			c.Updated++
		}
		counts[clinic.RecordType(r.RecordType)] = c
	}
	return counts, nil
}

// AssignCareTeam locks the doctors and assigns each to the patient at the same
// index, by profile id, unless the pair was ever assigned or the doctor cannot be.
// It returns how many it assigned.
func (h Imports) AssignCareTeam(ctx context.Context, patientIDs, doctorIDs []int64, reason string) (int, error) {
	if err := h.q.LockDoctors(ctx, h.db, doctorIDs); err != nil {
		return 0, fmt.Errorf("locking doctors: %w", translate(err))
	}
	n, err := h.q.AssignCareTeam(ctx, h.db, dbsqlc.AssignCareTeamParams{
		PatientIDs: patientIDs, DoctorIDs: doctorIDs, Reason: reason,
	})
	if err != nil {
		return 0, fmt.Errorf("assigning care teams: %w", translate(err))
	}
	return int(n), nil
}
