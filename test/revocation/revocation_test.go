// Package revocation_test deletes the DoctorAssignment object that gave a doctor access, and measures how long the doctor
// keeps the access. make test deletes a few objects; make security deletes many and checks a limit.
package revocation_test

import (
	"flag"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	sizes   = flag.String("sizes", "1,20", "how many assignments there are, one measurement for each number")
	samples = flag.Int("samples", 5, "how many objects are deleted for a measurement")
	bound   = flag.Duration("bound", 0, "longest 99th percentile that passes; 0: any")
)

// TestDeletingADoctorAssignmentEndsAccess declares all assignments for the same doctor, each with its own object: then the end
// of one causes the most work.
func TestDeletingADoctorAssignmentEndsAccess(t *testing.T) {
	h := startHospital(t)
	for text := range strings.SplitSeq(*sizes, ",") {
		size, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		h.fill(t, size-1)
		filled := time.Since(began)
		var took []time.Duration
		for range *samples {
			took = append(took, h.revoke(t))
		}
		slices.Sort(took)
		t.Logf("revocation at %6d assignments: p50 %8s  p99 %8s  (%d deletions; %s to declare the assignments)", size,
			percentile(took, 50), percentile(took, 99), len(took), filled.Round(time.Second))
		if p99 := percentile(took, 99); *bound > 0 && p99 > *bound {
			t.Errorf("revocation at %6d assignments takes %s at the 99th percentile, more than %s", size, p99, *bound)
		}
	}
}

// revoke gives access, revokes it, and returns the time from the deletion to the end of the first refused request.
func (h *hospital) revoke(t *testing.T) time.Duration {
	t.Helper()
	da, err := h.declare(t.Context(), "patient0")
	if err != nil {
		t.Fatal(err)
	}
	h.until(t, http.StatusOK)
	began := time.Now()
	if err := h.cluster.Delete(t.Context(), da); err != nil {
		t.Fatal(err)
	}
	h.until(t, http.StatusNotFound)
	return time.Since(began)
}

// percentile returns the nearest rank, which is one of the values.
func percentile(sorted []time.Duration, p int) time.Duration {
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1].Round(100 * time.Microsecond)
}
