package store

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestEveryForeignKeyIsTold: an object that a statement found may be deleted before a new row
// refers to it. That is not an error of the server, whichever foreign key finds it.
func TestEveryForeignKeyIsTold(t *testing.T) {
	t.Parallel()
	want := map[string]clinic.Code{
		"assignments_patient_fkey": clinic.CodeNotFound,
		"assignments_doctor_fkey":  clinic.CodeNotFound,

		"assignment_counts_doctor_fkey":  clinic.CodeNotFound,
		"assignment_claims_patient_fkey": clinic.CodeNotFound,
		"assignment_claims_doctor_fkey":  clinic.CodeNotFound,

		// the worker's, who tries again: see HandleEvents
		"notifications_record_fkey":     clinic.CodeNotFound,
		"record_versions_patient_fkey":  clinic.CodeNotFound,
		"comment_versions_comment_fkey": clinic.CodeNotFound,
		"notifications_comment_fkey":    clinic.CodeNotFound,
		"notifications_patient_fkey":    clinic.CodeNotFound,
		"notifications_doctor_fkey":     clinic.CodeNotFound,
		"notifications_assignment_fkey": clinic.CodeNotFound,
		"notifications_user_fkey":       clinic.CodeNotFound,
		"record_search_record_fkey":     clinic.CodeNotFound,
		"notifications_recipient_fkey":  clinic.CodeUnauthenticated,

		// the caller's own account, profile and session, which the API does not delete
		"patient_profiles_user_fkey":          clinic.CodeUnauthenticated,
		"doctor_profiles_user_fkey":           clinic.CodeUnauthenticated,
		"health_records_patient_fkey":         clinic.CodeUnauthenticated,
		"health_records_created_by_fkey":      clinic.CodeUnauthenticated,
		"doctor_comments_doctor_fkey":         clinic.CodeUnauthenticated,
		"assignments_requested_by_fkey":       clinic.CodeUnauthenticated,
		"assignment_claims_requested_by_fkey": clinic.CodeUnauthenticated,
		"sessions_user_fkey":                  clinic.CodeUnauthenticated,
		"totp_factors_user_fkey":              clinic.CodeUnauthenticated,
		"idempotency_keys_user_fkey":          clinic.CodeUnauthenticated,
		"name_versions_user_fkey":             clinic.CodeUnauthenticated,
		"callers_user_fkey":                   clinic.CodeUnauthenticated,
		"pending_names_doctor_fkey":           clinic.CodeUnauthenticated,
		"notification_counts_recipient_fkey":  clinic.CodeUnauthenticated,
		"record_counts_patient_fkey":          clinic.CodeUnauthenticated,
		"legal_holds_patient_fkey":            clinic.CodeNotFound,

		// rows that are locked before
		"refresh_tokens_session_fkey": clinic.CodeUnauthenticated,
		"recovery_codes_factor_fkey":  clinic.CodeConflict,
		"reset_codes_user_fkey":       clinic.CodeNotFound,
	}
	var keys []string
	if err := testkit.NewFactory(t, testkit.NewDatabase(t, schema.Migrate)).Pool.QueryRow(t.Context(), `SELECT array_agg(conname::text ORDER BY conname)
		FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace`).Scan(&keys); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), keys); diff != "" {
		t.Errorf("not the foreign keys of the schema; a new one needs a line in this test and a case in dangling (-test +schema):\n%s", diff)
	}
	keys, want["doctor_comments_record_fkey"] = append(keys, "doctor_comments_record_fkey"), clinic.CodeNotFound // a trigger's: see comment_has_patient
	for _, key := range keys {
		got := clinic.CodeOf(translate(&pgconn.PgError{Code: "23503", ConstraintName: key, Message: "quotes a row"}))
		if got != want[key] {
			t.Errorf("%s is %s, want %s", key, got, want[key])
		}
	}
}
