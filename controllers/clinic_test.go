package controllers

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// fakeClinic is a Declarer in memory that follows the contract of clinic.Declaration.
type fakeClinic struct {
	mutex sync.Mutex
	// doctors and patients are the registered users; the value of a doctor says whether they are verified.
	doctors  map[string]bool
	patients map[string]bool
	// holders maps the open assignments to the UIDs of their owners; "" means no owner.
	holders map[pair]string
	// declared is the last declaration of each owner.
	declared map[string]clinic.Declaration
	// fault is returned by every call while it is set.
	fault error
	calls int
	// now is the database's clock.
	now func() time.Time
}

type pair struct{ doctor, patient string }

func newFakeClinic() *fakeClinic {
	return &fakeClinic{
		now:      time.Now,
		doctors:  map[string]bool{"doctor1": true, "doctor2": true, "unverified": false},
		patients: map[string]bool{"patient1": true, "patient2": true, "patient3": true},
		holders:  map[pair]string{},
		declared: map[string]clinic.Declaration{},
	}
}

func (f *fakeClinic) Declare(_ context.Context, d clinic.Declaration) (clinic.DeclarationResult, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.calls++
	if f.fault != nil {
		return clinic.DeclarationResult{}, f.fault
	}
	f.declared[d.Owner] = d
	result := clinic.DeclarationResult{At: f.now()}
	expired := d.EndsAt != nil && !d.EndsAt.After(result.At)
	result.Doctor = f.doctorProblem(d.Doctor)
	for holding, owner := range f.holders {
		named := result.Doctor == "" && !expired && holding.doctor == d.Doctor && slices.Contains(d.Patients, holding.patient)
		if owner == d.Owner && !named {
			f.end(holding, &result)
		}
	}
	if result.Doctor == "" && !expired {
		f.assign(d, &result)
	}
	return result, nil
}

func (f *fakeClinic) doctorProblem(doctor string) clinic.DoctorProblem {
	verified, known := f.doctors[doctor]
	switch {
	case f.patients[doctor]:
		return clinic.NotADoctor
	case !known:
		return clinic.DoctorNotFound
	case !verified:
		return clinic.DoctorNotVerified
	default:
		return ""
	}
}

func (f *fakeClinic) end(holding pair, result *clinic.DeclarationResult) {
	delete(f.holders, holding)
	result.Ended++
	if !slices.Contains(result.EndedDoctors, holding.doctor) {
		result.EndedDoctors = append(result.EndedDoctors, holding.doctor)
		slices.Sort(result.EndedDoctors)
	}
}

func (f *fakeClinic) assign(d clinic.Declaration, result *clinic.DeclarationResult) {
	for _, patient := range slices.Sorted(slices.Values(d.Patients)) {
		_, isDoctor := f.doctors[patient]
		switch {
		case isDoctor:
			result.Unassigned = append(result.Unassigned, clinic.Unassigned{Username: patient, Reason: clinic.NotAPatient})
			continue
		case !f.patients[patient]:
			result.Unassigned = append(result.Unassigned, clinic.Unassigned{Username: patient, Reason: clinic.PatientNotFound})
			continue
		}
		if _, assigned := f.holders[pair{d.Doctor, patient}]; !assigned {
			f.holders[pair{d.Doctor, patient}] = d.Owner
			result.Created++
		}
		result.Assigned++
	}
}

func (f *fakeClinic) Release(_ context.Context, owner string) (int, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.calls++
	if f.fault != nil {
		return 0, f.fault
	}
	var result clinic.DeclarationResult
	for holding, holder := range f.holders {
		if holder == owner {
			f.end(holding, &result)
		}
	}
	return result.Ended, nil
}

func (f *fakeClinic) Retain(_ context.Context, owner string) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.calls++
	if f.fault != nil {
		return f.fault
	}
	for holding, holder := range f.holders {
		if holder == owner {
			f.holders[holding] = ""
		}
	}
	return nil
}

// change changes the clinic without the controller.
func (f *fakeClinic) change(how func()) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	how()
}

// holder returns the owner of the assignment, and whether it is open.
func (f *fakeClinic) holder(doctor, patient string) (owner string, open bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	owner, open = f.holders[pair{doctor, patient}]
	return owner, open
}

func (f *fakeClinic) callCount() int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.calls
}
