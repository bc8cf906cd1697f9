package clinic

import "time"

// RecordType is the kind of visit or finding a record documents.
type RecordType string

// The record types of the API.
const (
	RecordCheckup      RecordType = "CHECKUP"
	RecordDiagnosis    RecordType = "DIAGNOSIS"
	RecordPrescription RecordType = "PRESCRIPTION"
	RecordLabResult    RecordType = "LAB_RESULT"
	RecordEmergency    RecordType = "EMERGENCY"
)

// RecordTypes lists every type in the order the documentation shows.
func RecordTypes() []RecordType {
	return []RecordType{RecordCheckup, RecordDiagnosis, RecordPrescription, RecordLabResult, RecordEmergency}
}

// Record is a health record as one caller sees it: Comments has only those
// that the caller may read.
type Record struct {
	ID        int64
	PatientID int64
	CreatedBy User
	RecordFields
	ErrorReason string    // why the record was marked as entered in error; "" if it was not
	Comments    []Comment // oldest first
	CreatedAt   time.Time
	UpdatedAt   time.Time
	DeletedAt   *time.Time // nil: not deleted
	Version     int64      // grows by one with each change of the record itself
}

// RecordFields are the fields a patient writes.
type RecordFields struct {
	Type        RecordType
	Title       string
	Description string
	Symptoms    string
	Diagnosis   string
	Treatment   string
	Medications string
	VisitDate   time.Time
	// Language is that of the texts, for the search; "": that of the installation. Imports digest the fields: without a
	// language, the digest is that of former releases.
	Language Language `json:",omitempty"`
}

// RecordChange has the fields to set; nil leaves a field as it is.
type RecordChange struct {
	Type                                                            *RecordType
	Title, Description, Symptoms, Diagnosis, Treatment, Medications *string
	VisitDate                                                       *time.Time
	Language                                                        *Language
}

// Apply returns the fields after the change.
func (c RecordChange) Apply(f RecordFields) RecordFields {
	set(&f.Type, c.Type)
	set(&f.Title, c.Title)
	set(&f.Description, c.Description)
	set(&f.Symptoms, c.Symptoms)
	set(&f.Diagnosis, c.Diagnosis)
	set(&f.Treatment, c.Treatment)
	set(&f.Medications, c.Medications)
	set(&f.VisitDate, c.VisitDate)
	set(&f.Language, c.Language)
	return f
}

// Without returns the change without the fields that already have the value. A stored text need not follow the present
// rules, and those who send it back do not change it.
func (c RecordChange) Without(f RecordFields) RecordChange {
	drop(&c.Type, f.Type)
	drop(&c.Title, f.Title)
	drop(&c.Description, f.Description)
	drop(&c.Symptoms, f.Symptoms)
	drop(&c.Diagnosis, f.Diagnosis)
	drop(&c.Treatment, f.Treatment)
	drop(&c.Medications, f.Medications)
	drop(&c.Language, f.Language)
	if c.VisitDate != nil && c.VisitDate.Truncate(time.Microsecond).Equal(f.VisitDate) { // as it is stored
		c.VisitDate = nil
	}
	return c
}

// drop leaves a field as it is, if it already has the value.
func drop[T comparable](value **T, stored T) {
	if *value != nil && **value == stored {
		*value = nil
	}
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// Revision names one state of a record as a reader saw it; an ETag expresses
// it. Comments and Corrections count only those that the reader may see, so that a private
// comment does not show in a patient's ETag.
type Revision struct {
	Version     int64
	Comments    int
	Corrections int64 // of the comments
}

// Revision returns the state the caller was shown.
func (r Record) Revision() Revision {
	shown := Revision{Version: r.Version, Comments: len(r.Comments)}
	for _, c := range r.Comments {
		shown.Corrections += c.Version - 1
	}
	return shown
}

// RecordFilter narrows a list of records; zero values do not narrow.
type RecordFilter struct {
	Type           RecordType
	PatientID      int64
	From, To       *time.Time // visit date, From inclusive, To exclusive
	Order          RecordOrder
	EnteredInError bool // those that were entered in error, in place of those that were not
	Deleted        bool // those that are deleted, in place of those that are not; with EnteredInError only those of both kinds
}

// RecordOrder is the sort of a list of records; ties are broken by id in the
// same direction.
type RecordOrder string

// The orders, as the API spells them. The zero value means OrderVisitDesc.
const (
	OrderVisitDesc   RecordOrder = "-visit_date"
	OrderVisitAsc    RecordOrder = "visit_date"
	OrderCreatedDesc RecordOrder = "-created_at"
	OrderCreatedAsc  RecordOrder = "created_at"
)

// RecordOrders lists every order.
func RecordOrders() []RecordOrder {
	return []RecordOrder{OrderVisitDesc, OrderVisitAsc, OrderCreatedDesc, OrderCreatedAsc}
}

// Comment is a doctor's remark on a record. A private one is for doctors only.
type Comment struct {
	ID        int64
	RecordID  int64
	Doctor    Doctor
	Text      string
	Private   bool
	CreatedAt time.Time
	UpdatedAt time.Time // of the last correction, else CreatedAt
	Version   int64     // of the text, from 1
}

// CommentFinal means that the author can no longer correct the comment.
func CommentFinal() *Error {
	return Conflict("comment_final", "the time in which this comment could be corrected is over; add another comment")
}
