package service_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestDeclaredPeriod(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	record := w.db.Record(testkit.RecordOptions{Patient: w.patients[0]})
	seen := func(want clinic.Code) {
		t.Helper()
		_, err := w.Records.Get(t.Context(), testkit.CallerOf(w.doctor.User), record.ID)
		wantCode(t, err, want)
	}
	tomorrow, later := time.Now().Add(24*time.Hour).Truncate(time.Second), time.Now().Add(48*time.Hour).Truncate(time.Second)
	eventAt := func(at time.Time, want int) {
		t.Helper()
		if n := w.db.Count(`SELECT count(*) FROM outbox o JOIN assignments a ON a.id = o.assignment_id AND a.ends_at IS DISTINCT FROM a.starts_at
			WHERE finished_at IS NULL AND next_at = $1 AND o.created_at = $1`, at); n != want {
			t.Errorf("%d events are due at %v, want %d", n, at, want)
		}
	}

	d := w.wish(2)
	d.StartsAt = &tomorrow
	w.declare(t, d, clinic.DeclarationResult{Claims: 2, Created: 2})
	w.settled(t, d)
	seen(clinic.CodeNotFound)
	eventAt(tomorrow, 2)

	d.StartsAt, d.EndsAt, d.Reason = &later, new(later.Add(time.Hour)), "specialist"
	w.declare(t, d, clinic.DeclarationResult{Claims: 2, Created: 2, Ended: 2}) // canceled, and planned anew
	w.settled(t, d)
	eventAt(tomorrow, 0)
	eventAt(later, 2)
	if n := w.db.Count(`SELECT count(*) FROM assignments WHERE starts_at = $1 AND ends_at = $2 AND reason = 'specialist'`, later, *d.EndsAt); n != 2 {
		t.Errorf("%d assignments follow the declaration, want 2", n)
	}

	d.StartsAt = nil
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2, Ended: 2})
	w.settled(t, d)
	seen("")
	w.handleAll(t)
	if n := w.db.Count(`SELECT count(*) FROM notifications`); n != 4 {
		t.Errorf("notifications = %d, want 4 once it has begun", n)
	}

	d.StartsAt = &tomorrow // it runs already: ends, and begins again tomorrow
	w.declare(t, d, clinic.DeclarationResult{Claims: 2, Created: 2, Ended: 2})
	w.settled(t, d)
	seen(clinic.CodeNotFound)
	eventAt(tomorrow, 2)

	d.StartsAt, d.EndsAt = new(time.Now().Add(-48*time.Hour)), new(time.Now().Add(-24*time.Hour))
	w.declare(t, d, clinic.DeclarationResult{Ended: 2})
	w.settled(t, d)
	d.EndsAt = nil
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2})
	seen("")
	if n := w.db.Count(`SELECT count(*) FROM assignments WHERE starts_at < now() - interval '1 hour'`); n != 0 {
		t.Errorf("%d assignments claim to have begun before they were made", n)
	}
}

// A fault elsewhere in the declaration does not prolong access beyond its end.
func TestDeclarationThatIsNotValidEndsAllTheSame(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*clinic.Declaration){
		"its end has passed": func(d *clinic.Declaration) { d.EndsAt = new(time.Now().Add(-time.Hour)) },
		"it is suspended":    func(d *clinic.Declaration) { d.Suspended = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t, 2)
			d := w.wish(2)
			w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2})

			d.Reason, d.EndsAt = "primary\ncare", new(time.Now().Add(time.Hour))
			_, err := w.Declarations.Declare(t.Context(), d)
			wantCode(t, err, clinic.CodeInvalid)
			if n := w.access(); n != 2 {
				t.Errorf("%d assignments are active before the end, want 2 as they were", n)
			}

			end(&d)
			for _, want := range []int{2, 0} {
				got := testkit.Value(w.Declarations.Declare(t.Context(), d))(t)
				if got.Ended != want || got.Claims != 0 || got.Changed != (want > 0) {
					t.Errorf("%+v, want %d to end", got, want)
				}
			}
			if n := w.access(); n != 0 {
				t.Errorf("%d assignments are active after the end, want none", n)
			}
		})
	}
}

// TestSuspendKeepsWhatOthersClaim: the result says so.
func TestSuspendKeepsWhatOthersClaim(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	w.declare(t, w.wish(2), clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2})
	w.declare(t, byAnother(w.wish(1), "uid-2"), clinic.DeclarationResult{Assigned: 1, Claims: 1, Shared: 1})
	d := w.wish(2)
	d.Suspended, d.Generation = true, 2
	w.declare(t, d, clinic.DeclarationResult{Assigned: 1, Shared: 1, Ended: 1})
	w.settled(t, d)
	d.Suspended, d.Generation = false, 3
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Claims: 2, Shared: 1, Created: 1})
}

// TestAFutureObjectBlocksNobody: neither another object nor REST. Each result says what holds now.
func TestAFutureObjectBlocksNobody(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	future := byAnother(w.wish(2), "future")
	future.StartsAt = new(time.Now().Add(48 * time.Hour))
	w.declare(t, future, clinic.DeclarationResult{Claims: 2, Created: 2})
	w.declare(t, w.wish(1), clinic.DeclarationResult{Assigned: 1, Claims: 1, Shared: 1, Created: 1, Ended: 1}) // the planned one is part of it
	_, created, err := w.Assignments.Assign(t.Context(), testkit.CallerOf(w.db.Admin()), clinic.AssignmentRequest{PatientID: w.patients[1].ID, DoctorID: w.doctor.ID}, noKey)
	if wantCode(t, err, ""); !created || w.access() != 2 {
		t.Errorf("created = %t, %d pairs are assigned, want both", created, w.access())
	}
	w.declare(t, future, clinic.DeclarationResult{Assigned: 2, Claims: 2, Shared: 2})
	bounded := w.wish(1)
	bounded.Generation, bounded.EndsAt = 2, new(time.Now().Add(time.Hour))
	w.declare(t, bounded, clinic.DeclarationResult{Assigned: 1, Claims: 1, Shared: 1, Created: 1}) // a gap, then the planned one
	if n := w.db.Count(`SELECT count(*) FROM assignments WHERE patient_id = $1 AND (starts_at = $2 OR ends_at = $3)
		AND ends_at IS DISTINCT FROM starts_at`, w.patients[0].ID, *future.StartsAt, *bounded.EndsAt); n != 2 {
		t.Errorf("%d assignments around the gap, want 2", n)
	}
}

// TestReplacingADoctorLeavesNoGap from a later time: the former one stays until then, also if that time moves.
func TestReplacingADoctorLeavesNoGap(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	w.declare(t, w.wish(2), clinic.DeclarationResult{Assigned: 2, Claims: 2, Created: 2})
	tomorrow, later := time.Now().Add(24*time.Hour).Truncate(time.Second), time.Now().Add(48*time.Hour).Truncate(time.Second)
	d := w.wish(1)
	d.Doctors = []string{"doctor2"}
	for i, start := range []time.Time{tomorrow, later, tomorrow} {
		d.StartsAt, d.Generation = &start, int64(2+i)
		testkit.Value(w.Declarations.Declare(t.Context(), d))(t)
		w.settled(t, d)
		if n := w.db.Count(`SELECT count(*) FROM assignments WHERE doctor_id = $1 AND ends_at = $2 AND starts_at < now() AND patient_id = $3`,
			w.doctor.ID, start, w.patients[0].ID); n != 1 {
			t.Errorf("%d assignments of the former doctor last until %v, want 1", n, start)
		}
		if n := w.db.Count(`SELECT count(*) FROM assignments WHERE doctor_id = $1 AND starts_at = $2 AND ends_at IS NULL`, w.other.ID, start); n != 1 {
			t.Errorf("%d assignments of the new doctor begin at %v, want 1", n, start)
		}
		if n := w.access(); n != 1 {
			t.Errorf("%d pairs are assigned, want the one that is still declared", n)
		}
	}
	d.StartsAt, d.Generation = nil, 5
	w.declare(t, d, clinic.DeclarationResult{Assigned: 1, Claims: 1, Created: 1, Ended: 2})
}

// TestAFormerDoctorDoesNotOutlastTheSpec: their claims end in time without a controller.
func TestAFormerDoctorDoesNotOutlastTheSpec(t *testing.T) {
	t.Parallel()
	tomorrow, later := time.Now().Add(24*time.Hour).Truncate(time.Second), time.Now().Add(48*time.Hour).Truncate(time.Second)
	for name, d := range map[string]clinic.Declaration{
		"the new one is unknown":   {Doctors: []string{"nobody"}, EndsAt: &tomorrow},
		"the new one begins later": {Doctors: []string{"doctor2"}, StartsAt: &tomorrow, EndsAt: &later},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t, 1)
			first := w.wish(1)
			w.declare(t, first, clinic.DeclarationResult{Assigned: 1, Claims: 1, Created: 1})
			first.Generation, first.Doctors, first.StartsAt, first.EndsAt = 2, d.Doctors, d.StartsAt, d.EndsAt
			testkit.Value(w.Declarations.Declare(t.Context(), first))(t)
			w.settled(t, first)
			if n := w.db.Count(`SELECT count(*) FROM assignments WHERE doctor_id = $1 AND ends_at = $2`, w.doctor.ID, tomorrow); n != 1 {
				t.Errorf("%d assignments of the former doctor last until %v, want 1", n, tomorrow)
			}
			first.Generation, first.EndsAt = 3, new(later.Add(time.Hour)) // this prolongs nobody's
			testkit.Value(w.Declarations.Declare(t.Context(), first))(t)
			if n := w.db.Count(`SELECT count(*) FROM assignments WHERE doctor_id = $1 AND ends_at = $2`, w.doctor.ID, tomorrow); n != 1 {
				t.Errorf("%d assignments of the former doctor still last until %v, want 1", n, tomorrow)
			}
			w.agree(t, "in the end")
		})
	}
}

// TestDeclareInTheInstantOfItsEnd, sixty times: no program's clock decides.
func TestDeclareInTheInstantOfItsEnd(t *testing.T) {
	t.Parallel()
	w := newWard(t, 1)
	var now time.Time
	for i := range 60 {
		testkit.Must(t, w.db.Pool.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&now))
		d := w.wish(1)
		d.Generation, d.EndsAt = int64(i), new(now.Add(time.Duration(i)*100*time.Microsecond))
		result, err := w.Declarations.Declare(t.Context(), d)
		if err != nil {
			t.Fatalf("attempt %d: %v (%v)", i, err, cause(err))
		}
		if result.At.Before(*d.EndsAt) != (result.Claims == 1) {
			t.Errorf("attempt %d: at %v %d claims last until %v", i, result.At, result.Claims, d.EndsAt)
		}
	}
}

// TestDeclareOverlapsOthers: the assignment is the union.
func TestDeclareOverlapsOthers(t *testing.T) {
	t.Parallel()
	w := newWard(t, 1)
	tomorrow := time.Now().Add(24 * time.Hour).UTC().Truncate(time.Second)
	d := w.wish(1)
	d.EndsAt = &tomorrow
	w.declare(t, d, clinic.DeclarationResult{Assigned: 1, Claims: 1, Created: 1})
	next := byAnother(w.wish(1), "uid-2")
	next.StartsAt = &tomorrow // adjacent
	w.declare(t, next, clinic.DeclarationResult{Assigned: 1, Claims: 1, Shared: 1})
	w.settled(t, next)
	w.settled(t, d)
	list := testkit.Value(w.Assignments.List(t.Context(), testkit.CallerOf(w.doctor.User), clinic.AssignmentFilter{}, clinic.PageRequest{}))(t)
	if len(list.Items) != 1 || list.Items[0].EndsAt != nil || list.Items[0].Owner != "uid-1" {
		t.Errorf("assignments = %+v, want one that goes on", list.Items)
	}
	if n := testkit.Value(w.Declarations.Release(t.Context(), next.Owner))(t); n != 0 {
		t.Errorf("%d assignments ended, want none: the first object still claims it", n)
	}
	list = testkit.Value(w.Assignments.List(t.Context(), testkit.CallerOf(w.doctor.User), clinic.AssignmentFilter{}, clinic.PageRequest{}))(t)
	if len(list.Items) != 1 || !cmp.Equal(list.Items[0].EndsAt, &tomorrow) {
		t.Errorf("assignments = %+v, want one that ends at %v", list.Items, tomorrow)
	}
}
