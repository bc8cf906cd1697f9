package store

import (
	"math"
	"slices"
	"testing"
	"time"
)

// Each patient has one place in the audit row, with the assignment that was first.
func TestSawNotesEachPatientOnce(t *testing.T) {
	t.Parallel()
	h := Handle{audit: &audit{}}
	h.Saw(7, 1, false)
	h.Saw(5, 0, false)
	h.Saw(7, 2, true)
	h.Saw(6, 3, true)
	if !slices.Equal(h.audit.patients, []int64{7, 5, 6}) || !slices.Equal(h.audit.assignments, []int64{1, 0, 3}) || !h.audit.emergency {
		t.Errorf("%+v", h.audit)
	}
	Handle{}.Saw(7, 1, false) // a transaction without an audit row
}

// An import sees all patients of a bundle: sixteen times as many may take about
// sixteen times as long, not 256 times.
func TestSawTakesTheSameTimeForEachPatient(t *testing.T) {
	t.Parallel()
	sawing := func(patients int64) time.Duration {
		best := time.Duration(math.MaxInt64)
		for range 5 {
			h := Handle{audit: &audit{}}
			start := time.Now()
			for id := range patients {
				h.Saw(id, 0, false)
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	few, many := sawing(2_000), sawing(32_000)
	if ratio := float64(many) / float64(few); ratio > 100 {
		t.Errorf("32,000 patients take %.0f times as long as 2,000: %v, %v", ratio, many, few)
	} else {
		t.Logf("ratio %.1f: %v, %v", ratio, many, few)
	}
}
