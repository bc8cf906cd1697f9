package schema_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// TestChangesOfTheSchemaKeepNobodyWaiting: a backup reads a table for hours. The change waits for
// the backup, but other users of the table do not wait behind the change.
func TestChangesOfTheSchemaKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	const patience = time.Minute // so that a failing test does not wait for ever
	for name, test := range map[string]struct {
		table  string
		before func(t *testing.T, dsn string) // creates the need for the change
		change func(ctx context.Context, dsn string) error
	}{
		"a migration": {"idempotency_keys", func(t *testing.T, dsn string) {
			t.Helper()
			if _, err := migrationsOf(t, dsn).DownTo(t.Context(), 10); err != nil {
				t.Fatal(err)
			}
		}, schema.Migrate},
		"another role": {"audit_log", func(t *testing.T, dsn string) {
			t.Helper()
			run(t, connect(t, dsn), "ALTER POLICY server ON audit_log TO CURRENT_USER")
		}, rights.Migrate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := testkit.NewDatabase(t, rights.Migrate)
			test.before(t, dsn)
			backup, other := connect(t, dsn), connect(t, dsn)
			reading := "SELECT count(*) FROM " + pgx.Identifier{test.table}.Sanitize()
			run(t, backup, "BEGIN; "+reading)
			changed := make(chan error, 1)
			go func() { changed <- test.change(t.Context(), dsn) }()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for waits := false; !waits; {
				if err := other.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass)`, test.table).
					Scan(&waits); err != nil {
					t.Fatalf("the change does not wait: %v", err)
				}
			}
			if _, err := other.Exec(ctx, reading); err != nil {
				t.Errorf("a request waits behind the change: %v", err)
			}
			run(t, backup, "ROLLBACK")
			if err := <-changed; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAMigrationHoldsNothingThatWhomItWaitsForNeeds: a migration that holds a table, and then waits for a request that
// needs this table, makes everybody wait and fails. Under load it would fail at each attempt.
func TestAMigrationHoldsNothingThatWhomItWaitsForNeeds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		down        int64
		first, then string
	}{
		"a request reads its session first": {
			13, "LOCK TABLE sessions IN ACCESS SHARE MODE",
			"LOCK TABLE users, doctor_profiles, assignments, doctor_comments, outbox, notifications IN ROW EXCLUSIVE MODE",
		},
		"the controller adds its events last": {
			13, "LOCK TABLE assignments IN ROW EXCLUSIVE MODE", "LOCK TABLE outbox IN ROW EXCLUSIVE MODE",
		},
		"whoever changes assignments has locked their doctor first": {
			15, "LOCK TABLE doctor_profiles IN ROW EXCLUSIVE MODE", "LOCK TABLE assignments, outbox IN ROW EXCLUSIVE MODE",
		},
		"an import adds people first": {
			18, "LOCK TABLE users, patient_profiles, doctor_profiles IN ROW EXCLUSIVE MODE", "LOCK TABLE health_records, assignments IN ROW EXCLUSIVE MODE",
		},
		"a request that reads comments has locked their view first": {
			25, "LOCK TABLE doctor_profiles IN ACCESS EXCLUSIVE MODE", "LOCK TABLE doctor_comments IN ROW EXCLUSIVE MODE",
		},
		"a request that has read a patient deletes a record": {
			36, "LOCK TABLE patient_profiles IN ACCESS SHARE MODE", "LOCK TABLE health_records, record_versions IN ROW EXCLUSIVE MODE",
		},
		"whoever adds a record reads its patient afterwards": {
			29, "LOCK TABLE health_records IN ROW EXCLUSIVE MODE", "LOCK TABLE patient_profiles IN ROW SHARE MODE",
		},
		"an import adds records and claims after people": {
			37, "LOCK TABLE users, patient_profiles IN ROW EXCLUSIVE MODE", "LOCK TABLE health_records, assignment_claims, assignments IN ROW EXCLUSIVE MODE",
		},
		"whoever adds a record looks up the patient afterwards": {
			37, "LOCK TABLE health_records IN ROW EXCLUSIVE MODE", "LOCK TABLE patient_profiles IN ROW SHARE MODE",
		},
		"the worker adds notifications last": {
			13, "LOCK TABLE outbox IN ROW EXCLUSIVE MODE", "LOCK TABLE notifications IN ROW EXCLUSIVE MODE",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := testkit.NewDatabase(t, rights.Migrate)
			if _, err := migrationsOf(t, dsn).DownTo(t.Context(), test.down); err != nil {
				t.Fatal(err)
			}
			request, other := connect(t, dsn), connect(t, dsn)
			run(t, request, "BEGIN; SET LOCAL lock_timeout = '50ms'; "+test.first)
			migrated := make(chan error, 1)
			go func() { migrated <- schema.Migrate(t.Context(), dsn) }()
			for waits := false; !waits; {
				if err := other.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'relation'
					AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waits); err != nil {
					t.Fatalf("the migration does not wait: %v", err)
				}
			}
			run(t, request, test.then)
			run(t, request, "COMMIT")
			if err := <-migrated; err != nil {
				t.Error(err)
			}
		})
	}
}
