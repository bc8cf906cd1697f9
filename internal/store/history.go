package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// inError is the prefix of the column record_type of a record that was entered in error: see migration 00030.
const inError = "ENTERED_IN_ERROR:"

// storedType is the column record_type of a record of the type, which was entered in error if there is a reason.
func storedType(kind clinic.RecordType, errorReason string) string {
	if errorReason != "" {
		return inError + string(kind)
	}
	return string(kind)
}

func typeOf(stored string) clinic.RecordType {
	return clinic.RecordType(strings.TrimPrefix(stored, inError))
}

// storedTypes are the values of the column that the filter selects.
func storedTypes(filter clinic.RecordFilter) []string {
	kinds := clinic.RecordTypes()
	if filter.Type != "" {
		kinds = []clinic.RecordType{filter.Type}
	}
	stored := make([]string, 0, 2*len(kinds))
	for _, kind := range kinds {
		if !filter.EnteredInError {
			stored = append(stored, string(kind))
		}
		if filter.EnteredInError || filter.Deleted {
			stored = append(stored, inError+string(kind))
		}
	}
	return stored
}

// ofDeleted returns the handle's database for a statement about deleted records, which it reads in place of the others.
func (h handle) ofDeleted() dbsqlc.DBTX { return ordered{h.db, strings.NewReplacer(deletedMarks()...)} }

func deletedMarks() []string {
	return []string{
		"health_records/*records*/", "deleted_records", "callers_records/*records*/", "deleted_records",
		"record_details/*records*/", "deleted_record_details",
	}
}

// GetDeleted returns a record that is deleted, if the caller might read it otherwise.
func (h Records) GetDeleted(ctx context.Context, id int64) (clinic.Record, error) {
	return h.get(ctx, id, handle.ofDeleted)
}

// Versions lists the versions of a record that the caller may read, the latest first.
func (h Records) Versions(ctx context.Context, id int64, request clinic.PageRequest) (clinic.Page[clinic.RecordVersion], error) {
	var total counted
	page, err := readPage(listing[dbsqlc.RecordVersionDetail, clinic.RecordVersion]{
		page: request,
		read: func(w window) (versions []dbsqlc.RecordVersionDetail, err error) {
			reads := h.auditing(clinic.Object{Kind: clinic.ObjectRecord, ID: id}, 0).followedBy(following{
				statement{w.reading(dbsqlc.ListRecordVersions), []any{id, w.beyondID(w.Back), w.Limit + w.Offset, w.Offset, w.Limit}},
				func(rows pgx.Rows) (err error) {
					versions, err = pgx.CollectRows(rows, pgx.RowToStructByPos[dbsqlc.RecordVersionDetail])
					return err
				},
			})
			row, err := h.q.CountRecordVersions(ctx, reads.db, dbsqlc.CountRecordVersionsParams{Caller: h.Who.UserID, RecordID: id, CountUpTo: countUpTo})
			if err != nil {
				return nil, orNotFound(err, "health record")
			}
			total = upTo(row.Total)
			return versions, nil
		},
		item:     func(v dbsqlc.RecordVersionDetail) (clinic.RecordVersion, error) { return versionOf(v), nil },
		total:    func(dbsqlc.RecordVersionDetail) counted { return total },
		count:    func() (counted, error) { return total, nil },
		position: byID(func(v clinic.RecordVersion) int64 { return v.Version }),
	})
	if err != nil {
		return clinic.Page[clinic.RecordVersion]{}, fmt.Errorf("listing the versions of a record: %w", err)
	}
	return page, nil
}

// Version returns one version of a record that the caller may read.
func (h Records) Version(ctx context.Context, id, version int64) (clinic.RecordVersion, error) {
	reads := h.auditing(clinic.Object{Kind: clinic.ObjectRecord, ID: id}, 0)
	row, err := h.q.GetRecordVersion(ctx, reads.db, dbsqlc.GetRecordVersionParams{Caller: h.Who.UserID, RecordID: id, Version: version})
	if err != nil {
		return clinic.RecordVersion{}, fmt.Errorf("reading a version of a record: %w", orNotFound(err, "version"))
	}
	return versionOf(row.RecordVersionDetail), nil
}

// Compare returns two versions of a record that the caller may read.
func (h Records) Compare(ctx context.Context, id, from, to int64) (older, newer clinic.RecordVersion, err error) {
	reads := h.auditing(clinic.Object{Kind: clinic.ObjectRecord, ID: id}, 0)
	row, err := h.q.CompareRecordVersions(ctx, reads.db, dbsqlc.CompareRecordVersionsParams{
		Caller: h.Who.UserID, RecordID: id, Version: from, Other: to,
	})
	if err != nil {
		return older, newer, fmt.Errorf("comparing versions of a record: %w", orNotFound(err, "version"))
	}
	return versionOf(row.RecordVersionDetail), versionOf(row.RecordVersionDetail_2), nil
}

// Restore makes a deleted record of the calling patient again, as it was in the version; 0: before it was deleted. It fails
// with CodeNotFound if the patient deleted no such record, or if it has no such version.
func (h Records) Restore(ctx context.Context, id, version int64) error {
	if _, err := h.q.RestoreRecord(ctx, h.db, dbsqlc.RestoreRecordParams{ID: id, Version: version}); err != nil {
		return fmt.Errorf("restoring a record: %w", orNotFound(err, "health record"))
	}
	return nil
}

// Versions lists the texts of a comment that the caller may read, the latest first.
func (h Comments) Versions(ctx context.Context, id int64, request clinic.PageRequest) (clinic.Page[clinic.CommentVersion], error) {
	var total int64
	page, err := readPage(listing[dbsqlc.ListCommentVersionsRow, clinic.CommentVersion]{
		page: request,
		read: func(w window) (versions []dbsqlc.ListCommentVersionsRow, err error) {
			reads := h.auditing(clinic.Object{Kind: clinic.ObjectComment, ID: id}, 0).followedBy(following{
				statement{w.reading(dbsqlc.ListCommentVersions), []any{id, h.seesPrivate(), w.beyondID(w.Back), w.Offset, w.Limit}},
				func(rows pgx.Rows) (err error) {
					versions, err = pgx.CollectRows(rows, pgx.RowToStructByPos[dbsqlc.ListCommentVersionsRow])
					return err
				},
			})
			row, err := h.q.CountCommentVersions(ctx, reads.db, dbsqlc.CountCommentVersionsParams{
				Caller: h.Who.UserID, CommentID: id, SeesPrivate: h.seesPrivate(),
			})
			if err != nil {
				return nil, orNotFound(err, "comment")
			}
			total = row.Total
			return versions, nil
		},
		item: func(v dbsqlc.ListCommentVersionsRow) (clinic.CommentVersion, error) {
			return clinic.CommentVersion{Version: v.Version, Text: v.Comment, ChangedAt: v.UpdatedAt}, nil
		},
		total:    func(dbsqlc.ListCommentVersionsRow) counted { return exactly(total) },
		count:    func() (counted, error) { return exactly(total), nil },
		position: byID(func(v clinic.CommentVersion) int64 { return v.Version }),
	})
	if err != nil {
		return clinic.Page[clinic.CommentVersion]{}, fmt.Errorf("listing the versions of a comment: %w", err)
	}
	return page, nil
}

func versionOf(v dbsqlc.RecordVersionDetail) clinic.RecordVersion {
	version := clinic.RecordVersion{
		Version: v.Version,
		RecordFields: clinic.RecordFields{
			Type: typeOf(v.RecordType), Title: v.Title, Description: v.Description, Symptoms: v.Symptoms,
			Diagnosis: v.Diagnosis, Treatment: v.Treatment, Medications: v.Medications, VisitDate: v.VisitDate,
			Language: clinic.Language(orZero(v.Language)),
		},
		ErrorReason: orZero(v.ErrorReason), ChangedAt: v.UpdatedAt, Changed: v.Changed, DeletedAt: v.DeletedAt, RestoredAt: v.RestoredAt,
	}
	if v.UserID != nil {
		version.ChangedBy = &clinic.User{
			ID: *v.UserID, Username: orZero(v.Username), Email: orZero(v.Email), FirstName: orZero(v.FirstName),
			LastName: orZero(v.LastName), Role: clinic.Role(orZero(v.Role)),
		}
	}
	return version
}
