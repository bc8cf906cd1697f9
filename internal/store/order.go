package store

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// ordered rewrites the order of a list's statement, so that each list is
// written once. The statement marks what depends on the order:
//
//	r.visit_date/*key*/   the column it is sorted by
//	</*beyond*/           the comparison with the position that a page begins at
//	DESC/*order*/         the direction
//	)/*range*/            the end of a condition on a column it is not always sorted by
//	records/*records*/    a table that another one takes the place of where the records are deleted
//
// sqlc compiles a statement with the list's default order. Only constants
// of this file get into a statement.
type ordered struct {
	dbsqlc.DBTX
	replacer *strings.Replacer
}

// Query implements dbsqlc.DBTX.
func (o ordered) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return o.DBTX.Query(ctx, o.replacer.Replace(sql), args...)
}

// QueryRow implements dbsqlc.DBTX.
func (o ordered) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return o.DBTX.QueryRow(ctx, o.replacer.Replace(sql), args...)
}

// reversed are the marks of a statement that reads against its default order.
func reversed() []string {
	return []string{
		"</*beyond*/", ">", ">/*beyond*/", "<",
		"DESC/*order*/", "ASC", "ASC/*order*/", "DESC",
	}
}

// reading returns the handle's database for a statement that reads the window.
func (h handle) reading(w window) dbsqlc.DBTX {
	if !w.Back {
		return h.db
	}
	return ordered{h.db, strings.NewReplacer(reversed()...)}
}

// reading returns the text of a statement that follows another one, as it reads the window.
func (w window) reading(sql string) string {
	if !w.Back {
		return sql
	}
	return strings.NewReplacer(reversed()...).Replace(sql)
}

// readingRecords is reading for a list of records, whose default is
// clinic.OrderVisitDesc.
func (h handle) readingRecords(w window, filter clinic.RecordFilter) dbsqlc.DBTX {
	marks := recordMarks(filter.Order, w.Back)
	if filter.Deleted {
		marks = append(marks, deletedMarks()...)
	}
	return ordered{h.db, strings.NewReplacer(marks...)}
}

// recordMarks are the marks of a list of records in the order, or against it.
func recordMarks(order clinic.RecordOrder, back bool) []string {
	var marks []string
	if byCreation(order) {
		// The condition on visits must not use their index: its rows would
		// have to be sorted. Postgres uses no index for IS TRUE.
		marks = append(marks, "r.visit_date/*key*/", "r.created_at", ")/*range*/", ") IS TRUE")
	}
	if ascending(order) != back {
		marks = append(marks, reversed()...)
	}
	return marks
}

func byCreation(order clinic.RecordOrder) bool {
	return order == clinic.OrderCreatedAsc || order == clinic.OrderCreatedDesc
}

func ascending(order clinic.RecordOrder) bool {
	return order == clinic.OrderVisitAsc || order == clinic.OrderCreatedAsc
}

// beyondID is the id after which to read, in a list ordered by id.
func (w window) beyondID(ascending bool) int64 {
	if w.ID == 0 && !ascending {
		return math.MaxInt64
	}
	return w.ID
}

// beyondKey is the time after which to read, in a list ordered by time, whose times are from since to until: Postgres
// reads an index from this position on, and would only filter by a later bound.
func (w window) beyondKey(ascending bool, since, until time.Time) (time.Time, error) {
	switch {
	case w.ID == 0 && ascending:
		return since, nil
	case w.ID == 0:
		return until, nil
	}
	key, err := time.Parse(time.RFC3339Nano, w.Key)
	if err != nil {
		return time.Time{}, clinic.Invalid("cursor", "this is not a cursor of this list")
	}
	return key, nil
}

// The bounds of the times in a list.
func beginningOfTime() time.Time { return time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC) }
func endOfTime() time.Time       { return time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) }
