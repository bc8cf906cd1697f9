package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
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
	if strings.Contains(sql, "/*records*/") {
		for _, form := range append(slices.Collect(maps.Keys(texts)), "") {
			texts[form+" of deleted ones"] = strings.NewReplacer(deletedMarks()...).Replace(cmp.Or(texts[form], sql))
		}
	}
	return texts
}

// StoredTypes are all values of the column record_type.
func StoredTypes() []string { return storedTypes(clinic.RecordFilter{Deleted: true}) }

// OpenUnaudited is Open for a database whose single statements write no audit rows, to measure what
// these cost.
func OpenUnaudited(ctx context.Context, opts Options) (*DB, error) {
	db, err := Open(ctx, opts)
	if err == nil {
		db.unaudited = true
	}
	return db, err
}
