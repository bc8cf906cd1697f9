package store_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestConstraintsHoldWhatTheClinicDeclares: package clinic declares the allowed values, and
// a migration has to follow it.
func TestConstraintsHoldWhatTheClinicDeclares(t *testing.T) {
	t.Parallel()
	conn := connect(t, testkit.NewDatabase(t, rights.Migrate))
	var events []clinic.EventType
	for _, kind := range clinic.EventKinds() {
		events = append(events, kind.Type)
	}
	var notifications []clinic.NotificationType
	for _, kind := range clinic.NotificationKinds() {
		notifications = append(notifications, kind.Type)
	}
	for constraint, want := range map[string][]string{
		"users_role_known":                  texts(clinic.Roles()),
		"patient_profiles_role_agrees":      {string(clinic.RolePatient)},
		"doctor_profiles_role_agrees":       {string(clinic.RoleDoctor)},
		"health_records_type_known":         store.StoredTypes(),
		"patient_profiles_blood_type_known": append(clinic.BloodTypes(), ""),
		"assignments_source_known":          texts(clinic.AssignmentSources()),
		"assignment_claims_source_known":    {string(clinic.SourceREST), string(clinic.SourceKubernetes)},
		"outbox_type_known":                 texts(events),
		"notifications_type_known":          texts(notifications),
	} {
		var definition string
		err := conn.QueryRow(t.Context(), `SELECT pg_get_constraintdef(oid) FROM pg_constraint
			WHERE conname = $1 AND connamespace = current_schema()::regnamespace`, constraint).Scan(&definition)
		if err != nil {
			t.Errorf("%s: %v", constraint, err)
			continue
		}
		got := quoted(definition)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s allows %q, and the clinic declares %q: add a migration that replaces the constraint", constraint, got, want)
		}
	}
}

// TestSchemaNamesRolesThatThereAre searches policies, views and functions.
func TestSchemaNamesRolesThatThereAre(t *testing.T) {
	t.Parallel()
	conn := connect(t, testkit.NewDatabase(t, rights.Migrate))
	rows, err := conn.Query(t.Context(), `
		SELECT concat_ws(' ', qual, with_check) FROM pg_policies WHERE schemaname = current_schema()
		UNION ALL SELECT definition FROM pg_views WHERE schemaname = current_schema()
		UNION ALL SELECT p.prosrc FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
			WHERE p.pronamespace = current_schema()::regnamespace AND l.lanname IN ('sql', 'plpgsql')`)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	known := append(texts(clinic.Roles()), clinic.ActorController, clinic.ActorImport,
		"INSERT", "UPDATE", "DELETE", "UTC", "ID", "MEMBER") // of TG_OP, a time zone, a key of old answers, and a right
	capitals, found := regexp.MustCompile(`^[A-Z]{2,}$`), 0
	for _, source := range sources {
		for _, word := range quoted(source) {
			if !capitals.MatchString(word) {
				continue
			}
			found++
			if !slices.Contains(known, word) {
				t.Errorf("the schema names %q, which is no role", word)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d roles were found", found)
	}
}

// TestStatementsNameWhatTheClinicDeclares compares each text that a statement quotes with
// the declarations of package clinic.
func TestStatementsNameWhatTheClinicDeclares(t *testing.T) {
	t.Parallel()
	known := slices.Concat(texts(clinic.Roles()), texts(clinic.AssignmentSources()), texts(clinic.AccessReasons()), texts(clinic.ObjectKinds()), clinic.SearchFields(),
		[]string{clinic.ActorController, clinic.ActorImport, clinic.DecisionAllowed})
	var inserted []string
	for _, kind := range clinic.EventKinds() {
		inserted = append(inserted, string(kind.Type))
		known = append(known, string(kind.Type), string(kind.Subject))
	}
	for _, kind := range clinic.NotificationKinds() {
		known = append(known, texts(kind.Recipients)...)
	}
	known = append(known,
		"done", "dropped", "dead", // outcomes of an event
		"declare", "adjustDeclared", "endDeclared", "disown", // the controller's operations
		"register", "user", "healthrecords.user_id", // the caller of a transaction
		"assignments of ", "healthrecords.import", "healthrecords.audit.chain", // names of locks
		"patient", "doctor", // ids of the caller
		"record_ids",                                                                          // a column
		"controller_terms", "healthrecords.silent", "healthrecords.page", "statement_timeout", // a sequence, and settings of a transaction
	)
	files, err := filepath.Glob("queries/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	comment, parameter := regexp.MustCompile(`--[^\n]*`), regexp.MustCompile(`sqlc\.\w+\('\w+'\)`)
	word := regexp.MustCompile(`^[a-zA-Z_.]{3,}( of )?$`)
	all := ""
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sql := parameter.ReplaceAllString(comment.ReplaceAllString(string(content), ""), "")
		all += sql
		for _, text := range quoted(sql) {
			if word.MatchString(text) && !slices.Contains(known, text) && !slices.Contains(postgresWords(), text) {
				t.Errorf("%s names %q, which nothing declares", name, text)
			}
		}
	}
	// adds the events of assignments; an edit of a later migration would replace it there
	settles, err := os.ReadFile("schema/migrations/00016_claims.sql")
	if err != nil {
		t.Fatal(err)
	}
	all += string(settles)
	for _, event := range inserted {
		if !strings.Contains(all, "'"+event+"'") {
			t.Errorf("no statement adds the event %s", event)
		}
	}
	for _, kind := range clinic.EventKinds() {
		if !strings.Contains(all, "WHEN '"+string(kind.Subject)+"' THEN") {
			t.Errorf("HandleEvents does not know the subject %q", kind.Subject)
		}
	}
	for _, kind := range clinic.NotificationKinds() {
		for _, recipients := range kind.Recipients {
			if !strings.Contains(all, "e.recipients = '"+string(recipients)+"'") {
				t.Errorf("HandleEvents does not know the recipients %q", recipients)
			}
		}
	}
}

// postgresWords are texts that have a meaning for Postgres, or for readers only.
func postgresWords() []string {
	return []string{"epoch", "hex", "infinity", "users", "doctor_profiles", "DOC"} // DOC begins a license number
}

// quoted are the texts between single quotes.
func quoted(sql string) (found []string) {
	for _, match := range regexp.MustCompile(`'([^']*)'`).FindAllStringSubmatch(sql, -1) {
		found = append(found, match[1])
	}
	return found
}

func texts[T ~string](values []T) []string {
	var all []string
	for _, value := range values {
		all = append(all, string(value))
	}
	return all
}
