package service_test

import (
	"slices"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestHandleEventsInOverlappingBatches handles the same events in many batches
// at once, in both orders.
func TestHandleEventsInOverlappingBatches(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	var ids []int64
	for range 40 {
		createRecord(t, f, c)
	}
	for _, e := range testkit.Value(f.Outbox.Claim(t.Context(), 100, time.Minute))(t) {
		ids = append(ids, e.ID)
	}
	f.db.Exec(`DELETE FROM health_records WHERE id = (SELECT record_id FROM outbox WHERE id = $1)`, ids[7])
	type result struct {
		dropped []int64
		err     error
	}
	results := make(chan result)
	const batches = 8
	for i := range batches {
		go func() {
			batch := slices.Clone(ids)
			if i%2 == 1 {
				slices.Reverse(batch)
			}
			gone, err := f.Outbox.Handle(t.Context(), batch)
			results <- result{gone, err}
		}()
	}
	var gone []int64
	for range batches {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
		}
		gone = append(gone, r.dropped...)
	}
	if !slices.Equal(gone, ids[7:8]) {
		t.Errorf("dropped = %v, want %v once", gone, ids[7:8])
	}
	if n := f.db.Count(`SELECT count(*) FROM notifications`); n != 39 {
		t.Errorf("notifications = %d, want 39", n)
	}
	if n := f.db.Count(`SELECT count(*) FROM outbox WHERE finished_at IS NULL`); n != 0 {
		t.Errorf("open events = %d", n)
	}
}
