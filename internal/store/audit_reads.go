package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// auditing returns the handle for the statement that answers a read of the object. Columns of the statement name the
// patients whose data its rows show: seen_patient, seen_through (the assignment that gave access) and seen_in_emergency;
// that of a search also names the records, by seen_record. The audit row is made of them, and is in the database before the
// last row is returned: a read fails if its audit row cannot be written. shown is how many of the rows the caller gets to
// see; 0 means that the caller asked for one object, which is not found if no row names a patient.
//
// In a transaction it returns the handle itself: the transaction has a row.
func (h handle) auditing(object clinic.Object, shown int32) handle {
	if reads, single := h.db.(batchDB); single && h.audits != nil {
		h.db = auditedDB{batchDB: reads, audits: h.audits, caller: h.Who.Caller, object: object, shown: int(shown)}
	}
	return h
}

// auditedDB writes the audit row of each statement that it reads with.
type auditedDB struct {
	batchDB
	audits *auditGroup
	caller clinic.Caller
	object clinic.Object
	shown  int
}

// seenPatientSQL selects the access that the caller has to a patient, or no row.
const seenPatientSQL = `-- name: SeenPatient
SELECT coalesce(access.assignment_id, 0), coalesce(access.emergency, false)
FROM patient_profiles p
LEFT JOIN LATERAL (
	SELECT a.patient_id, a.assignment_id, a.emergency FROM patient_access a
	WHERE a.user_id = $1::bigint AND a.patient_id = p.id ORDER BY a.emergency, a.assignment_id LIMIT 1
) AS access ON true
WHERE p.id = $3::bigint AND (access.patient_id IS NOT NULL OR $2::text = 'ADMIN')`

// Query implements dbsqlc.DBTX.
func (a auditedDB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	audited := &auditedRows{ctx: ctx, read: a}
	reads := a.batchDB
	if a.narrowed() {
		access := statement{seenPatientSQL, []any{a.caller.UserID, string(a.caller.Role), a.object.ID}}
		reads = reads.followedBy(following{access, audited.notePatient})
	}
	var err error
	audited.Rows, err = reads.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return audited, nil
}

// QueryRow implements dbsqlc.DBTX.
func (a auditedDB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := a.Query(ctx, sql, args...)
	return batchRow{rows: rows, err: err}
}

// narrowed reports whether the read is a list about one patient. If the caller may see them, it is a read of their data even
// where the page is empty: it still has a count.
func (a auditedDB) narrowed() bool {
	return a.shown > 0 && a.object.Kind == clinic.ObjectPatient && a.object.ID != 0
}

// record writes the audit row of a read that has shown the patients.
func (a auditedDB) record(ctx context.Context, patients []seenPatient, records []int64) error {
	slices.SortFunc(patients, func(a, b seenPatient) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.through, b.through)) })
	row := audit{caller: a.caller, object: a.object, records: records}
	for _, p := range slices.Compact(patients) {
		row.patients, row.assignments = append(row.patients, p.id), append(row.assignments, p.through)
		row.emergency = row.emergency || p.emergency
	}
	decision := clinic.DecisionAllowed
	if a.shown == 0 && len(patients) == 0 {
		decision = string(clinic.CodeNotFound)
	}
	return a.audits.write(ctx, row.row(ctx, decision))
}

// seenPatient is a patient whose data is shown, and the assignment through which: 0 for none.
type seenPatient struct {
	id, through int64
	emergency   bool
}

// auditedRows note whose data they show, and end with the audit row.
type auditedRows struct {
	pgx.Rows
	ctx      context.Context //nolint:containedctx // the audit row is written when the rows end
	read     auditedDB
	columns  [4]int // of seenPatient, and of the record that a search shows
	count    int
	patients []seenPatient
	records  []int64 // nil: the statement does not name them
	closed   bool
	err      error
}

// Next implements pgx.Rows.
func (r *auditedRows) Next() bool {
	if r.Rows.Next() {
		if r.count++; r.count <= max(r.read.shown, 1) { // the row after a page only shows that there are more
			r.err = r.note()
		}
		if r.err == nil {
			return true
		}
	}
	r.Close()
	return false
}

// Close implements pgx.Rows.
func (r *auditedRows) Close() {
	if r.closed {
		return
	}
	r.closed = true
	r.Rows.Close() // gives the connection back before the audit row needs one
	if r.err == nil && r.Rows.Err() == nil {
		r.err = r.read.record(r.ctx, r.patients, r.records)
	}
}

// Err implements pgx.Rows.
func (r *auditedRows) Err() error { return cmp.Or(r.Rows.Err(), r.err) }

// note notes the patient of the row.
func (r *auditedRows) note() error {
	if r.count == 1 {
		if err := r.findColumns(); err != nil {
			return err
		}
	}
	if err := r.noteRecord(); err != nil {
		return err
	}
	var seen seenPatient
	known, err := r.scan(r.columns[0], &seen.id)
	if !known || err != nil {
		return err
	}
	_, throughErr := r.scan(r.columns[1], &seen.through)
	_, emergencyErr := r.scan(r.columns[2], &seen.emergency)
	r.patients = append(r.patients, seen)
	return errors.Join(throughErr, emergencyErr)
}

// noteRecord notes the record of the row, if the statement names it.
func (r *auditedRows) noteRecord() error {
	if r.columns[seenRecord] < 0 {
		return nil
	}
	var id int64
	known, err := r.scan(r.columns[seenRecord], &id)
	if r.records == nil {
		r.records = []int64{}
	}
	if known {
		r.records = append(r.records, id)
	}
	return err
}

// seenRecord is the place of a column that only a search has.
const seenRecord = 3

func (r *auditedRows) findColumns() error {
	for i, name := range []string{"seen_patient", "seen_through", "seen_in_emergency", "seen_record"} {
		r.columns[i] = -1
		for column, field := range r.FieldDescriptions() {
			if field.Name == name {
				r.columns[i] = column
			}
		}
		if r.columns[i] < 0 && i != seenRecord {
			return fmt.Errorf("the statement has no column %s for its audit row", name)
		}
	}
	return nil
}

// scan reads a column of the row, which stays to be read by the statement's reader. It leaves null out.
func (r *auditedRows) scan(column int, into any) (known bool, err error) {
	raw, field := r.RawValues()[column], r.FieldDescriptions()[column]
	if raw == nil {
		return false, nil
	}
	if err := r.Conn().TypeMap().Scan(field.DataTypeOID, field.Format, raw, into); err != nil {
		return false, fmt.Errorf("reading the column %s for the audit row: %w", field.Name, err)
	}
	return true, nil
}

// notePatient reads what seenPatientSQL selects. It replaces what the rows say of the one patient.
func (r *auditedRows) notePatient(rows pgx.Rows) error {
	if !rows.Next() {
		return nil
	}
	seen := seenPatient{id: r.read.object.ID}
	if err := rows.Scan(&seen.through, &seen.emergency); err != nil {
		return fmt.Errorf("reading the access to a patient for the audit row: %w", translate(err))
	}
	r.patients = []seenPatient{seen}
	return nil
}
