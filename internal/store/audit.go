package store

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// audit collects the audit row of a request.
type audit struct {
	caller      clinic.Caller
	object      clinic.Object
	patients    []int64
	seen        map[int64]bool // patients
	assignments []int64
	emergency   bool
}

// AuditPatient records that the transaction read or changed the patient's data, and which
// assignment allowed it: 0 for none.
func (h handle) AuditPatient(patientID, assignmentID int64, emergency bool) {
	if h.audit == nil || h.audit.seen[patientID] {
		return
	}
	if h.audit.seen == nil {
		h.audit.seen = map[int64]bool{}
	}
	h.audit.seen[patientID] = true
	h.audit.patients = append(h.audit.patients, patientID)
	h.audit.assignments = append(h.audit.assignments, assignmentID)
	h.audit.emergency = h.audit.emergency || emergency
}

// AuditObject records the object that the transaction made.
func (h handle) AuditObject(object clinic.Object) {
	if h.audit != nil {
		h.audit.object = object
	}
}

// Audited is Tx for what reads or changes patients' data: the audit row is part
// of the transaction. When fn refuses, its changes are rolled back and the row
// records the refusal. When the row cannot be written, Audited returns that error and
// the caller gets no answer.
func (db *DB) Audited(ctx context.Context, caller clinic.Caller, object clinic.Object, fn func(Handle) error) error {
	if db.unaudited {
		return db.Tx(ctx, person(caller), fn)
	}
	a := &audit{caller: caller, object: object}
	err := db.Tx(ctx, person(caller), func(h Handle) error {
		h.audit = a
		if err := fn(h); err != nil {
			return err
		}
		return a.write(ctx, h.db, clinic.DecisionAllowed)
	})
	if err != nil && isRefusal(err) {
		return db.refused(ctx, a, err)
	}
	return err
}

// person is the caller, or nil for a program, whose rights are not checked.
func person(caller clinic.Caller) *clinic.Caller {
	if caller.UserID == 0 {
		return nil
	}
	return &caller
}

// Refused writes the audit row of a request that is refused before anything is read,
// and returns the refusal. An error that is no refusal is returned without a row.
func (db *DB) Refused(ctx context.Context, caller clinic.Caller, object clinic.Object, refusal error) error {
	if !isRefusal(refusal) {
		return refusal
	}
	return db.refused(ctx, &audit{caller: caller, object: object}, refusal)
}

func (db *DB) refused(ctx context.Context, a *audit, refusal error) error {
	if err := a.write(ctx, db.pool, string(clinic.CodeOf(refusal))); err != nil {
		return err
	}
	return refusal
}

// isRefusal reports whether the error is an answer to the caller rather than a
// failure, and the caller is known.
func isRefusal(err error) bool {
	return slices.Contains(clinic.RefusalCodes(), clinic.CodeOf(err))
}

func (a *audit) write(ctx context.Context, db dbsqlc.DBTX, decision string) error {
	row := dbsqlc.InsertAuditParams{
		UserID: orNil(a.caller.UserID), Role: string(a.caller.Role), Operation: a.caller.Request.Operation,
		ObjectKind: string(a.object.Kind), ObjectID: orNil(a.object.ID),
		PatientIDs: append([]int64{}, a.patients...), AssignmentIDs: append([]int64{}, a.assignments...),
		Reason: string(clinic.ReasonFor(a.caller, a.object.Kind, a.emergency)), Decision: decision,
		RequestID: a.caller.Request.ID, Address: addressOf(ctx),
	}
	if decision != clinic.DecisionAllowed {
		row.Reason = string(clinic.ReasonRefused)
	}
	if err := dbsqlc.New().InsertAudit(ctx, db, row); err != nil {
		return fmt.Errorf("writing the audit row: %w", translate(err))
	}
	return nil
}

func addressOf(ctx context.Context) *netip.Addr {
	if address := clinic.AddressOf(ctx); address.IsValid() {
		return &address
	}
	return nil
}

func orNil(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}

// auditing returns the handle for the statement that answers a read of the
// object. It writes the audit row in the same statement, so that a read costs
// no second round trip and never goes without its row. Extra columns of the statement
// name the patients whose data was seen. shown is how many of its rows
// the caller gets to see; 0 means that the caller asked for one object, which is not
// found when the statement returns no row.
//
// In a transaction it returns the handle itself: the transaction has a row.
func (h handle) auditing(object clinic.Object, shown int32) handle {
	if h.single {
		h.db = auditedDB{DBTX: h.db, wrapped: h.wrapped, caller: h.Who.Caller, object: object, shown: shown}
	}
	return h
}

// auditedDB adds the writing of the audit row to statements.
type auditedDB struct {
	dbsqlc.DBTX
	wrapped *sync.Map // statements by their wrapping
	caller  clinic.Caller
	object  clinic.Object
	shown   int32
}

// auditSQL wraps a statement. {1} to {10} stand for its parameters, which
// come after those of the statement. {9} is the reason of the access, and {10} the reason
// where some of it comes by emergency access alone.
const auditSQL = `
), audit AS (
	INSERT INTO audit_log (user_id, role, operation, object_kind, object_id, request_id, address,
		patient_ids, assignment_ids, reason, decision)
	SELECT {1}::bigint, {2}::text, {3}::text, {4}::text, {5}::bigint, {6}::text, {7}::inet, seen.patients, seen.assignments,
		CASE
			WHEN {8}::int = 0 AND seen.count = 0 THEN '` + string(clinic.ReasonRefused) + `'
			WHEN seen.emergency THEN {10}::text
			ELSE {9}::text
		END,
		CASE WHEN {8} = 0 AND seen.count = 0 THEN '` + string(clinic.CodeNotFound) + `' ELSE '` + clinic.DecisionAllowed + `' END
	FROM ({seen}) AS seen
)
SELECT * FROM answer`

// seenOneSQL selects the patient in an answer of one row or none.
const seenOneSQL = `
		SELECT CASE WHEN answer.seen_patient IS NULL THEN 0 ELSE 1 END AS count,
			coalesce(answer.seen_in_emergency, false) AS emergency,
			CASE WHEN answer.seen_patient IS NULL THEN '{}' ELSE ARRAY[answer.seen_patient]::bigint[] END AS patients,
			CASE WHEN answer.seen_patient IS NULL THEN '{}' ELSE ARRAY[coalesce(answer.seen_through, 0)]::bigint[] END AS assignments
		FROM (SELECT) AS once LEFT JOIN answer ON true`

// seenPageSQL selects the patients in a page. The row after the page only shows that there are more.
const seenPageSQL = seenManySQL + shownSQL + seenOnceSQL

// seenNarrowedSQL selects the patients in a page of a list that is narrowed to one patient.
const seenNarrowedSQL = seenManySQL + narrowedSQL + seenOnceSQL

// seenManySQL and seenOnceSQL wrap the rows of the patients who are shown.
const seenManySQL = `
		SELECT count(*) AS count, coalesce(bool_or(one.seen_in_emergency), false) AS emergency,
			coalesce(array_agg(one.seen_patient) FILTER (WHERE one.seen_patient IS NOT NULL), '{}') AS patients,
			coalesce(array_agg(coalesce(one.seen_through, 0)) FILTER (WHERE one.seen_patient IS NOT NULL), '{}') AS assignments
		FROM (
			SELECT DISTINCT seen_patient, seen_through, seen_in_emergency
			FROM (`

const seenOnceSQL = `) AS shown
			ORDER BY seen_patient, seen_through
		) AS one`

// shownSQL are the rows of a page.
const shownSQL = `SELECT seen_patient, seen_through, seen_in_emergency FROM answer LIMIT {8}`

// narrowedSQL is for a list that is narrowed to one patient. A patient whom the caller may
// see is recorded even where the page is empty: the page still has a count.
const narrowedSQL = `
				WITH visible AS (
					SELECT p.id AS seen_patient, access.assignment_id AS seen_through, coalesce(access.emergency, false) AS seen_in_emergency
					FROM patient_profiles p
					LEFT JOIN LATERAL (
						SELECT a.patient_id, a.assignment_id, a.emergency FROM patient_access a
						WHERE a.user_id = {1}::bigint AND a.patient_id = p.id ORDER BY a.emergency, a.assignment_id LIMIT 1
					) AS access ON true
					WHERE p.id = {5}::bigint AND (access.patient_id IS NOT NULL OR {2}::text = '` + string(clinic.RoleAdmin) + `')
				)
				SELECT * FROM visible UNION ALL (SELECT * FROM (` + shownSQL + `) AS page WHERE NOT EXISTS (SELECT FROM visible))`

func (a auditedDB) wrap(ctx context.Context, sql string, args []any) (string, []any) {
	key := wrapping{sql: sql, seen: a.seen()}
	wrapped, known := a.wrapped.Load(key)
	if !known {
		wrapped, _ = a.wrapped.LoadOrStore(key, wrapSQL(key, len(args)))
	}
	r := a.caller.Request
	text, _ := wrapped.(string) // nothing else is stored
	return text, append(append(make([]any, 0, len(args)+auditParameters), args...),
		a.caller.UserID, string(a.caller.Role), r.Operation, string(a.object.Kind), orNil(a.object.ID), r.ID, addressOf(ctx), a.shown,
		string(clinic.ReasonFor(a.caller, a.object.Kind, false)), string(clinic.ReasonFor(a.caller, a.object.Kind, true)))
}

const auditParameters = 10

// seen returns the SQL that selects the patients whose data the answer shows.
func (a auditedDB) seen() string {
	switch {
	case a.shown == 0:
		return seenOneSQL
	case a.object.Kind == clinic.ObjectPatient && a.object.ID != 0:
		return seenNarrowedSQL
	}
	return seenPageSQL
}

// wrapping identifies a wrapped statement: a list's statement also reads a single row, or
// the rows of one patient.
type wrapping struct{ sql, seen string }

// wrapSQL keeps the statement's name, which tracing shows, in front.
func wrapSQL(w wrapping, parameters int) string {
	name, statement, _ := strings.Cut(w.sql, "\n")
	var marks []string
	for i := range auditParameters {
		marks = append(marks, fmt.Sprintf("{%d}", i+1), fmt.Sprintf("$%d", parameters+i+1))
	}
	return name + "\nWITH answer AS MATERIALIZED (\n" + statement + strings.NewReplacer(marks...).Replace(strings.Replace(auditSQL, "{seen}", w.seen, 1))
}

// Query implements dbsqlc.DBTX.
func (a auditedDB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	sql, args = a.wrap(ctx, sql, args)
	return a.DBTX.Query(ctx, sql, args...)
}

// QueryRow implements dbsqlc.DBTX.
func (a auditedDB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	sql, args = a.wrap(ctx, sql, args)
	return a.DBTX.QueryRow(ctx, sql, args...)
}
