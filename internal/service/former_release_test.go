package service_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// former runs the statements of the former release, which writes assignments and knows no claims: testdata/former has
// its queries. Each part has its role's rights.
type former struct {
	ward
	statements                map[string]string
	controller, server, owner *pgx.Conn
}

func newFormer(t *testing.T, patients int) former {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	w := newWardOn(t, dsn, patients)
	connect := func(url string) *pgx.Conn {
		conn := testkit.Value(pgx.Connect(t.Context(), url))(t)
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
		return conn
	}
	f := former{
		ward: w, statements: map[string]string{},
		controller: connect(rights.URL(t, dsn, schema.PartController)), server: connect(rights.URL(t, dsn, schema.PartServer)), owner: connect(dsn),
	}
	begins, optional := regexp.MustCompile(`(?m)^-- name: (\w+) :\w+$`), regexp.MustCompile(`sqlc\.narg\('(\w+)'\)`)
	for _, name := range testkit.Value(filepath.Glob("testdata/former/*.sql"))(t) {
		text := string(testkit.Value(os.ReadFile(name))(t))
		marks := begins.FindAllStringSubmatchIndex(text, -1)
		for i, mark := range marks {
			end := len(text)
			if i+1 < len(marks) {
				end = marks[i+1][0]
			}
			f.statements[text[mark[2]:mark[3]]] = optional.ReplaceAllString(text[mark[1]:end], "@$1")
		}
	}
	return f
}

// step is a statement of the former release with its arguments.
type step struct {
	name string
	args pgx.NamedArgs
}

// run sends the steps in a transaction, as its use cases did.
func (f former) run(t *testing.T, conn *pgx.Conn, as *clinic.User, steps ...step) {
	t.Helper()
	tx := testkit.Value(conn.Begin(t.Context()))(t)
	defer func() { _ = tx.Rollback(t.Context()) }()
	if as != nil {
		testkit.Value(tx.Exec(t.Context(), `SELECT identify($1, $2, 0)`, as.ID, string(as.Role)))(t)
	}
	for _, s := range steps {
		text := f.statements[s.name]
		if text == "" {
			t.Fatalf("the former release has no statement %s", s.name)
		}
		if _, err := tx.Exec(t.Context(), text, s.args); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	testkit.Must(t, tx.Commit(t.Context()))
}

// declares is what Declare did for the first n patients.
func (f former) declares(t *testing.T, uid string, n int, start, end *time.Time) {
	t.Helper()
	patients := []int64{}
	for _, p := range f.patients[:n] {
		patients = append(patients, p.ID)
	}
	begin := time.Time{}
	if start != nil {
		begin = *start
	}
	args := pgx.NamedArgs{
		"owner": uid, "declared_by": "ns/" + uid, "username": "doctor1", "doctor_id": f.doctor.ID, "patient_ids": patients,
		"starts_at": begin, "ends_at": end, "reason": "former",
	}
	f.run(t, f.controller, nil, step{"LockOwner", args}, step{"LockDoctorsOfOwner", args}, step{"EndUnwanted", args}, step{"AdjustDeclared", args}, step{"InsertDeclared", args})
}

func (f former) releases(t *testing.T, uid string) {
	t.Helper()
	args := pgx.NamedArgs{"owner": uid, "username": "", "doctor_id": 0, "patient_ids": []int64{}, "starts_at": time.Time{}}
	f.run(t, f.controller, nil, step{"LockOwner", args}, step{"LockDoctorsOfOwner", args}, step{"EndUnwanted", args})
}

func (f former) retains(t *testing.T, uid string) {
	t.Helper()
	args := pgx.NamedArgs{"owner": uid, "username": ""}
	f.run(t, f.controller, nil, step{"LockOwner", args}, step{"LockDoctorsOfOwner", args}, step{"RetainAssignments", args})
}

func (f former) assigns(t *testing.T, admin clinic.User, patient clinic.Patient, end *time.Time) {
	t.Helper()
	args := pgx.NamedArgs{"id": f.doctor.ID, "patient_id": patient.ID, "doctor_id": f.doctor.ID, "requested_by": admin.ID, "reason": "former", "ends_at": end}
	f.run(t, f.server, &admin, step{"LockDoctor", args}, step{"InsertAssignment", args})
}

// ends is the end of the patient's assignment by an administrator.
func (f former) ends(t *testing.T, admin clinic.User, patient clinic.Patient) {
	t.Helper()
	args := pgx.NamedArgs{"id": f.db.Count(`SELECT id FROM assignments WHERE patient_id = $1 AND doctor_id = $2 AND starts_at <= now() AND ends_at IS NULL`, patient.ID, f.doctor.ID)}
	f.run(t, f.server, &admin, step{"LockDoctorOfAssignment", args}, step{"EndAssignment", args})
}

// want checks how many pairs are assigned, and that claims and assignments cover the same times from now on.
func (f former) want(t *testing.T, when string, access int) {
	t.Helper()
	if got := f.access(); got != access {
		t.Errorf("%s: %d pairs are assigned, want %d", when, got, access)
	}
	f.agree(t, when)
}

// agree checks that claims and assignments cover the same times from now on.
func (w ward) agree(t interface {
	Errorf(format string, args ...any)
}, when string,
) {
	if n := w.db.Count(`SELECT count(*) FROM (
			SELECT patient_id, doctor_id, range_agg(tstzrange(starts_at, ends_at)) * tstzmultirange(tstzrange(statement_timestamp(), NULL)) AS covered
			FROM assignments WHERE source <> 'break_glass' GROUP BY 1, 2
		) a FULL JOIN (
			SELECT patient_id, doctor_id, range_agg(tstzrange(starts_at, ends_at)) * tstzmultirange(tstzrange(statement_timestamp(), NULL)) AS covered
			FROM assignment_claims WHERE ended_at IS NULL GROUP BY 1, 2
		) c USING (patient_id, doctor_id)
		WHERE coalesce(a.covered, '{}') <> coalesce(c.covered, '{}')`); n != 0 {
		t.Errorf("%s: the assignments of %d pairs are not the union of their claims", when, n)
	}
}

// TestTheFormerReleaseBesideThisOne runs its statements before, after and between those of this release, as during an upgrade
// and after a rollback: nobody loses access, and nobody gets any.
func TestTheFormerReleaseBesideThisOne(t *testing.T) {
	t.Parallel()
	tomorrow, later := time.Now().Add(24*time.Hour).Truncate(time.Second), time.Now().Add(48*time.Hour).Truncate(time.Second)
	ends := func(t *testing.T, f former, p clinic.Patient, force bool) {
		t.Helper()
		id := f.db.Count(`SELECT id FROM assignments WHERE patient_id = $1 AND starts_at <= now() AND ends_at IS NULL`, p.ID)
		testkit.Value(f.Assignments.End(t.Context(), testkit.CallerOf(f.db.Admin()), int64(id), force))(t)
	}
	for name, test := range map[string]func(*testing.T, former){
		"an upgrade keeps what was declared": func(t *testing.T, f former) {
			t.Helper()
			f.declares(t, "uid-1", 2, nil, nil)
			f.want(t, "declared by the former release", 2)
			d := f.wish(2)
			f.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2})
			f.settled(t, d)
			f.declare(t, f.wish(1), clinic.DeclarationResult{Assigned: 1, Claims: 1, Ended: 1})
			f.want(t, "changed by this release", 1)
		},
		"a rollback keeps it, too": func(t *testing.T, f former) {
			t.Helper()
			f.declare(t, f.wish(3), clinic.DeclarationResult{Assigned: 3, Claims: 3, Created: 3})
			f.declares(t, "uid-1", 3, nil, nil)
			f.want(t, "declared by both", 3)
			if n := f.db.Count(`SELECT count(*) FROM assignments`); n != 3 {
				t.Errorf("%d assignments, want no others", n)
			}
			f.declares(t, "uid-1", 2, nil, nil)
			f.want(t, "changed by the former release", 2)
			f.releases(t, "uid-1")
			f.want(t, "released by the former release", 0)
		},
		"an object that the former release does not see": func(t *testing.T, f former) {
			t.Helper()
			f.declare(t, f.wish(1), clinic.DeclarationResult{Assigned: 1, Claims: 1, Created: 1})
			f.declare(t, byAnother(f.wish(1), "uid-2"), clinic.DeclarationResult{Assigned: 1, Claims: 1, Shared: 1})
			f.releases(t, "uid-2") // it owns no assignment
			f.want(t, "the second was released", 1)
			f.releases(t, "uid-1")
			f.want(t, "both were released", 0)
		},
		"an object that takes over": func(t *testing.T, f former) {
			t.Helper()
			f.declare(t, f.wish(1), clinic.DeclarationResult{Assigned: 1, Claims: 1, Created: 1})
			f.declare(t, byAnother(f.wish(1), "uid-2"), clinic.DeclarationResult{Assigned: 1, Claims: 1, Shared: 1})
			f.releases(t, "uid-1")
			f.want(t, "the first was released", 1)
			f.declares(t, "uid-2", 1, nil, nil)
			f.want(t, "the second was declared", 1)
			f.releases(t, "uid-2")
			f.want(t, "both were released", 0)
		},
		"a claim of REST beside an object": func(t *testing.T, f former) {
			t.Helper()
			admin := f.db.Admin()
			f.declares(t, "uid-1", 1, nil, nil)
			_, _, err := f.Assignments.Assign(t.Context(), testkit.CallerOf(admin), clinic.AssignmentRequest{PatientID: f.patients[0].ID, DoctorID: f.doctor.ID}, noKey)
			wantCode(t, err, "")
			f.releases(t, "uid-1")
			f.want(t, "REST still claims it", 1)
			f.ends(t, admin, f.patients[0])
			f.want(t, "REST has ended it", 0)
		},
		"an assignment over REST": func(t *testing.T, f former) {
			t.Helper()
			admin := f.db.Admin()
			f.assigns(t, admin, f.patients[0], &later)
			f.assigns(t, admin, f.patients[1], nil)
			f.want(t, "assigned by the former release", 2)
			f.declare(t, f.wish(1), clinic.DeclarationResult{Assigned: 1, Claims: 1, Shared: 1})
			f.ends(t, admin, f.patients[0])
			f.want(t, "the object still claims one", 2)
			ends(t, f, f.patients[1], false)
			f.want(t, "this release has ended the other", 1)
			f.assigns(t, admin, f.patients[1], nil)
			f.want(t, "assigned again", 2)
		},
		"an object that is retained": func(t *testing.T, f former) {
			t.Helper()
			f.declare(t, f.wish(2), clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2})
			f.retains(t, "uid-1")
			f.want(t, "retained", 2)
			ends(t, f, f.patients[0], false)
			f.want(t, "an administrator ends one", 1)
			f.declare(t, f.wish(2), clinic.DeclarationResult{Assigned: 2, Claims: 2, Shared: 1, Created: 1})
		},
		"what an administrator ended by force": func(t *testing.T, f former) {
			t.Helper()
			f.declare(t, f.wish(2), clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2})
			ends(t, f, f.patients[0], true)
			f.declares(t, "uid-1", 2, nil, nil)
			f.want(t, "held", 1)
		},
		"what an administrator ended by force before this release knew the object": func(t *testing.T, f former) {
			t.Helper()
			f.declares(t, "uid-1", 1, nil, nil)
			ends(t, f, f.patients[0], true)
			d := f.wish(1)
			d.Generation = 7 // the spec has not changed since
			problems := []clinic.DeclarationProblem{{Doctor: "doctor1", Patient: d.Patients[0], Reason: clinic.EndedByAdministrator}}
			f.declare(t, d, clinic.DeclarationResult{Troubled: 1, Problems: problems})
			f.want(t, "held at an unknown generation", 0)
			d.Generation = 8
			f.declare(t, d, clinic.DeclarationResult{Assigned: 1, Claims: 1, Created: 1})
			f.want(t, "the spec has changed", 1)
		},
		"what an administrator ended by force after a rollback": func(t *testing.T, f former) {
			t.Helper()
			d := f.wish(1)
			f.declare(t, d, clinic.DeclarationResult{Assigned: 1, Claims: 1, Created: 1})
			f.declares(t, "uid-1", 1, nil, &later) // another generation
			f.declares(t, "uid-1", 1, nil, nil)
			ends(t, f, f.patients[0], true)
			d.Generation, d.Term = 3, 2
			problems := []clinic.DeclarationProblem{{Doctor: "doctor1", Patient: d.Patients[0], Reason: clinic.EndedByAdministrator}}
			f.declare(t, d, clinic.DeclarationResult{Troubled: 1, Problems: problems})
			f.want(t, "held", 0)
		},
		"a doctor's assignment after one that has run out": func(t *testing.T, f former) {
			t.Helper()
			admin, doctor := f.db.Admin(), f.doctor.User
			f.assigns(t, admin, f.patients[0], &later)
			f.db.Exec(`UPDATE assignment_claims SET starts_at = now() - interval '2 hours', ends_at = now() - interval '1 hour'`)
			f.want(t, "run out", 0)
			f.assigns(t, doctor, f.patients[0], nil)
			f.want(t, "the doctor has assigned themselves", 1)
			for _, table := range []string{"assignments", "assignment_claims"} {
				if n := f.db.Count(`SELECT count(*) FROM `+table+` WHERE requested_by = $1 AND ends_at IS NULL`, doctor.ID); n != 1 {
					t.Errorf("%s: %d rows say that the doctor asked, want one", table, n)
				}
				if n := f.db.Count(`SELECT count(*) FROM `+table+` WHERE requested_by = $1 AND ends_at < now()`, admin.ID); n != 1 {
					t.Errorf("%s: %d rows say that the administrator asked before, want one", table, n)
				}
			}
		},
		"a suspended object": func(t *testing.T, f former) { // that release knows no spec.suspend
			t.Helper()
			d := f.wish(2)
			d.Suspended = true
			f.declare(t, d, clinic.DeclarationResult{})
			f.declares(t, "uid-1", 2, nil, nil)
			f.want(t, "suspended", 0)
			d.Suspended, d.Generation = false, 2
			f.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2})
			f.declares(t, "uid-1", 2, nil, nil)
			f.want(t, "not suspended anymore", 2)
		},
		"periods": func(t *testing.T, f former) {
			t.Helper()
			f.declares(t, "uid-1", 1, &tomorrow, nil)
			f.want(t, "planned", 0)
			f.declares(t, "uid-1", 1, &later, nil)
			f.want(t, "moved", 0)
			d := f.wish(1)
			d.StartsAt, d.Reason = &later, "former"
			f.declare(t, d, clinic.DeclarationResult{Claims: 1})
			f.declares(t, "uid-1", 1, nil, &later)
			f.want(t, "begun and bounded", 1)
			f.declare(t, f.wish(1), clinic.DeclarationResult{Assigned: 1, Claims: 1})
			f.want(t, "open-ended", 1)
			f.declares(t, "uid-1", 1, &tomorrow, nil)
			f.want(t, "planned again", 0)
			f.releases(t, "uid-1")
			f.want(t, "canceled", 0)
			if n := f.db.Count(`SELECT count(*) FROM assignment_claims WHERE ended_at IS NULL`); n != 0 {
				t.Errorf("%d claims are left", n)
			}
		},
		"an import": func(t *testing.T, f former) {
			t.Helper()
			f.run(t, f.owner, nil, step{"LockImport", nil}, step{"AssignCareTeam", pgx.NamedArgs{
				"reason": "care team", "patient_ids": []int64{f.patients[0].ID}, "doctor_ids": []int64{f.doctor.ID},
			}})
			f.want(t, "imported", 1)
			if n := f.db.Count(`SELECT count(*) FROM outbox`); n != 0 {
				t.Errorf("%d events of an import", n)
			}
			ends(t, f, f.patients[0], false)
			f.want(t, "ended", 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFormer(t, 3)
			test(t, f)
		})
	}
}
