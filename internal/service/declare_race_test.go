package service_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// racer is what one side does again and again, at the same time as the others.
type racer func(ctx context.Context, round int) error

// TestDeclareFromManySides declares the same pairs by several owners while others withdraw, retain, suspend, assign, end,
// force, and exchange the doctors. It expects no deadlock, the union of the claims after all, and the last declaration in the
// end.
func TestDeclareFromManySides(t *testing.T) {
	t.Parallel()
	const patients, rounds, owners = 20, 8, 4
	w := newWard(t, patients)
	admin := testkit.CallerOf(w.db.Admin())
	var sides []racer
	for i := range owners {
		sides = append(sides, func(ctx context.Context, round int) error { return w.declareInRace(ctx, i, round, patients) })
	}
	sides = append(sides,
		func(ctx context.Context, round int) error {
			return w.assignInRace(ctx, admin, w.patients[round], false)
		},
		func(ctx context.Context, round int) error {
			return w.assignInRace(ctx, admin, w.patients[round/2], true)
		},
		func(ctx context.Context, _ int) error {
			_, err := w.Doctors.Verify(ctx, admin, w.other.ID, clinic.Verification{Verified: true})
			return err
		},
		func(ctx context.Context, _ int) error {
			_, err := w.Declarations.States(ctx, "cluster-1", []string{"uid-0", "uid-1", "uid-2", "uid-3"})
			return err
		})
	race(t, rounds, sides)
	w.agree(t, "after the race")
	for i := range owners {
		testkit.Value(w.Declarations.Release(t.Context(), clinic.Owner{UID: fmt.Sprintf("uid-%d", i), Cluster: "cluster-1", Term: 1}))(t)
	}
	w.db.Exec(`UPDATE assignment_claims SET ended_at = statement_timestamp(), held = NULL WHERE ended_at IS NULL OR held IS NOT NULL`)
	if n := w.access(); n != 0 {
		t.Errorf("%d pairs are assigned though nobody claims any", n)
	}
	last := w.wish(patients)
	last.Term = 2
	w.declare(t, last, clinic.DeclarationResult{Assigned: patients, Claims: patients, Created: patients})
	w.settled(t, last)
}

// race runs the sides at the same time.
func race(t *testing.T, rounds int, sides []racer) {
	t.Helper()
	errs := make(chan error)
	for _, side := range sides {
		go func() {
			for round := range rounds {
				if err := side(t.Context(), round); err != nil {
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
}

func (w ward) declareInRace(ctx context.Context, owner, round, patients int) error {
	d := w.wish(patients)
	d.UID = fmt.Sprintf("uid-%d", owner)
	d.Generation, d.Suspended, d.Adopt = int64(round+1), (round+owner)%5 == 4, owner == 1
	switch (round + owner) % 3 {
	case 1:
		d.Doctors = []string{"doctor2"}
		slices.Reverse(d.Patients)
	case 2:
		d.Doctors, d.Replace = []string{"doctor2", "doctor1"}, false
	}
	if _, err := w.Declarations.Declare(ctx, d); err != nil {
		return err
	}
	switch round % 4 {
	case 2:
		_, err := w.Declarations.Release(ctx, d.Owner)
		return err
	case 3:
		return w.Declarations.Retain(ctx, d.Owner)
	}
	return nil
}

func (w ward) assignInRace(ctx context.Context, admin clinic.Caller, patient clinic.Patient, force bool) error {
	a, _, err := w.Assignments.Assign(ctx, admin, clinic.AssignmentRequest{PatientID: patient.ID, DoctorID: w.doctor.ID}, noKey)
	if err != nil {
		return err
	}
	_, err = w.Assignments.End(ctx, admin, a.ID, force)
	if clinic.ReasonOf(err) == "managed_by_kubernetes" {
		return nil
	}
	if err == nil && force {
		err = w.Assignments.LiftHold(ctx, admin, a.ID)
	}
	return err
}

// TestNobodyLosesAccessInAHandover reads without pause while claims change hands.
func TestNobodyLosesAccessInAHandover(t *testing.T) {
	t.Parallel()
	w := newWard(t, 1)
	admin, doctor := testkit.CallerOf(w.db.Admin()), testkit.CallerOf(w.doctor.User)
	record := w.db.Record(testkit.RecordOptions{Patient: w.patients[0]})
	owner := func(uid string) clinic.Owner { return clinic.Owner{UID: uid, Cluster: "cluster-1", Term: 1} }
	w.declare(t, byAnother(w.wish(1), "uid-0"), clinic.DeclarationResult{Assigned: 1, Claims: 1, Created: 1})
	var over atomic.Bool
	var reads atomic.Int64
	reader := func(ctx context.Context, _ int) error {
		for !over.Load() {
			if _, err := w.Records.Get(ctx, doctor, record.ID); err != nil {
				return err
			}
			reads.Add(1)
		}
		return nil
	}
	hands := func(ctx context.Context, _ int) error {
		defer over.Store(true)
		for round := range 10 {
			next := byAnother(w.wish(1), fmt.Sprintf("uid-%d", round+1))
			next.Adopt = true
			if _, err := w.Declarations.Declare(ctx, next); err != nil {
				return err
			}
			leave := w.Declarations.Retain(ctx, owner(fmt.Sprintf("uid-%d", round)))
			if round%2 == 0 {
				_, leave = w.Declarations.Release(ctx, owner(fmt.Sprintf("uid-%d", round)))
			}
			if leave != nil {
				return leave
			}
			a, _, err := w.Assignments.Assign(ctx, admin, clinic.AssignmentRequest{PatientID: w.patients[0].ID, DoctorID: w.doctor.ID}, noKey)
			if err != nil {
				return err
			}
			if _, err := w.Assignments.End(ctx, admin, a.ID, false); err != nil {
				return err
			}
		}
		return nil
	}
	race(t, 1, []racer{reader, reader, hands})
	if n := w.db.Count(`SELECT count(*) FROM assignments`); n != 1 || reads.Load() < 20 {
		t.Errorf("%d rows of history after %d reads, want one", n, reads.Load())
	}
}
