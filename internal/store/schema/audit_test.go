package schema_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestAPatientsLogHidesPrivateComments uses rows as this release and the previous one
// write them, about existing and deleted comments.
func TestAPatientsLogHidesPrivateComments(t *testing.T) {
	t.Parallel()
	h := newHospital(t)
	h.owner.Exec(`DELETE FROM audit_log`)
	const public, private, gone = 1, 2, 999
	for _, row := range []struct {
		kind, decision string
		object         int64
	}{
		{"comment", "allowed", public},
		{"comment", "allowed", private},
		{"comment", "allowed", gone},
		{"record", "allowed", h.ofAnn.ID}, // a private one of this release
		{"record", "forbidden", h.ofAnn.ID},
	} {
		h.owner.Exec(`INSERT INTO audit_log (user_id, role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision)
			VALUES ($1, 'DOCTOR', 'addComment', $2, $3, ARRAY[$4::bigint], '{1}', 'assignment', $5)`,
			h.doctor.User.ID, row.kind, row.object, h.ann.ID, row.decision)
	}
	reading := fmt.Sprintf("getRecord record %d", h.ofAnn.ID)
	want := []string{
		fmt.Sprintf("addComment comment %d", public), reading, "listRecords record ", reading,
		fmt.Sprintf("addComment record %d", h.ofAnn.ID),
	}
	h.as(t, &h.ann.User, func(tx pgx.Tx) {
		rows, err := tx.Query(t.Context(), `SELECT concat_ws(' ', operation, object_kind, coalesce(object_id::text, '')) FROM callers_audit ORDER BY id`)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || !slices.Equal(got, want) {
			t.Errorf("the patient sees %q, want %q (%v)", got, want, err)
		}
	})
}

// TestPartsWriteAuditRowsOfTheirOwn tries rows of all kinds as each part.
func TestPartsWriteAuditRowsOfTheirOwn(t *testing.T) {
	t.Parallel()
	h := newHospital(t)
	type row struct {
		user                  any
		role, operation, kind string
		decision              string
	}
	ann, bob, house := h.ann.User.ID, h.bob.User.ID, h.doctor.User.ID
	for _, test := range []struct {
		part   schema.Part
		caller *clinic.User
		row    row
		want   string // SQLSTATE
	}{
		{schema.PartServer, &h.ann.User, row{ann, "PATIENT", "changeRecord", "record", "allowed"}, ""},
		{schema.PartServer, &h.ann.User, row{ann, "PATIENT", "getRecord", "record", "allowed"}, ""},
		{schema.PartServer, &h.ann.User, row{bob, "PATIENT", "changeRecord", "record", "allowed"}, denied},
		{schema.PartServer, &h.ann.User, row{bob, "PATIENT", "getRecord", "record", "allowed"}, denied},
		{schema.PartServer, &h.ann.User, row{bob, "PATIENT", "changeRecord", "record", "conflict"}, denied},
		{schema.PartServer, &h.ann.User, row{ann, "ADMIN", "changeRecord", "record", "allowed"}, denied},
		{schema.PartServer, &h.ann.User, row{nil, "CONTROLLER", "declare", "assignment", "allowed"}, denied},
		{schema.PartServer, &h.ann.User, row{nil, "PATIENT", "changeRecord", "record", "allowed"}, denied},
		{schema.PartServer, &h.doctor.User, row{house, "DOCTOR", "addComment", "comment", "allowed"}, ""},
		{schema.PartServer, &h.doctor.User, row{house, "DOCTOR", "declare", "assignment", "allowed"}, denied},
		{schema.PartServer, nil, row{ann, "PATIENT", "changeRecord", "record", "allowed"}, denied},
		{schema.PartServer, nil, row{ann, "PATIENT", "changeRecord", "record", "conflict"}, ""}, // refused after the transaction
		{schema.PartServer, nil, row{ann, "PATIENT", "getRecord", "record", "allowed"}, ""},     // reads may be written in groups
		{schema.PartServer, nil, row{nil, "PATIENT", "getRecord", "record", "allowed"}, denied}, // of nobody
		{schema.PartServer, nil, row{ann, "CONTROLLER", "getRecord", "record", "allowed"}, denied},
		{schema.PartServer, nil, row{nil, "IMPORT", "import", "import", "allowed"}, denied},
		{schema.PartController, nil, row{nil, "CONTROLLER", "declare", "assignment", "allowed"}, ""},
		{schema.PartController, nil, row{nil, "CONTROLLER", "adjustDeclared", "assignment", "allowed"}, ""},
		{schema.PartController, nil, row{nil, "CONTROLLER", "endDeclared", "assignment", "allowed"}, ""},
		{schema.PartController, nil, row{nil, "CONTROLLER", "disown", "assignment", "allowed"}, ""},
		{schema.PartController, nil, row{house, "CONTROLLER", "declare", "assignment", "allowed"}, denied},
		{schema.PartController, nil, row{nil, "ADMIN", "declare", "assignment", "allowed"}, denied},
		{schema.PartController, nil, row{nil, "CONTROLLER", "getRecord", "record", "allowed"}, denied},
		{schema.PartController, nil, row{nil, "CONTROLLER", "declare", "record", "allowed"}, denied},
		{schema.PartController, nil, row{house, "DOCTOR", "getRecord", "record", "allowed"}, denied},
		{schema.PartWorker, nil, row{ann, "PATIENT", "getRecord", "record", "allowed"}, denied},
	} {
		conn := connect(t, rights.URL(t, h.dsn, test.part))
		err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			if test.caller != nil {
				if _, err := tx.Exec(t.Context(), `SELECT identify($1, $2, 0)`, test.caller.ID, string(test.caller.Role)); err != nil {
					t.Fatal(err)
				}
			}
			reason := "role"
			if test.row.decision != clinic.DecisionAllowed {
				reason = string(clinic.ReasonRefused)
			}
			_, err := tx.Exec(t.Context(), `INSERT INTO audit_log (user_id, role, operation, object_kind, object_id, patient_ids, reason, decision)
				VALUES ($1, $2, $3, $4, 1, '{1}', $5, $6)`, test.row.user, test.row.role, test.row.operation, test.row.kind, reason, test.row.decision)
			return err
		})
		if codeOf(err) != test.want || test.want == "" && err != nil {
			t.Errorf("the %s for %v adds %v: %v, want SQLSTATE %q", test.part, test.caller, test.row, err, test.want)
		}
	}
}

// TestACheckpointFollowsTheLast tries what would stop the sealing, or leave a gap.
func TestACheckpointFollowsTheLast(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	f := testkit.NewFactory(t, dsn)
	owner := connect(t, dsn)
	run(t, owner, "GRANT TEMPORARY ON DATABASE "+pgx.Identifier{column(t, owner, "SELECT current_database()")[0]}.Sanitize()+" TO PUBLIC")
	worker := connect(t, rights.URL(t, dsn, schema.PartWorker))
	const broken = "23514"
	add := func(number, lastID, statesNumber, statesLast int64) string {
		_, err := worker.Exec(t.Context(), `INSERT INTO public.audit_checkpoints (number, last_id, statement, signature, row_ids, digests)
			VALUES ($1, $2, json_build_object('number', $3::bigint, 'up_to', $4::bigint), '', '{}', '')`, number, lastID, statesNumber, statesLast)
		return codeOf(err)
	}
	if _, err := worker.Exec(t.Context(), `CREATE TEMP TABLE audit_checkpoints AS SELECT 999999998::bigint AS number, 1::bigint AS last_id`); err != nil {
		t.Fatal(err) // nobody's temporary table takes the chain's place
	}
	if got := add(1, 1, 1, 1); got != broken {
		t.Errorf("a range of an empty log is closed: SQLSTATE %q", got)
	}
	for range 3 {
		f.Exec(`INSERT INTO audit_log (role, operation, object_kind, reason, decision) VALUES ('ADMIN', 'getAudit', 'audit', 'role', 'allowed')`)
	}
	for _, test := range []struct {
		number, lastID, statesNumber, statesLast int64
		want                                     string
	}{
		{2, 1, 2, 1, broken}, // the first is 1
		{1, 1, 1, 1, ""},
		{1, 1, 1, 1, broken},
		{999_999_999, 2, 999_999_999, 2, broken},
		{3, 2, 3, 2, broken},
		{2, 0, 2, 0, broken},             // what is closed is not opened again
		{2, 1 << 60, 2, 1 << 60, broken}, // nor closed before it is there
		{2, 3, 999_999_999, 3, broken},
		{2, 3, 2, 2, broken},
		{2, 3, 2, 3, ""},
		{3, 3, 3, 3, ""},
	} {
		if got := add(test.number, test.lastID, test.statesNumber, test.statesLast); got != test.want {
			t.Errorf("%+v: SQLSTATE %q", test, got)
		}
	}
}
