package clinic

import "time"

// RecordVersion is one state of a record.
type RecordVersion struct {
	Version int64
	RecordFields
	ErrorReason string     // as in Record
	ChangedBy   *User      // nil: an import, a command, or unknown
	ChangedAt   time.Time  // when the version began
	Changed     []string   // the fields that differ from the version before, as the API names them
	DeletedAt   *time.Time // when the record was deleted in this version; nil: it was not
	RestoredAt  *time.Time // when it was restored then
}

// FieldChange is the difference of one field between two versions. Values are as the API writes them.
type FieldChange struct {
	Field    string
	From, To string
}

// Differences returns the fields that differ between two versions, in the order of the API.
func Differences(from, to RecordVersion) []FieldChange {
	var changes []FieldChange
	values := to.values()
	for i, old := range from.values() {
		if now := values[i]; old.value != now.value {
			changes = append(changes, FieldChange{Field: old.field, From: old.value, To: now.value})
		}
	}
	return changes
}

type fieldValue struct{ field, value string }

// values lists all fields of a record that can change.
func (v RecordVersion) values() []fieldValue {
	return []fieldValue{
		{"record_type", string(v.Type)},
		{"title", v.Title},
		{"description", v.Description},
		{"symptoms", v.Symptoms},
		{"diagnosis", v.Diagnosis},
		{"treatment", v.Treatment},
		{"medications", v.Medications},
		{"visit_date", v.VisitDate.UTC().Format(time.RFC3339Nano)},
		{"language", string(v.Language)},
		{"error_reason", v.ErrorReason},
	}
}

// CommentVersion is the text of a comment before or after a correction.
type CommentVersion struct {
	Version   int64
	Text      string
	ChangedAt time.Time // when the version began
}

// ValidateErrorReason normalizes and checks why a record was entered in error.
func ValidateErrorReason(reason *string) error {
	var f faults
	f.line("reason", reason, 1, MaxReason)
	return f.err()
}
