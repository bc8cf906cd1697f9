package service_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestDeclareFromManySides declares the same pairs by several owners while
// others withdraw, assign, end and exchange the doctors. It expects no deadlock, no
// overlap, and the last declaration in the end.
func TestDeclareFromManySides(t *testing.T) {
	t.Parallel()
	const patients, rounds = 20, 8
	w := newWard(t, patients)
	admin := testkit.CallerOf(w.db.Admin())
	var sides []func(round int) error
	for owner := range 3 {
		sides = append(sides, func(round int) error {
			d := w.wish(patients)
			d.UID = fmt.Sprintf("uid-%d", owner)
			if (round+owner)%2 == 1 {
				d.Doctors = []string{"doctor2"}
				slices.Reverse(d.Patients)
			}
			_, err := w.Declarations.Declare(t.Context(), d)
			if err == nil && round%3 == 2 {
				_, err = w.Declarations.Release(t.Context(), d.Owner)
			}
			return err
		})
	}
	sides = append(sides, func(round int) error {
		request := clinic.AssignmentRequest{PatientID: w.patients[round].ID, DoctorID: w.doctor.ID}
		a, _, err := w.Assignments.Assign(t.Context(), admin, request, noKey)
		if err != nil {
			return err
		}
		_, err = w.Assignments.End(t.Context(), admin, a.ID, false)
		if clinic.ReasonOf(err) == "managed_by_kubernetes" {
			return nil
		}
		return err
	}, func(int) error {
		_, err := w.Doctors.Verify(t.Context(), admin, w.other.ID, clinic.Verification{Verified: true})
		return err
	})
	errs := make(chan error)
	for _, side := range sides {
		go func() {
			for round := range rounds {
				if err := side(round); err != nil {
					errs <- fmt.Errorf("round %d: %w (%w)", round, err, cause(err))
					return
				}
			}
			errs <- nil
		}()
	}
	for range sides {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for owner := range 3 {
		testkit.Value(w.Declarations.Release(t.Context(), clinic.Owner{UID: fmt.Sprintf("uid-%d", owner), Cluster: "cluster-1", Term: 1}))(t)
	}
	w.declare(t, w.wish(patients), clinic.DeclarationResult{Assigned: patients, Claims: patients, Created: patients})
	w.settled(t, w.wish(patients))
}
