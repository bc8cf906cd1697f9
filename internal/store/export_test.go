package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Reordered returns the texts of a compiled statement in every order that its marks allow,
// except its own.
func Reordered(sql string) map[string]string {
	texts := map[string]string{}
	switch {
	case strings.Contains(sql, "/*key*/"):
		for _, order := range clinic.RecordOrders() {
			texts[" by "+string(order)] = strings.NewReplacer(recordMarks(order, false)...).Replace(sql)
		}
		delete(texts, " by "+string(clinic.OrderVisitDesc))
	case strings.Contains(sql, "/*order*/"):
		texts[" backward"] = strings.NewReplacer(reversed()...).Replace(sql)
	}
	return texts
}

// Audited returns the texts of a statement with each audit row that it may write; none for a
// statement that does not name the patients whose data it shows.
func Audited(sql string) map[string]string {
	texts := map[string]string{}
	if !strings.Contains(sql, "seen_patient") {
		return texts
	}
	parameters := 0
	for strings.Contains(sql, fmt.Sprintf("$%d", parameters+1)) {
		parameters++
	}
	for name, seen := range map[string]string{"one": seenOneSQL, "a page": seenPageSQL, "a patient's page": seenNarrowedSQL} {
		texts[" as "+name] = wrapSQL(wrapping{sql: "-- name: Audited\n" + sql, seen: seen}, parameters)
	}
	return texts
}

// OpenUnaudited is Open for a database whose single statements write no audit rows, to measure what
// these cost.
func OpenUnaudited(ctx context.Context, opts Options) (*DB, error) {
	db, err := Open(ctx, opts)
	if err == nil {
		db.unaudited = true
	}
	return db, err
}
