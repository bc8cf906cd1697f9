package service_test

import (
	"slices"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestAssignmentsShowEachCallerTheirOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	admin := testkit.CallerOf(f.db.Admin())
	other := f.db.Patient(testkit.PatientOptions{})
	theirs := f.db.Assignment(testkit.AssignmentOptions{Patient: other, Doctor: c.stranger})
	past := time.Now().Add(-time.Minute)
	ended := f.db.Assignment(testkit.AssignmentOptions{Patient: other, Doctor: c.doctor, EndsAt: &past})
	yes, no := true, false
	for name, test := range map[string]struct {
		as     clinic.Caller
		filter clinic.AssignmentFilter
		want   []int64 // newest first
	}{
		"administrator":             {admin, clinic.AssignmentFilter{}, []int64{ended.ID, theirs.ID, c.assignment.ID}},
		"of a doctor":               {admin, clinic.AssignmentFilter{DoctorID: c.doctor.ID}, []int64{ended.ID, c.assignment.ID}},
		"of a patient":              {admin, clinic.AssignmentFilter{PatientID: other.ID}, []int64{ended.ID, theirs.ID}},
		"active":                    {admin, clinic.AssignmentFilter{Active: &yes}, []int64{theirs.ID, c.assignment.ID}},
		"not active":                {admin, clinic.AssignmentFilter{Active: &no}, []int64{ended.ID}},
		"doctor":                    {c.asDoctor(), clinic.AssignmentFilter{}, []int64{ended.ID, c.assignment.ID}},
		"doctor, of another doctor": {c.asDoctor(), clinic.AssignmentFilter{DoctorID: c.stranger.ID}, nil},
		"doctor, active":            {c.asDoctor(), clinic.AssignmentFilter{Active: &yes}, []int64{c.assignment.ID}},
		"patient":                   {c.asPatient(), clinic.AssignmentFilter{}, []int64{c.assignment.ID}},
		"patient, of another":       {c.asPatient(), clinic.AssignmentFilter{PatientID: other.ID}, nil},
		"other patient":             {testkit.CallerOf(other.User), clinic.AssignmentFilter{}, []int64{ended.ID, theirs.ID}},
	} {
		var got []int64
		at := &clinic.Cursor{Keyset: true}
		for at != nil {
			page := testkit.Value(f.Assignments.List(t.Context(), test.as, test.filter, clinic.PageRequest{Size: 1, Cursor: *at}))(t)
			if page.Total != len(test.want) {
				t.Errorf("%s: total = %d, want %d", name, page.Total, len(test.want))
			}
			for _, a := range page.Items {
				got = append(got, a.ID)
			}
			at = page.Next
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: assignments = %v, want %v", name, got, test.want)
		}
		for _, id := range []int64{ended.ID, theirs.ID, c.assignment.ID} {
			_, err := f.Assignments.Get(t.Context(), test.as, id)
			wantSeen := test.filter == (clinic.AssignmentFilter{}) && slices.Contains(test.want, id)
			if test.filter == (clinic.AssignmentFilter{}) && (err == nil) != wantSeen {
				t.Errorf("%s: reading %d: %v", name, id, err)
			}
			if err != nil {
				wantCode(t, err, clinic.CodeNotFound)
			}
		}
	}
	past9 := testkit.Value(f.Assignments.List(t.Context(), admin, clinic.AssignmentFilter{}, clinic.PageRequest{Number: 9}))(t)
	if past9.Total != 3 || len(past9.Items) != 0 {
		t.Errorf("page beyond the end = %+v", past9)
	}
}

func TestEndedAssignmentHidesThePatientFromTheDoctor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	f.db.EndAssignment(c.assignment)
	for name, test := range map[string]struct {
		as    clinic.Caller
		named bool
	}{
		"doctor":        {c.asDoctor(), false},
		"patient":       {c.asPatient(), true},
		"administrator": {testkit.CallerOf(f.db.Admin()), true},
	} {
		a := testkit.Value(f.Assignments.Get(t.Context(), test.as, c.assignment.ID))(t)
		if got := a.Patient.User.FirstName == "John"; got != test.named {
			t.Errorf("%s: the patient's name is shown: %v, want %v", name, got, test.named)
		}
		if a.Patient.ID != c.patient.ID || a.Doctor.User.FirstName != "Jane" {
			t.Errorf("%s: assignment = %+v", name, a)
		}
	}
}
