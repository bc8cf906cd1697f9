package service_test

import (
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestScheduledAssignmentTellsNobodyBeforeItBegins(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	a := f.db.Assignment(testkit.AssignmentOptions{Patient: c.patient, Doctor: c.stranger, StartsAt: time.Now().Add(time.Hour)})
	f.db.Exec(`INSERT INTO outbox (type, patient_id, doctor_id, assignment_id) VALUES ('assignment.created', $1, $2, $3)`,
		c.patient.ID, c.stranger.ID, a.ID)
	event := f.event(t)
	wantCode(t, f.handle(t.Context(), event), "")
	if got := f.outcome(event); got != open {
		t.Errorf("outcome = %d, want the event open", got)
	}
	if events := testkit.Value(f.Outbox.Claim(t.Context(), 10, time.Second))(t); len(events) != 0 {
		t.Errorf("events = %+v, want none before the assignment begins", events)
	}
	if n, _, err := f.Outbox.CountOpen(t.Context()); err != nil || n != 0 {
		t.Errorf("open = %d, %v: an event of the future is none yet", n, err)
	}
	f.db.Exec(`UPDATE assignments SET starts_at = now() - interval '1 second' WHERE id = $1`, a.ID)
	wantCode(t, f.handle(t.Context(), event), "")
	if got := f.recipients(t, event); len(got) != 2 {
		t.Errorf("recipients = %v, want both", got)
	}
}
