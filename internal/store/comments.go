package store

import (
	"context"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// List lists the comments of a record that the caller may read, oldest first.
func (h Comments) List(ctx context.Context, recordID int64, request clinic.PageRequest) (clinic.Page[clinic.Comment], error) {
	var total int64
	page, err := readPage(listing[clinic.Comment, clinic.Comment]{
		page: request,
		read: func(w window) ([]clinic.Comment, error) {
			var comments commentRows
			reads := h.auditing(clinic.Object{Kind: clinic.ObjectRecord, ID: recordID}, 0).followedBy(following{
				statement{w.reading(dbsqlc.ListComments), []any{recordID, h.seesPrivate(), w.beyondID(!w.Back), w.Offset, w.Limit}}, comments.read,
			})
			row, err := h.q.CountComments(ctx, reads.db, dbsqlc.CountCommentsParams{Caller: h.Who.UserID, SeesPrivate: h.seesPrivate(), RecordID: recordID})
			if err != nil {
				return nil, orNotFound(err, "health record")
			}
			total = row.Total
			return comments, nil
		},
		item:     func(c clinic.Comment) (clinic.Comment, error) { return c, nil },
		total:    func(clinic.Comment) counted { return exactly(total) },
		count:    func() (counted, error) { return exactly(total), nil },
		position: byID(func(c clinic.Comment) int64 { return c.ID }),
	})
	if err != nil {
		return clinic.Page[clinic.Comment]{}, fmt.Errorf("listing comments: %w", err)
	}
	return page, nil
}

// Get returns a comment that the caller may read.
func (h Comments) Get(ctx context.Context, id int64) (clinic.Comment, error) {
	comment, row, err := h.get(ctx, id)
	if err == nil {
		h.AuditPatient(orZero(row.CommentDetail.PatientID), orZero(row.AssignmentID), row.Emergency)
	}
	return comment, err
}

// Find is Get for a request that shows nothing of the comment: the audit row does not name the
// patient. It reports whether the caller sees the comment by emergency access alone.
func (h Comments) Find(ctx context.Context, id int64) (comment clinic.Comment, emergency bool, err error) {
	comment, row, err := h.get(ctx, id)
	if err != nil {
		return clinic.Comment{}, false, err
	}
	return comment, row.Emergency, nil
}

func (h Comments) get(ctx context.Context, id int64) (clinic.Comment, *dbsqlc.GetCommentRow, error) {
	row, err := h.q.GetComment(ctx, h.db, dbsqlc.GetCommentParams{ID: id, Caller: h.Who.UserID, SeesPrivate: h.seesPrivate()})
	if err != nil {
		return clinic.Comment{}, nil, fmt.Errorf("reading a comment: %w", orNotFound(err, "comment"))
	}
	return commentOf(row.CommentDetail), row, nil
}

// Visible reports whether the caller may see the patient's data now.
func (h Patients) Visible(ctx context.Context, id int64) (bool, error) {
	sees, err := h.q.SeesPatient(ctx, h.db, dbsqlc.SeesPatientParams{Caller: h.Who.UserID, PatientID: id})
	if err != nil {
		return false, fmt.Errorf("checking access to a patient: %w", translate(err))
	}
	return sees, nil
}

// Insert adds a comment of the calling doctor, its audit row, and its event unless the comment
// is private. It returns the comment and the patient whose record it is on. It fails with
// CodeNotFound where the doctor is not assigned to that patient.
func (h Comments) Insert(ctx context.Context, recordID int64, text string, private bool) (added clinic.Comment, patientID int64, err error) {
	audited := h.auditsItself(ctx, clinic.ObjectComment)
	row, err := h.q.InsertComment(ctx, h.db, dbsqlc.InsertCommentParams{
		RecordID: recordID, Comment: text, IsPrivate: private,
		Role: audited.Role, Operation: audited.Operation, Reason: audited.Reason, Decision: audited.Decision,
		RequestID: audited.RequestID, Address: audited.Address,
	})
	if err != nil {
		return clinic.Comment{}, 0, fmt.Errorf("adding a comment: %w", orNotFound(err, "health record"))
	}
	return clinic.Comment{
		ID: row.ID, RecordID: recordID, Doctor: doctorOf(row.DoctorProfile, row.Account),
		Text: text, Private: private, CreatedAt: row.CreatedAt, UpdatedAt: row.CreatedAt, Version: 1,
	}, row.PatientID, nil
}

// Own is a locked comment of the calling doctor.
type Own struct {
	RecordID    int64
	Text        string
	Private     bool
	Correctable bool // by the database's clock
}

// Lock keeps one of the calling doctor's comments from changing until the transaction
// ends. It fails with CodeNotFound where the doctor wrote no such comment, is not assigned
// to the patient, or wrote it more than a day ago. It can be corrected within
// lifetime.
func (h Comments) Lock(ctx context.Context, id int64, lifetime time.Duration) (Own, error) {
	row, err := h.q.LockComment(ctx, h.db, dbsqlc.LockCommentParams{ID: id, DoctorID: h.Who.DoctorID, Lifetime: lifetime.Seconds()})
	if err != nil {
		return Own{}, fmt.Errorf("locking a comment: %w", orNotFound(err, "comment"))
	}
	return Own{RecordID: row.RecordID, Text: row.Comment, Private: row.IsPrivate, Correctable: row.Correctable}, nil
}

// Correct gives a locked comment another text.
func (h Comments) Correct(ctx context.Context, id int64, own Own, text string) error {
	row, err := h.q.CorrectComment(ctx, h.db, dbsqlc.CorrectCommentParams{
		ID: id, RecordID: own.RecordID, DoctorID: h.Who.DoctorID, Comment: text,
	})
	if err != nil {
		return fmt.Errorf("correcting a comment: %w", orNotFound(err, "comment"))
	}
	h.AuditPatient(row.PatientID, row.AssignmentID, false)
	return nil
}

func commentOf(c dbsqlc.CommentDetail) clinic.Comment {
	return clinic.Comment{
		ID: c.ID, RecordID: c.RecordID, Text: c.Comment, Private: c.IsPrivate, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt, Version: c.Version,
		Doctor: clinic.Doctor{
			ID: c.DoctorID, Specialization: c.Specialization, LicenseNumber: c.LicenseNumber, YearsOfExperience: int(c.YearsOfExperience),
			User: clinic.User{ID: c.UserID, Username: c.Username, FirstName: c.FirstName, LastName: c.LastName, Role: clinic.RoleDoctor},
		},
	}
}
