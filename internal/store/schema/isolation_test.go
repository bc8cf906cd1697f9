package schema_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// withoutPatientData lists the tables that need no row-level security, with the reason. A
// new table is either listed here or protected.
func withoutPatientData() map[string]string {
	return map[string]string{
		"goose_db_version": "the version of the schema",
		"doctor_profiles":  "the directory of doctors, which all logged-in users may read",
		"sessions":         "times, and columns that the server may not read; a session is looked up before the caller is known",
		"refresh_tokens":   "hashes and times; looked up as sessions are",
		"totp_factors":     "sealed by a key that the database does not have; looked up before the caller is known",
		"recovery_codes":   "hashes; looked up as totp_factors are",

		"audit_checkpoints": "numbers and digests of audit rows",
	}
}

// ofTheOwner lists the views that read with their owner's rights, each with the reason why
// it still shows callers no more than they may see.
func ofTheOwner() map[string]string {
	return map[string]string{
		"callers_patients":      "its condition names the caller, behind a barrier",
		"callers_records":       "its condition names the caller, behind a barrier",
		"callers_record_counts": "its condition names the caller, behind a barrier",
		"patient_access":        "its condition names the caller, behind a barrier",
		"record_details":        "its condition names the caller, behind a barrier",
		"comment_details":       "its condition names the caller, behind a barrier",

		"deleted_record_details":  "its condition names the caller, behind a barrier",
		"record_states":           "its condition names the caller, behind a barrier",
		"record_version_details":  "as record_states, which it reads",
		"comment_version_details": "as comment_details, which it reads",
		"callers_sessions":        "its condition names the caller, behind a barrier",
		"callers_audit":           "its condition names the caller, behind a barrier",
		"audit_entries":           "an administrator sees all rows, other callers none",
	}
}

func readAll(t *testing.T, tx pgx.Tx, query string) ([]int64, error) {
	t.Helper()
	rows, err := tx.Query(t.Context(), query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

func TestTheServersRoleSeesNothingWithoutACaller(t *testing.T) {
	t.Parallel()
	h := newHospital(t)
	rows, err := connect(t, h.dsn).Query(t.Context(), `SELECT relname, relkind = 'v', relrowsecurity AND relforcerowsecurity,
			coalesce('security_invoker=true' = ANY(reloptions), false)
		FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
			AND NOT (relispartition AND NOT has_table_privilege('healthrecords_server', oid, 'SELECT, INSERT, UPDATE, DELETE')) -- no part may touch those
		ORDER BY relname`)
	if err != nil {
		t.Fatal(err)
	}
	type relation struct {
		Name                     string
		View, Protected, Invoker bool
	}
	relations, err := pgx.CollectRows(rows, pgx.RowToStructByPos[relation])
	if err != nil || len(relations) < 15 {
		t.Fatalf("%d relations, %v", len(relations), err)
	}
	for _, r := range relations {
		if withoutPatientData()[r.Name] != "" {
			continue
		}
		if !r.Protected && !r.View {
			t.Errorf("%s is neither protected by row-level security, forced, nor listed as a table without patient data", r.Name)
		}
		if r.View && !r.Invoker && ofTheOwner()[r.Name] == "" {
			t.Errorf("the view %s reads with its owner's rights: add security_invoker", r.Name)
		}
		if ofTheOwner()[r.Name] == "" && h.owner.Count("SELECT count(*) FROM "+r.Name) == 0 {
			t.Errorf("%s is empty: add a row of it to the hospital of this test", r.Name)
		}
		h.as(t, nil, func(tx pgx.Tx) {
			found, err := readAll(t, tx, "SELECT 1::bigint FROM "+r.Name)
			if codeOf(err) != denied && (err != nil || len(found) != 0) {
				t.Errorf("%s: %d rows, %v", r.Name, len(found), err)
			}
		})
	}
}

func TestRawStatementsSeeWhatTheCallerMaySee(t *testing.T) {
	t.Parallel()
	h := newHospital(t)
	doctors := []int64{h.doctor.User.ID, h.other.User.ID, h.unverified.User.ID}
	columns := []string{
		"id FROM users", "id FROM patient_profiles", "id FROM assignments", "id FROM health_records", "id FROM doctor_comments",
		"recipient_id FROM notifications", "user_id FROM idempotency_keys", "object_id FROM callers_audit", "object_id FROM audit_entries",
		"user_id FROM pending_names", "user_id FROM name_versions", "user_id FROM reset_codes",
		"id FROM assignment_claims", "generation FROM declarations",
		"patient_id FROM record_counts", "patient_id FROM callers_record_counts", "recipient_id FROM notification_counts",
		"patient_id FROM legal_holds", "patient_id FROM erasures",
		"record_id FROM record_versions", "id FROM deleted_records", "id FROM kept_records",
		"record_id FROM record_version_details", "comment_id FROM comment_version_details",
	}
	h.expectAllRead(t, columns)
	for name, test := range map[string]struct {
		caller clinic.User
		want   [][]int64
	}{
		"patient": {h.ann.User, [][]int64{
			append([]int64{h.admin.ID, h.ann.User.ID}, doctors...),
			{h.ann.ID},
			{1, 5},
			{h.ofAnn.ID},
			{1},
			{h.ann.User.ID},
			{h.ann.User.ID},
			{h.ofAnn.ID},
			nil,
			nil,
			append([]int64{h.admin.ID, h.ann.User.ID}, doctors...),
			{h.ann.User.ID},
			nil, nil,
			{h.ann.ID},
			{h.ann.ID},
			{h.ann.User.ID},
			nil, nil,
			{1, 3},
			{3},
			{1, 3},
			{1, 1, 3},
			{1, 1},
		}},
		"patient without records": {h.cleo.User, [][]int64{
			append([]int64{h.cleo.User.ID}, doctors...),
			{h.cleo.ID},
			{3},
			nil, nil,
			{h.cleo.User.ID},
			{h.cleo.User.ID},
			nil, nil,
			nil, append([]int64{h.cleo.User.ID}, doctors...),
			{h.cleo.User.ID},
			nil, nil,
			nil, nil,
			{h.cleo.User.ID},
			nil, nil,
			nil, nil, nil, nil, nil,
		}},
		"doctor": {h.doctor.User, [][]int64{
			append([]int64{h.admin.ID, h.ann.User.ID}, doctors...),
			{h.ann.ID},
			{1, 2, 3},
			{h.ofAnn.ID},
			{1, 2},
			{h.doctor.User.ID},
			{h.doctor.User.ID},
			nil, nil,
			{h.doctor.User.ID},
			append([]int64{h.admin.ID, h.ann.User.ID}, doctors...),
			{h.doctor.User.ID},
			nil, nil,
			{h.ann.ID},
			{h.ann.ID},
			{h.doctor.User.ID},
			nil, nil,
			{1, 3},
			{3},
			{1, 3},
			{1, 1, 3},
			{1, 1, 2, 2},
		}},
		"other doctor": {h.other.User, [][]int64{
			append([]int64{h.admin.ID, h.bob.User.ID}, doctors...),
			{h.bob.ID},
			{4},
			{h.ofBob.ID},
			{3, 4},
			{h.other.User.ID},
			{h.other.User.ID},
			nil, nil,
			nil,
			append([]int64{h.admin.ID, h.bob.User.ID}, doctors...),
			{h.other.User.ID},
			nil, nil,
			{h.bob.ID},
			{h.bob.ID},
			{h.other.User.ID},
			nil, nil,
			{2, 4},
			{4},
			{2, 4},
			{2, 2, 4},
			{3, 3, 4, 4},
		}},
		"unverified doctor": {h.unverified.User, [][]int64{
			doctors, nil,
			{5, 6},
			nil, nil,
			{h.unverified.User.ID},
			{h.unverified.User.ID},
			nil, nil, nil, doctors,
			{h.unverified.User.ID},
			nil, nil,
			nil, nil,
			{h.unverified.User.ID},
			nil, nil,
			nil, nil, nil, nil, nil,
		}},
		"administrator": {h.admin, [][]int64{
			append([]int64{h.admin.ID, h.ann.User.ID, h.bob.User.ID, h.cleo.User.ID}, doctors...),
			{h.ann.ID, h.bob.ID, h.cleo.ID},
			{1, 2, 3, 4, 5, 6},
			nil, nil,
			{h.admin.ID},
			{h.admin.ID},
			nil,
			{h.ofAnn.ID, h.ofBob.ID},
			{h.doctor.User.ID},
			append([]int64{h.admin.ID, h.ann.User.ID, h.bob.User.ID, h.cleo.User.ID}, doctors...),
			append([]int64{h.admin.ID, h.ann.User.ID, h.bob.User.ID, h.cleo.User.ID}, doctors...),
			{1, 2, 3, 4, 5},
			{3},
			nil, nil,
			{h.admin.ID},
			{h.bob.ID},
			{h.cleo.ID},
			nil, nil, nil, nil, nil,
		}},
	} {
		if len(test.want) != len(columns) {
			t.Errorf("%s: want has %d elements: give it one for each of the %d columns, nil where the caller sees no row", name, len(test.want), len(columns))
			continue
		}
		h.as(t, &test.caller, func(tx pgx.Tx) {
			for i, column := range columns {
				got, err := readAll(t, tx, "SELECT "+column+" ORDER BY 1")
				want := slices.Sorted(slices.Values(test.want[i]))
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: SELECT %s: %v, want %v (%v)", name, column, got, want, err)
				}
			}
			if _, err := readAll(t, tx, "SELECT id FROM outbox"); codeOf(err) != denied {
				t.Errorf("%s: outbox: %v", name, err)
			}
		})
	}
	h.as(t, nil, func(tx pgx.Tx) { // a user who is logging in has no role yet
		_, err := tx.Exec(t.Context(), `SELECT set_config('healthrecords.user_id', account_named($1)::text, true)`, strings.ToUpper(h.ann.User.Username))
		if err != nil {
			t.Fatal(err)
		}
		for i, column := range columns {
			want := map[int][]int64{0: {h.ann.User.ID}, 1: {h.ann.ID}, 5: {h.ann.User.ID}, 6: {h.ann.User.ID}, 10: {h.ann.User.ID}, 11: {h.ann.User.ID}, 16: {h.ann.User.ID}}[i]
			if got, err := readAll(t, tx, "SELECT "+column); err != nil || !slices.Equal(got, want) {
				t.Errorf("before the login is complete: SELECT %s: %v, want %v (%v)", column, got, want, err)
			}
		}
	})
}

// TestWhoLookedIsForWhomItIsAbout looks up the actor of every audit row.
func TestWhoLookedIsForWhomItIsAbout(t *testing.T) {
	t.Parallel()
	h := newHospital(t)
	h.owner.Exec(`INSERT INTO audit_log (user_id, role, operation, object_kind, patient_ids, reason, decision)
		SELECT u.id, u.role, 'getRecord', 'record', ARRAY[p.id], 'assignment', 'allowed' FROM users u, patient_profiles p`)
	var ids, times string
	h.as(t, &h.admin, func(tx pgx.Tx) {
		err := tx.QueryRow(t.Context(), `SELECT array_agg(id)::text, array_agg(at)::text FROM audit_entries`).Scan(&ids, &times)
		if err != nil {
			t.Fatal(err)
		}
	})
	all := fmt.Sprintf(`SELECT w.user_id FROM unnest('%s'::bigint[], '%s'::timestamptz[]) AS e (id, at) CROSS JOIN LATERAL who_looked(e.id, e.at) AS w ORDER BY 1`, ids, times)
	staff := []int64{h.admin.ID, h.doctor.User.ID, h.other.User.ID, h.unverified.User.ID}
	for name, test := range map[string]struct {
		caller *clinic.User
		want   []int64
	}{
		"patient": {&h.ann.User, append([]int64{h.ann.User.ID}, staff...)}, "another": {&h.bob.User, append([]int64{h.bob.User.ID}, staff...)},
		"doctor": {&h.doctor.User, nil}, "administrator": {&h.admin, nil}, "nobody": {nil, nil},
	} {
		h.as(t, test.caller, func(tx pgx.Tx) {
			got, err := readAll(t, tx, all)
			if want := slices.Sorted(slices.Values(test.want)); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s sees the actors %v, want %v (%v)", name, got, want, err)
			}
		})
	}
}

func TestACallerIsForgottenWithTheTransaction(t *testing.T) {
	t.Parallel()
	h := newHospital(t)
	conn := connect(t, rights.URL(t, h.dsn, schema.PartServer))
	for range 2 { // at the second read the connection had the settings before
		var seen int
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM users`).Scan(&seen); err != nil || seen != 0 {
			t.Fatalf("%d users, %v", seen, err)
		}
		if _, err := conn.Exec(t.Context(), `SELECT identify($1, 'ADMIN', 0)`, h.admin.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEnsureRolesNamesWhoseRowsAPartSees(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	testkit.NewFactory(t, dsn).Patient(testkit.PatientOptions{})
	for _, role := range []string{"first worker", "second worker"} {
		if err := schema.EnsureRoles(t.Context(), dsn, []schema.Login{{Part: schema.PartWorker, Role: role, Password: "secret"}}); err != nil {
			t.Fatal(err)
		}
	}
	for role, want := range map[string]int{"first worker": 0, "second worker": 1} {
		var seen int
		conn := connect(t, as(t, dsn, role, "secret"))
		if err := conn.QueryRow(t.Context(), `SELECT count(id) FROM patient_profiles`).Scan(&seen); codeOf(err) != denied && (err != nil || seen != want) {
			t.Errorf("%s: %d patients, %v, want %d", role, seen, err, want)
		}
	}
}
