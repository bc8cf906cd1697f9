package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	leastPatients  = 100
	leastDoctors   = 50
	patientsAPiece = 500 // of a doctor in a large population
	largestPanel   = 10_000
	mostCallers    = 1000
)

// population says who and what is in a database. Everything is computed from the numbers of patients and visits, so that the
// scenarios know the right answers without asking the database.
//
// The k-th visits of all patients come before all (k+1)-th ones, as in life: the records of one patient are spread over the
// table. The id of a record is k*patients + patient.
type population struct {
	patients int
	now      time.Time
}

// parseSize reads a number of patients such as 10k.
func parseSize(text string) (int, error) {
	digits, thousands := strings.CutSuffix(text, "k")
	size, err := strconv.Atoi(digits)
	if thousands {
		size *= 1000
	}
	if err != nil || size < leastPatients {
		return 0, fmt.Errorf("%q is not a number of patients, such as 500, 1k or 100k; the smallest is %d", text, leastPatients)
	}
	return size, nil
}

func newPopulation(patients int) population {
	return population{patients: patients, now: time.Now().UTC().Truncate(time.Second)}
}

// The first three doctors have the largest panels and many notifications; all others share the patients among them.
const (
	doctorOfMany = 1 + iota // 10,000 patients
	doctorOfSome            // 1,000
	doctorOfFew             // 10
	firstOrdinaryDoctor
)

func (p population) doctors() int { return max(leastDoctors, p.patients/patientsAPiece) }

// A user's id follows from the id of their profile: doctors come first.

func (p population) userOfDoctor(doctor int) int64 { return int64(doctor) }

func (p population) userOfPatient(patient int) int64 { return int64(p.doctors() + patient) }

func (p population) users() int { return p.doctors() + p.patients }

// doctorOf returns the patient's ordinary doctor.
func (p population) doctorOf(patient int) int {
	return firstOrdinaryDoctor + patient%(p.doctors()-firstOrdinaryDoctor+1)
}

// panel returns the patients of a doctor.
func (p population) panel(doctor int) []int {
	size := map[int]int{doctorOfMany: largestPanel, doctorOfSome: largestPanel / 10, doctorOfFew: largestPanel / 1000}[doctor]
	size = min(size, p.patients)
	var patients []int
	if size == 0 {
		for patient := 1; patient <= p.patients; patient++ {
			if p.doctorOf(patient) == doctor {
				patients = append(patients, patient)
			}
		}
		return patients
	}
	for i := range size {
		patients = append(patients, 1+i*(p.patients/size))
	}
	return patients
}

// The callers of the scenarios are spread evenly over the patients. Those who read, who write, who log in, and who refresh are
// different people, so that the answers to the reads stay the same.
const (
	readers = 1 + iota
	writers
	loggingIn
	refreshing
)

func (p population) callers() int { return min(p.patients/4, mostCallers) }

func (p population) step() int { return p.patients / p.callers() }

// caller returns the i-th patient of a kind of callers.
func (p population) caller(kind, i int) int { return kind + i*p.step() }

const (
	leastVisits = 10
	mostVisits  = 30
	visitEvery  = 60 * 24 * time.Hour
)

// visits is from 10 to 30, and 20 on average. plain/*.sql computes it too.
func (p population) visits(patient int) int {
	return leastVisits + patient*7919%(mostVisits-leastVisits+1)
}

// record is one visit of a patient.
type record struct {
	id      int64
	patient int
	number  int // of the patient's visits, from 0
	at      time.Time
}

func (p population) record(patient, number int) record {
	jitter := time.Duration(patient*104_729%int(visitEvery/time.Second)) * time.Second
	return record{
		id: int64(number*p.patients + patient), patient: patient, number: number,
		at: p.now.Add(-visitEvery*time.Duration(mostVisits-number) - visitEvery + jitter),
	}
}

// lastRecord is the greatest id that a record can have.
func (p population) lastRecord() int64 { return int64(mostVisits * p.patients) }

// records returns the records of some patients, a patient's oldest first.
func (p population) records(patients ...int) []record {
	var found []record
	for _, patient := range patients {
		for number := range p.visits(patient) {
			found = append(found, p.record(patient, number))
		}
	}
	return found
}

func recordTypes() []string {
	return []string{"CHECKUP", "DIAGNOSIS", "PRESCRIPTION", "LAB_RESULT", "EMERGENCY"}
}

func (r record) kind() string { return recordTypes()[(r.patient+3*r.number)%len(recordTypes())] }

// comments is from 0 to 4, and 2 on average.
func (r record) comments() int { return int(r.id*31+int64(r.number)) % 5 }

// private reports whether the i-th comment is for doctors only, as one in four is.
func (r record) private(i int) bool { return (r.id+int64(i)*7)%4 == 0 }

// readerOfNotifications is a doctor with many of them.
type readerOfNotifications struct{ doctor, count int }

// notified returns who has 20, 300, 1,700 and 20,000 notifications, or one of each record of their patients if those are fewer.
func (p population) notified() []readerOfNotifications {
	var found []readerOfNotifications
	for _, r := range []readerOfNotifications{{doctorOfFew, 20}, {firstOrdinaryDoctor, 300}, {doctorOfSome, 1700}, {doctorOfMany, 20_000}} {
		r.count = min(r.count, len(p.records(p.panel(r.doctor)...)))
		found = append(found, r)
	}
	return found
}

// unread reports whether the i-th notification of a reader is not read yet, as one in three is.
func unread(i int) bool { return i%3 == 0 }

func (r readerOfNotifications) unread() int { return (r.count + 2) / 3 }
