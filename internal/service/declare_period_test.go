package service_test

import (
	"testing"
	"time"

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
		if n := w.db.Count(`SELECT count(*) FROM outbox WHERE finished_at IS NULL AND next_at = $1 AND created_at = $1`, at); n != want {
			t.Errorf("%d events are due at %v, want %d", n, at, want)
		}
	}

	d := w.wish(2)
	d.StartsAt = &tomorrow
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Created: 2})
	w.settled(t, d)
	seen(clinic.CodeNotFound)
	eventAt(tomorrow, 2)

	d.StartsAt, d.EndsAt, d.Reason = &later, ptr(later.Add(time.Hour)), "specialist"
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2}) // moved in place
	w.settled(t, d)
	eventAt(later, 2)
	if n := w.db.Count(`SELECT count(*) FROM assignments WHERE starts_at = $1 AND ends_at = $2 AND reason = 'specialist'`, later, *d.EndsAt); n != 2 {
		t.Errorf("%d assignments follow the declaration, want 2", n)
	}

	d.StartsAt = nil
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2})
	w.settled(t, d)
	seen("")
	w.handleAll(t)
	if n := w.db.Count(`SELECT count(*) FROM notifications`); n != 4 {
		t.Errorf("notifications = %d, want 4 once it has begun", n)
	}

	d.StartsAt = &tomorrow // it runs already: ends, and begins again tomorrow
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Created: 2, Ended: 2, EndedDoctors: []string{"Doctor1"}})
	w.settled(t, d)
	seen(clinic.CodeNotFound)
	eventAt(tomorrow, 2)

	d.StartsAt, d.EndsAt = ptr(time.Now().Add(-48*time.Hour)), ptr(time.Now().Add(-24*time.Hour))
	w.declare(t, d, clinic.DeclarationResult{Ended: 2, EndedDoctors: []string{"Doctor1"}})
	w.settled(t, d)
	d.EndsAt = nil
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Created: 2})
	seen("")
	if n := w.db.Count(`SELECT count(*) FROM assignments WHERE starts_at < now() - interval '1 hour'`); n != 0 {
		t.Errorf("%d assignments claim to have begun before they were made", n)
	}
}

// A fault elsewhere in the declaration does not prolong access beyond its end.
func TestDeclarationThatIsNotValidEndsAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWard(t, 2)
	d := w.wish(2)
	w.declare(t, d, clinic.DeclarationResult{Assigned: 2, Created: 2})

	d.Reason, d.EndsAt = "primary\ncare", ptr(time.Now().Add(time.Hour))
	_, err := w.Declarations.Declare(t.Context(), d)
	wantCode(t, err, clinic.CodeInvalid)
	if n := w.db.Count(`SELECT count(*) FROM active_assignments`); n != 2 {
		t.Errorf("%d assignments are active before the end, want 2 as they were", n)
	}

	d.EndsAt = ptr(time.Now().Add(-time.Hour))
	w.declare(t, d, clinic.DeclarationResult{Ended: 2, EndedDoctors: []string{"Doctor1"}})
	w.declare(t, d, clinic.DeclarationResult{})
	if n := w.db.Count(`SELECT count(*) FROM active_assignments`); n != 0 {
		t.Errorf("%d assignments are active after the end, want none", n)
	}
}

func TestDeclareDoesNotOverlapOthers(t *testing.T) {
	t.Parallel()
	w := newWard(t, 1)
	tomorrow := time.Now().Add(24 * time.Hour)
	d := w.wish(1)
	d.EndsAt = &tomorrow
	w.declare(t, d, clinic.DeclarationResult{Assigned: 1, Created: 1})
	w.db.Assignment(testkit.AssignmentOptions{Patient: w.patients[0], Doctor: w.doctor, StartsAt: tomorrow})
	d.EndsAt = nil
	w.declare(t, d, clinic.DeclarationResult{Assigned: 1}) // stays as it is: the other begins where it ends
	w.settled(t, d)
	if n := w.db.Count(`SELECT count(*) FROM assignments WHERE owner = 'uid-1' AND ends_at = $1`, tomorrow); n != 1 {
		t.Error("the end moved into the other assignment's period")
	}
}
