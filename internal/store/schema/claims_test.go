package schema_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// timeline has a doctor and a patient. Times are hours from its beginning, which is now.
type timeline struct {
	t       *testing.T
	f       *testkit.Factory
	patient clinic.Patient
	doctor  clinic.Doctor
	begin   time.Time
}

func newTimeline(t *testing.T) timeline {
	t.Helper()
	f := testkit.NewFactory(t, testkit.NewDatabase(t, schema.Migrate))
	return timeline{t, f, f.Patient(testkit.PatientOptions{}), f.Doctor(testkit.DoctorOptions{}), time.Now()}
}

const forever = 1000

func (l timeline) at(hours int) *time.Time {
	if hours == forever {
		return nil
	}
	return new(l.begin.Add(time.Duration(hours) * time.Hour))
}

// claim makes a claim of the object from one hour to another.
func (l timeline) claim(owner string, from, to int) {
	l.t.Helper()
	l.f.Exec(`INSERT INTO assignment_claims (patient_id, doctor_id, source, owner, declared_by, requester, reason, starts_at, ends_at)
		VALUES ($1, $2, 'kubernetes', $3, 'ns/' || $3, 'user of ' || $3, 'by ' || $3, $4, $5)`,
		l.patient.ID, l.doctor.ID, owner, l.at(from), l.at(to))
}

func (l timeline) move(owner string, from, to int) {
	l.t.Helper()
	l.f.Exec(`UPDATE assignment_claims SET starts_at = $2, ends_at = $3 WHERE owner = $1 AND ended_at IS NULL`, owner, l.at(from), l.at(to))
}

func (l timeline) withdraw(owner string) {
	l.t.Helper()
	l.f.Exec(`UPDATE assignment_claims SET ended_at = statement_timestamp() WHERE owner = $1 AND ended_at IS NULL`, owner)
}

// rows describes the assignments in the order in which they were made: "0-5 a" is from now to the fifth hour, led by a.
func (l timeline) rows() []string {
	l.t.Helper()
	rows, err := l.f.Pool.Query(l.t.Context(), `SELECT starts_at, ends_at, coalesce(owner, source), ends_at <= greatest(starts_at, clock_timestamp()),
			coalesce(ends_at = starts_at, false), declared_by IS NOT DISTINCT FROM 'ns/' || owner AND requester IS NOT DISTINCT FROM 'user of ' || owner
				AND (owner IS NULL OR reason = 'by ' || owner)
		FROM assignments ORDER BY id`)
	if err != nil {
		l.t.Fatal(err)
	}
	defer rows.Close()
	hours := func(at time.Time) int { return int(at.Sub(l.begin).Round(time.Hour).Hours()) }
	var all []string
	for rows.Next() {
		var start time.Time
		var end *time.Time
		var owner string
		var over *bool
		var canceled, follows bool
		if err := rows.Scan(&start, &end, &owner, &over, &canceled, &follows); err != nil {
			l.t.Fatal(err)
		}
		until := "…"
		if end != nil {
			until = fmt.Sprint(hours(*end))
		}
		text := fmt.Sprintf("%d-%s %s", hours(start), until, owner)
		switch {
		case canceled:
			text += " canceled"
		case over != nil && *over:
			text += " ended"
		}
		if !follows {
			text += ", but its columns do not follow"
		}
		all = append(all, text)
	}
	return all
}

func (l timeline) want(what string, want ...string) {
	l.t.Helper()
	if diff := cmp.Diff(want, l.rows()); diff != "" {
		l.t.Errorf("%s: assignments (-want +got)\n%s", what, diff)
	}
}

// TestAssignmentsAreTheUnionOfClaims: each step is one statement.
func TestAssignmentsAreTheUnionOfClaims(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(timeline){
		"overlap and handover": func(l timeline) {
			l.claim("a", 0, 2)
			l.claim("b", 1, 4)
			l.want("overlap", "0-4 a")
			l.withdraw("b")
			l.want("shrinks", "0-2 a")
			l.claim("b", 0, forever)
			l.want("extends", "0-… a")
			l.withdraw("a")
			l.want("handover", "0-… b")
			l.withdraw("b")
			l.want("the last", "0-0 b ended")
			l.claim("a", 0, forever)
			l.want("after a gap", "0-0 b ended", "0-… a")
		},
		"adjacent": func(l timeline) {
			l.claim("a", 0, 2)
			l.claim("b", 2, 4)
			l.want("one follows the other", "0-4 a")
			l.withdraw("a")
			l.want("the first goes", "0-0 a ended", "2-4 b")
		},
		"gap": func(l timeline) {
			l.claim("a", 0, 2)
			l.claim("b", 3, 4)
			l.want("gap", "0-2 a", "3-4 b")
			l.claim("c", 1, 3)
			l.want("filled", "0-4 a", "3-3 b canceled")
			l.withdraw("c")
			l.want("gap again", "0-2 a", "3-3 b canceled", "3-4 b")
		},
		"the middle goes": func(l timeline) {
			l.claim("a", 0, 2)
			l.claim("b", 2, 3)
			l.claim("c", 3, 5)
			l.withdraw("b")
			l.want("two", "0-2 a", "3-5 c")
			l.move("c", 2, 6)
			l.want("grown together", "0-6 a", "3-3 c canceled")
		},
		"future": func(l timeline) {
			l.claim("a", 5, forever)
			l.want("planned", "5-… a")
			l.move("a", 7, 9)
			l.want("moved", "5-5 a canceled", "7-9 a")
			l.claim("b", 7, 8)
			l.want("beside", "5-5 a canceled", "7-9 a")
			l.withdraw("a")
			l.want("handed over before it begins", "5-5 a canceled", "7-8 b")
			l.withdraw("b")
			l.want("canceled", "5-5 a canceled", "7-7 b canceled")
		},
		"expiry": func(l timeline) {
			l.claim("a", -3, -1)
			l.want("is over")
			l.claim("b", -2, 3)
			l.want("the part from now on", "0-3 b")
			l.move("b", -2, -1)
			l.want("is over now", "0-0 b ended")
			l.withdraw("a")
			l.want("withdrawn later", "0-0 b ended")
		},
		"emergency access stands outside": func(l timeline) {
			l.f.Assignment(testkit.AssignmentOptions{Patient: l.patient, Doctor: l.doctor, Source: clinic.SourceBreakGlass})
			l.claim("a", 0, forever)
			l.withdraw("a")
			l.f.Exec(`UPDATE assignments SET ends_at = now() + interval '5 hours' WHERE source = 'break_glass'`)
			if rows := l.rows(); len(rows) != 2 || !strings.HasPrefix(rows[0], "-1-5 break_glass") || rows[1] != "0-0 a ended" {
				l.t.Errorf("assignments = %q", rows)
			}
			if n := l.f.Count(`SELECT count(*) FROM assignment_claims WHERE source <> 'kubernetes'`); n != 0 {
				l.t.Errorf("%d claims of emergency access", n)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newTimeline(t))
		})
	}
}

// TestAHandoverInOneStatementIsOneAssignment orders the events of a handover: the row does not end, there is no second row,
// and only its beginning is an event.
func TestAHandoverInOneStatementIsOneAssignment(t *testing.T) {
	t.Parallel()
	l := newTimeline(t)
	l.f.Exec(`CREATE TABLE journal (id bigint GENERATED ALWAYS AS IDENTITY, entry text)`)
	l.f.Exec(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN INSERT INTO journal (entry) VALUES (TG_OP || ' ' || TG_TABLE_NAME || coalesce(' ' || (to_jsonb(NEW)->>'owner'), '') ||
			CASE WHEN to_jsonb(NEW)->>'ends_at' IS NOT NULL THEN ' ends' ELSE '' END); RETURN NULL; END $$`)
	for _, table := range []string{"assignments", "outbox"} {
		l.f.Exec(`CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON ` + table + ` FOR EACH ROW EXECUTE FUNCTION note()`)
	}
	l.claim("a", 0, forever)
	l.f.Exec(`WITH ended AS (UPDATE assignment_claims SET ended_at = statement_timestamp() WHERE owner = 'a' RETURNING *)
		INSERT INTO assignment_claims (patient_id, doctor_id, source, owner, declared_by, requester, reason, starts_at)
		SELECT patient_id, doctor_id, source, 'b', 'ns/b', 'user of b', 'by b', statement_timestamp() FROM ended`)
	l.claim("c", 0, forever)
	l.withdraw("b")
	l.withdraw("c")
	l.want("in the end", "0-0 c ended")
	rows, err := l.f.Pool.Query(t.Context(), `SELECT entry FROM journal ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var journal []string
	for rows.Next() {
		var entry string
		if err := rows.Scan(&entry); err != nil {
			t.Fatal(err)
		}
		journal = append(journal, entry)
	}
	want := []string{
		"INSERT assignments a", "INSERT outbox", "UPDATE assignments b", "UPDATE assignments c", "UPDATE assignments c ends",
	}
	if diff := cmp.Diff(want, journal); diff != "" {
		t.Errorf("events of the handover (-want +got)\n%s", diff)
	}
}

// TestClaimsGoWithThePeople: deleting a doctor or a patient deletes their claims and assignments.
func TestClaimsGoWithThePeople(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"patient_profiles", "doctor_profiles"} {
		l := newTimeline(t)
		l.claim("a", 0, forever)
		l.claim("b", 5, forever)
		l.f.Exec(`DELETE FROM ` + table)
		if n := l.f.Count(`SELECT (SELECT count(*) FROM assignments) + (SELECT count(*) FROM assignment_claims)`); n != 0 {
			t.Errorf("%d rows are left after the deletion in %s", n, table)
		}
	}
}

// TestWhoIsDeletedLeavesNoClaims, though the deletion cascades through the triggers; others keep their access.
func TestWhoIsDeletedLeavesNoClaims(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		who  string
		left []string
	}{
		"patient":             {"SELECT user_id FROM patient_profiles", nil},
		"doctor":              {"SELECT user_id FROM doctor_profiles", nil},
		"who asked over REST": {"SELECT id FROM users WHERE role = 'ADMIN'", []string{"0-… rest"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newTimeline(t)
			l.f.Exec(`INSERT INTO assignment_claims (patient_id, doctor_id, source, requested_by, starts_at) VALUES ($1, $2, 'rest', $3, now())`,
				l.patient.ID, l.doctor.ID, l.f.Admin().ID)
			l.claim("a", 2, forever)
			l.f.Exec(`DELETE FROM users WHERE id IN (` + test.who + `)`)
			l.want("deleted", test.left...)
			if n := l.f.Count(`SELECT count(*) FROM assignment_claims`); n != 2*len(test.left) {
				t.Errorf("%d claims are left, want %d", n, 2*len(test.left))
			}
			if n := l.f.Count(`SELECT count(*) FROM assignments WHERE requested_by IS NOT NULL`); n != 0 {
				t.Errorf("%d assignments name who is deleted", n)
			}
		})
	}
}
