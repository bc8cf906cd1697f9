package store

import (
	"fmt"
	"slices"
	"testing"
)

// Each patient occurs once in the audit row, with the first assignment.
func TestAuditPatientNotesEachPatientOnce(t *testing.T) {
	t.Parallel()
	h := Handle{handle{audit: &audit{}}}
	h.AuditPatient(7, 1, false)
	h.AuditPatient(5, 0, false)
	h.AuditPatient(7, 2, true)
	h.AuditPatient(6, 3, true)
	if !slices.Equal(h.audit.patients, []int64{7, 5, 6}) || !slices.Equal(h.audit.assignments, []int64{1, 0, 3}) || !h.audit.emergency {
		t.Errorf("%+v", h.audit)
	}
	Handle{}.AuditPatient(7, 1, false) // a transaction without an audit row
}

// An import sees all patients of a bundle: the time for each must not grow with
// their number.
func BenchmarkAuditPatient(b *testing.B) {
	for _, patients := range []int64{2_000, 32_000} {
		b.Run(fmt.Sprint(patients), func(b *testing.B) {
			for b.Loop() {
				h := Handle{handle{audit: &audit{}}}
				for id := range patients {
					h.AuditPatient(id, 0, false)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(int64(b.N)*patients), "ns/patient")
		})
	}
}
