package service

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// careTeamReason is the reason in the history of an assignment that an import made.
const careTeamReason = "imported care team"

// Imports are the use cases that load the data of other systems.
type Imports struct {
	db        *store.DB
	passwords *token.Hasher
	directory DirectoryCache
}

// NewImports returns the use cases; directory may be nil for no cache.
func NewImports(db *store.DB, passwords *token.Hasher, directory DirectoryCache) *Imports {
	return &Imports{db: db, passwords: passwords, directory: directory}
}

// Load writes a bundle of another system, all or nothing, and
// notifies nobody: it is history. Objects that were imported before are found again by their
// SourceID. An existing account is left as it is, since its owner maintains it; a record
// is changed when its source changed. Entries that are invalid, or belong to nobody
// known, are refused and the rest imported. A bundle that Postgres rolls back because of
// concurrent transactions is tried once more. It is for the command line and never reachable over
// the network.
func (s *Imports) Load(ctx context.Context, bundle clinic.Import) (clinic.ImportResult, error) {
	valid, refused, leftOut := bundle.Check()
	i := importing{bundle: valid, hash: s.passwords.Unusable}
	actor := clinic.Caller{Role: clinic.ActorImport, Request: clinic.Request{Operation: "import"}}
	write := func() error {
		return s.db.Audited(ctx, actor, clinic.Object{Kind: clinic.ObjectImport}, func(h store.Handle) error {
			i.result = clinic.ImportResult{
				Accounts: map[clinic.Role]clinic.ImportCounts{},
				Records:  map[clinic.RecordType]clinic.ImportCounts{},
				Refused:  slices.Clone(refused),
				LeftOut:  leftOut,
			}
			return i.write(ctx, h)
		})
	}
	err := write()
	if store.RolledBack(err) {
		err = write()
	}
	if err != nil {
		return clinic.ImportResult{}, fmt.Errorf("importing a bundle: %w", err)
	}
	if i.result.Accounts[clinic.RoleDoctor].Created > 0 {
		directoryChanged(ctx, s.directory)
	}
	return i.result, nil
}

// RolledBack reports whether Load failed, twice, because of concurrent transactions:
// the next bundle may succeed.
func RolledBack(err error) bool { return store.RolledBack(err) }

// importing is the state of one bundle while it is loaded.
type importing struct {
	bundle            clinic.Import
	hash              func() string
	doctors, patients map[string]store.ImportedPerson // by SourceID
	result            clinic.ImportResult
}

func (i *importing) write(ctx context.Context, h store.Handle) error {
	if err := h.Imports().Lock(ctx); err != nil {
		return err
	}
	var err error
	if i.doctors, err = i.people(ctx, h, clinic.RoleDoctor); err != nil {
		return err
	}
	if i.patients, err = i.people(ctx, h, clinic.RolePatient); err != nil {
		return err
	}
	for _, p := range i.patients {
		h.AuditPatient(p.ID, 0, false)
	}
	if err := i.records(ctx, h); err != nil {
		return err
	}
	return i.careTeam(ctx, h)
}

// people makes the missing accounts of the role, and returns
// them with all others that the bundle names.
func (i *importing) people(ctx context.Context, h store.Handle, role clinic.Role) (map[string]store.ImportedPerson, error) {
	found, err := h.Imports().People(ctx, role, i.named(role))
	if err != nil {
		return nil, err
	}
	known := map[string]store.ImportedPerson{}
	for _, p := range found {
		known[p.SourceID] = p
	}
	strangers, err := i.strangers(ctx, h, role)
	if err != nil {
		return nil, err
	}
	for _, id := range strangers { // so that their records are refused, too
		delete(known, id)
	}
	var missing []store.NewPerson
	counts := clinic.ImportCounts{}
	for _, a := range i.bundle.Accounts {
		if a.Role != role {
			continue
		}
		if slices.Contains(strangers, a.SourceID) {
			i.refuse(a.Entry, "an earlier import knows another person, with another name and date of birth, by this identity")
			continue
		}
		if _, ok := known[a.SourceID]; ok {
			counts.Unchanged++
			continue
		}
		missing = append(missing, store.NewPerson{ImportedAccount: a, PasswordHash: i.hash()})
	}
	made, err := i.makePeople(ctx, h, role, missing)
	for _, p := range made {
		known[p.SourceID] = p
	}
	counts.Created = len(made)
	i.result.Accounts[role] = counts
	return known, err
}

// strangers returns the identities of patients under which an earlier import made somebody else. Doctors have no date of
// birth to tell them apart by.
func (i *importing) strangers(ctx context.Context, h store.Handle, role clinic.Role) ([]string, error) {
	if role != clinic.RolePatient {
		return nil, nil
	}
	var patients []clinic.ImportedAccount
	for _, a := range i.bundle.Accounts {
		if a.Role == role {
			patients = append(patients, a)
		}
	}
	return h.Imports().Strangers(ctx, patients)
}

// named returns the SourceIDs of all people in the bundle who have, or may have,
// the role.
func (i *importing) named(role clinic.Role) []string {
	var ids []string
	for _, a := range i.bundle.Accounts {
		if a.Role == role {
			ids = append(ids, a.SourceID)
		}
	}
	for _, r := range i.bundle.Records {
		if role == clinic.RolePatient {
			ids = append(ids, r.Patient)
		} else {
			ids = append(ids, r.Author)
		}
	}
	for _, m := range i.bundle.CareTeam {
		if role == clinic.RolePatient {
			ids = append(ids, m.Patient)
		} else {
			ids = append(ids, m.Doctor)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (i *importing) makePeople(ctx context.Context, h store.Handle, role clinic.Role, missing []store.NewPerson) ([]store.ImportedPerson, error) {
	if len(missing) == 0 {
		return nil, nil
	}
	var usernames, licenses []string
	for _, p := range missing {
		usernames = append(usernames, p.Username)
	}
	held, err := h.Imports().HeldUsernames(ctx, usernames)
	if err != nil {
		return nil, err
	}
	missing = i.free(missing, held, "another account has its username")
	if role == clinic.RolePatient {
		return h.Imports().InsertPatients(ctx, missing)
	}
	for _, p := range missing {
		licenses = append(licenses, p.LicenseNumber)
	}
	if held, err = h.Imports().HeldLicenses(ctx, licenses); err != nil {
		return nil, err
	}
	return h.Imports().InsertDoctors(ctx, i.free(missing, held, "another account has this license number"))
}

// free returns the people whose names are not held, and refuses the others.
func (i *importing) free(people []store.NewPerson, held []bool, reason string) []store.NewPerson {
	var free []store.NewPerson
	for n, p := range people {
		if held[n] {
			i.refuse(p.Entry, reason)
			continue
		}
		free = append(free, p)
	}
	return free
}

func (i *importing) refuse(entry int, reason string) {
	i.result.Refused = append(i.result.Refused, clinic.ImportRefusal{Entry: entry, Reason: reason})
}

func (i *importing) records(ctx context.Context, h store.Handle) error {
	var rows []store.NewRecord
	sent := map[clinic.RecordType]int{}
	for _, r := range i.bundle.Records {
		patient, ok := i.patients[r.Patient]
		if !ok {
			i.refuse(r.Entry, "its patient is unknown")
			continue
		}
		row, err := newRecord(r, patient)
		if err != nil {
			return err
		}
		if doctor, ok := i.doctors[r.Author]; ok {
			row.Author = doctor.UserID
		}
		rows = append(rows, row)
		sent[r.Type]++
	}
	changed, err := h.Imports().WriteRecords(ctx, rows)
	if err != nil {
		return err
	}
	for kind, n := range sent {
		c := changed[kind]
		c.Unchanged = n - c.Created - c.Updated
		i.result.Records[kind] = c
	}
	return nil
}

func newRecord(r clinic.ImportedRecord, patient store.ImportedPerson) (store.NewRecord, error) {
	r.VisitDate = r.VisitDate.UTC()
	content, err := json.Marshal(r.RecordFields)
	if err != nil {
		return store.NewRecord{}, fmt.Errorf("digesting a record: %w", err)
	}
	digest := sha256.Sum256(content)
	return store.NewRecord{
		RecordFields: r.RecordFields, PatientID: patient.ID, Author: patient.UserID, SourceID: r.SourceID, Digest: digest[:],
	}, nil
}

func (i *importing) careTeam(ctx context.Context, h store.Handle) error {
	var patients, doctors []int64
	for _, m := range i.bundle.CareTeam {
		patient, hasPatient := i.patients[m.Patient]
		doctor, hasDoctor := i.doctors[m.Doctor]
		if hasPatient && hasDoctor {
			patients, doctors = append(patients, patient.ID), append(doctors, doctor.ID)
		}
	}
	created, err := h.Imports().AssignCareTeam(ctx, patients, doctors, careTeamReason)
	i.result.Assignments = clinic.ImportCounts{Created: created, Unchanged: len(patients) - created}
	return err
}
