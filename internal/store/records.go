package store

import (
	"context"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// List lists the records that the caller may read.
func (h Records) List(ctx context.Context, filter clinic.RecordFilter, request clinic.PageRequest) (clinic.Page[clinic.Record], error) {
	since, until := bounds(filter.From, filter.To)
	var comments commentRows
	counts := filter.From != nil || filter.To != nil || filter.Deleted // no count is kept for these
	page, err := readPage(listing[*dbsqlc.ListRecordsRow, clinic.Record]{
		page: request,
		read: func(w window) ([]*dbsqlc.ListRecordsRow, error) {
			up := ascending(filter.Order) != w.Back
			first, last := since, until
			if byCreation(filter.Order) { // the period is about visits
				first, last = bounds(nil, nil)
			}
			key, err := w.beyondKey(up, first, last)
			if err != nil {
				return nil, err
			}
			h := h.auditing(ofPatient(clinic.ObjectRecord, filter.PatientID), w.shown()).
				followedBy(commentsOfPage(h.seesPrivate(), &comments))
			return h.q.ListRecords(ctx, h.readingRecords(w, filter), dbsqlc.ListRecordsParams{
				Caller: h.Who.UserID, PatientID: filter.PatientID, RecordTypes: storedTypes(filter), Since: since, Until: until,
				BeyondKey: key, BeyondID: w.beyondID(up), Most: w.Limit, Skip: w.Offset, Depth: w.Limit + w.Offset,
				Dated: counts, CountUpTo: countUpTo,
			})
		},
		item: func(r *dbsqlc.ListRecordsRow) (clinic.Record, error) {
			return recordOf(dbsqlc.RecordDetail{
				ID: r.ID, PatientID: r.PatientID, CreatedBy: r.CreatedBy, RecordType: r.RecordType, Title: r.Title, Description: r.Description,
				Symptoms: r.Symptoms, Diagnosis: r.Diagnosis, Treatment: r.Treatment, Medications: r.Medications, VisitDate: r.VisitDate,
				Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
				Username: r.Username, Email: r.Email, FirstName: r.FirstName, LastName: r.LastName, Role: r.Role,
				ErrorReason: r.ErrorReason, Language: r.Language, DeletedAt: r.DeletedAt,
			}, comments.of(r.ID)), nil
		},
		total: func(r *dbsqlc.ListRecordsRow) counted { return countedRecords(r.Total, r.TotalIsLowerBound) },
		count: func() (counted, error) {
			row, err := h.q.CountRecords(ctx, h.readingRecords(window{}, filter), dbsqlc.CountRecordsParams{
				Caller: h.Who.UserID, PatientID: filter.PatientID, RecordTypes: storedTypes(filter), Since: since, Until: until,
				Dated: counts, CountUpTo: countUpTo,
			})
			if err != nil {
				return counted{}, err
			}
			return countedRecords(row.Total, row.TotalIsLowerBound), nil
		},
		position: func(r clinic.Record) (string, int64) { return recordKey(filter.Order, r), r.ID },
	})
	if err != nil {
		return clinic.Page[clinic.Record]{}, fmt.Errorf("listing records: %w", err)
	}
	return page, nil
}

// countedRecords is upTo for a statement that tells itself whether it stopped: of those that it read, fewer may have the type.
func countedRecords(rows int64, stopped bool) counted {
	if stopped {
		rows = min(rows, clinic.MaxCount)
	}
	return counted{rows, stopped}
}

// Get returns a record that the caller may read.
func (h Records) Get(ctx context.Context, id int64) (clinic.Record, error) {
	return h.get(ctx, id, func(reads handle) dbsqlc.DBTX { return reads.db })
}

// get reads a record by the statement GetRecord, on the database that on returns.
func (h Records) get(ctx context.Context, id int64, on func(handle) dbsqlc.DBTX) (clinic.Record, error) {
	var comments commentRows
	reads := h.auditing(clinic.Object{Kind: clinic.ObjectRecord, ID: id}, 0).followedBy(commentsOfPage(h.seesPrivate(), &comments))
	row, err := h.q.GetRecord(ctx, on(reads), dbsqlc.GetRecordParams{ID: id, Caller: h.Who.UserID})
	if err != nil {
		return clinic.Record{}, fmt.Errorf("reading a record: %w", orNotFound(err, "health record"))
	}
	return recordOf(row.RecordDetail, comments), nil
}

// Check fails with CodeNotFound unless the caller may read the record. It reports
// whether they may by emergency access alone.
func (h Records) Check(ctx context.Context, id int64) (emergency bool, err error) {
	seen, err := h.q.CheckRecord(ctx, h.db, dbsqlc.CheckRecordParams{ID: id, Caller: h.Who.UserID})
	if err != nil {
		return false, fmt.Errorf("checking a record: %w", orNotFound(err, "health record"))
	}
	h.AuditPatient(seen.PatientID, orZero(seen.AssignmentID), seen.Emergency)
	return seen.Emergency, nil
}

// Lock returns one of the calling patient's records, and keeps it, and the number of its
// comments, from changing until the transaction ends.
func (h Records) Lock(ctx context.Context, id int64) (clinic.Record, error) {
	var comments commentRows
	r, err := h.q.LockRecord(ctx, h.followedBy(commentsOfPage(h.seesPrivate(), &comments)).db, id)
	if err != nil {
		return clinic.Record{}, fmt.Errorf("locking a record: %w", orNotFound(err, "health record"))
	}
	h.AuditPatient(r.PatientID, 0, false)
	return recordOf(dbsqlc.RecordDetail(*r), comments), nil
}

// Insert adds a record of the calling patient, its event and its audit row.
func (h Records) Insert(ctx context.Context, f clinic.RecordFields) (clinic.Record, error) {
	audited := h.auditsItself(ctx, clinic.ObjectRecord)
	row, err := h.q.InsertRecord(ctx, h.db, dbsqlc.InsertRecordParams{
		Caller: h.Who.UserID, RecordType: string(f.Type), Title: f.Title, Description: f.Description, Symptoms: f.Symptoms,
		Diagnosis: f.Diagnosis, Treatment: f.Treatment, Medications: f.Medications, VisitDate: f.VisitDate, Language: languageOf(f),
		Role: audited.Role, Operation: audited.Operation, Reason: audited.Reason, Decision: audited.Decision,
		RequestID: audited.RequestID, Address: audited.Address,
	})
	if err != nil {
		return clinic.Record{}, fmt.Errorf("adding a record: %w", translate(err))
	}
	f.VisitDate = row.VisitDate // as stored: in microseconds
	return clinic.Record{
		ID: row.ID, PatientID: row.PatientID, RecordFields: f,
		CreatedBy: clinic.User{
			ID: h.Who.UserID, Username: row.Username, Email: row.Email, FirstName: row.FirstName, LastName: row.LastName, Role: clinic.Role(row.Role),
		},
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt, Version: row.Version,
	}, nil
}

// Update sets the fields of a locked record and its mark, writes the audit row, and commits. It returns what the record is now.
func (h Records) Update(ctx context.Context, r clinic.Record) (clinic.Record, error) {
	audited := h.auditsItself(ctx, clinic.ObjectRecord)
	row, err := h.q.UpdateRecord(ctx, h.last(), dbsqlc.UpdateRecordParams{
		ID: r.ID, RecordType: storedType(r.Type, r.ErrorReason), Title: r.Title, Description: r.Description, Symptoms: r.Symptoms,
		Diagnosis: r.Diagnosis, Treatment: r.Treatment, Medications: r.Medications, VisitDate: r.VisitDate, ErrorReason: orNil(r.ErrorReason),
		Language: languageOf(r.RecordFields),
		Role:     audited.Role, Operation: audited.Operation, Reason: audited.Reason, Decision: audited.Decision,
		RequestID: audited.RequestID, Address: audited.Address,
	})
	if err != nil {
		return clinic.Record{}, fmt.Errorf("changing a record: %w", orNotFound(err, "health record"))
	}
	r.VisitDate, r.Version, r.UpdatedAt = row.VisitDate, row.Version, row.UpdatedAt
	return r, nil
}

// Delete removes a record of the calling patient from the others. Its versions and comments stay.
func (h Records) Delete(ctx context.Context, id int64) error {
	n, err := h.q.DeleteRecord(ctx, h.db, dbsqlc.DeleteRecordParams{ID: id, PatientID: h.Who.PatientID})
	if err != nil {
		return fmt.Errorf("deleting a record: %w", translate(err))
	}
	if n == 0 {
		return clinic.NotFound("health record")
	}
	h.AuditPatient(h.Who.PatientID, 0, false)
	return nil
}

// seesPrivate reports whether the caller sees private comments, on records
// that they may read at all.
func (h handle) seesPrivate() bool { return h.Who.Role == clinic.RoleDoctor }

func recordOf(r dbsqlc.RecordDetail, comments []clinic.Comment) clinic.Record {
	return clinic.Record{
		ID: r.ID, PatientID: r.PatientID, Comments: comments,
		CreatedBy: clinic.User{
			ID: r.CreatedBy, Username: r.Username, Email: r.Email, FirstName: r.FirstName, LastName: r.LastName, Role: clinic.Role(r.Role),
		},
		RecordFields: clinic.RecordFields{
			Type: typeOf(r.RecordType), Title: r.Title, Description: r.Description, Symptoms: r.Symptoms,
			Diagnosis: r.Diagnosis, Treatment: r.Treatment, Medications: r.Medications, VisitDate: r.VisitDate,
			Language: clinic.Language(orZero(r.Language)),
		},
		ErrorReason: orZero(r.ErrorReason), CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, DeletedAt: r.DeletedAt, Version: r.Version,
	}
}

// languageOf is the stored language: null is that of the installation.
func languageOf(f clinic.RecordFields) *string {
	if f.Language == "" {
		return nil
	}
	language := string(f.Language)
	return &language
}

// ofPatient is a list of the kind, or the part of it about one patient.
func ofPatient(kind clinic.ObjectKind, patientID int64) clinic.Object {
	if patientID != 0 {
		return clinic.Object{Kind: clinic.ObjectPatient, ID: patientID}
	}
	return clinic.Object{Kind: kind}
}

func recordKey(order clinic.RecordOrder, r clinic.Record) string {
	key := r.VisitDate
	if byCreation(order) {
		key = r.CreatedAt
	}
	return key.Format(time.RFC3339Nano)
}

// bounds are the period of a filter, or all times.
func bounds(from, to *time.Time) (since, until time.Time) {
	since, until = beginningOfTime(), endOfTime()
	if from != nil {
		since = *from
	}
	if to != nil {
		until = *to
	}
	return since, until
}
