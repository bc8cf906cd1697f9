package testkit

import (
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// RecordOptions describe a health record.
type RecordOptions struct {
	Patient   clinic.Patient
	Type      clinic.RecordType // CHECKUP by default
	Title     string            // "Annual Physical" by default
	VisitDate time.Time         // the time of the insertion by default, as CreatedAt
	CreatedAt time.Time
}

// CommentOptions describe a doctor's comment.
type CommentOptions struct {
	Record  clinic.Record
	Doctor  clinic.Doctor
	Text    string // "Looks fine." by default
	Private bool
}

// AssignmentOptions describe an assignment.
type AssignmentOptions struct {
	Patient           clinic.Patient
	Doctor            clinic.Doctor
	Source            clinic.AssignmentSource // SourceREST by default
	Owner, DeclaredBy string
	StartsAt          time.Time  // an hour ago by default
	EndsAt            *time.Time // of emergency access an hour from now by default
	Reason            string     // "emergency" for emergency access by default
}

// Record inserts a health record, without an event.
func (f *Factory) Record(o RecordOptions) clinic.Record {
	f.t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	r := clinic.Record{
		PatientID: o.Patient.ID, CreatedBy: o.Patient.User, CreatedAt: or(o.CreatedAt, now), Version: 1,
		RecordFields: clinic.RecordFields{
			Type: or(o.Type, clinic.RecordCheckup), Title: or(o.Title, "Annual Physical"), VisitDate: or(o.VisitDate, now),
		},
	}
	r.UpdatedAt = r.CreatedAt
	f.scan(`INSERT INTO health_records (patient_id, created_by, record_type, title, visit_date, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id`,
		[]any{r.PatientID, r.CreatedBy.ID, r.Type, r.Title, r.VisitDate, r.CreatedAt}, &r.ID)
	return r
}

// Comment inserts a doctor's comment, without an event.
func (f *Factory) Comment(o CommentOptions) clinic.Comment {
	f.t.Helper()
	c := clinic.Comment{RecordID: o.Record.ID, Doctor: o.Doctor, Text: or(o.Text, "Looks fine."), Private: o.Private}
	f.scan(`INSERT INTO doctor_comments (record_id, doctor_id, comment, is_private)
		VALUES ($1, $2, $3, $4) RETURNING id, created_at`,
		[]any{c.RecordID, c.Doctor.ID, c.Text, c.Private}, &c.ID, &c.CreatedAt)
	return c
}

// Assignment inserts an assignment, active by default, without an event.
func (f *Factory) Assignment(o AssignmentOptions) clinic.Assignment {
	f.t.Helper()
	a := clinic.Assignment{
		Patient: o.Patient, Doctor: o.Doctor, Source: or(o.Source, clinic.SourceREST), Owner: o.Owner, DeclaredBy: o.DeclaredBy,
		StartsAt: or(o.StartsAt, time.Now().Add(-time.Hour)), EndsAt: o.EndsAt, Reason: o.Reason,
	}
	if a.Source == clinic.SourceBreakGlass {
		a.EndsAt, a.Reason = or(a.EndsAt, new(time.Now().Add(time.Hour))), or(a.Reason, "emergency")
	}
	f.scan(`INSERT INTO assignments (patient_id, doctor_id, source, owner, declared_by, starts_at, ends_at, reason)
		VALUES ($1, $2, $3, nullif($4, ''), nullif($5, ''), $6, $7, $8) RETURNING id, created_at`,
		[]any{a.Patient.ID, a.Doctor.ID, a.Source, a.Owner, a.DeclaredBy, a.StartsAt, a.EndsAt, a.Reason}, &a.ID, &a.CreatedAt)
	return a
}

// EndAssignment ends an assignment now, as an operator in psql would.
func (f *Factory) EndAssignment(a clinic.Assignment) {
	f.t.Helper()
	f.Exec(`UPDATE assignments SET ends_at = greatest(starts_at, now()) WHERE id = $1`, a.ID)
}
