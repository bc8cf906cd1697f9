package web

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// LogPaging is embedded in requests for a page of a log. A log is too long to be
// counted, so its pages have no numbers. The type is exported because huma
// ignores the fields of embedded types that are not.
type LogPaging struct {
	PageSize int    `query:"page_size" minimum:"1" maximum:"100" default:"20" doc:"How many items a page has at most."`
	Cursor   string `query:"cursor" maxLength:"200" doc:"The value of next on the previous page. Without it, the answer is the newest page."`

	before int64
}

// Resolve implements huma.Resolver: it decodes the cursor.
func (p *LogPaging) Resolve(huma.Context) []error {
	cursor, err := decodeCursor(p.Cursor, isTime)
	if err != nil || cursor.Back || cursor.Key != "" {
		return Refuse("cursor", "this is not a cursor of this list; send the value of next, or none for the newest page")
	}
	p.before = cursor.ID
	return nil
}

// Before returns the id of the last entry on the previous page; 0 for the newest page.
func (p LogPaging) Before() int64 { return p.before }

// Log is the body of a page of a log.
type Log[T any] struct {
	Next    *string `json:"next" doc:"The cursor of the next page; null on the last page." example:"eyJpIjo0Mn0"`
	Results []T     `json:"results" nullable:"false"`
}

// LogResponse is the answer of an operation that reads a log.
type LogResponse[T any] struct {
	Body Log[T]
}

// AnswerLog returns the answer for a page of a log.
func AnswerLog[T, V any](found clinic.Log[T], view func(T) V) *LogResponse[V] {
	answer := Log[V]{Results: Views(found.Items, view)}
	if found.Next != 0 {
		next := encodeCursor(clinic.Cursor{ID: found.Next})
		answer.Next = &next
	}
	return &LogResponse[V]{Body: answer}
}
