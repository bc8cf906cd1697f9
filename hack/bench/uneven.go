package main

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const (
	unevenPanel = 100 // patients of each of the two doctors
	fewRecords  = 20  // of each patient of the first doctor
)

// uneven are two further doctors of a population, whose patients have few and many records each.
type uneven struct {
	population
	manyRecords int // of each patient of the second doctor
}

func newUneven(p population, manyRecords int) uneven { return uneven{p, manyRecords} }

func (u uneven) doctor(i int) int { return u.doctors() + 1 + i }

func (u uneven) doctorUser(i int) int64 { return int64(u.users() + 1 + i) }

func (u uneven) patient(i, number int) int { return u.patients + 1 + i*unevenPanel + number }

func (u uneven) patientUser(patient int) int64 { return int64(u.users() + 2 + patient - u.patients) }

// records are those of all patients of the i-th doctor, which are as old as everybody's.
func (u uneven) records(i int) []record {
	each, next := fewRecords, u.lastRecord()+1
	if i == 1 {
		each, next = u.manyRecords, next+fewRecords*unevenPanel
	}
	var found []record
	for visit := range each {
		for number := range unevenPanel {
			age := time.Duration(each-visit) * (visitEvery * mostVisits / time.Duration(each))
			found = append(found, record{
				id: next, patient: u.patient(i, number), number: visit, at: u.now.Add(-age + time.Duration(number)*time.Second),
			})
			next++
		}
	}
	return found
}

func (u uneven) tables(passwordHash string) []table {
	var users, doctors, patients, sessions, assignments, records [][]any
	for i := range 2 {
		user, name := u.doctorUser(i), fmt.Sprintf("uneven-doctor%d", i)
		users = append(users, []any{user, name, "", "Alex", "Example", "", "DOCTOR", passwordHash, u.founded()})
		sessions = append(sessions, []any{user, user, u.now.AddDate(0, 1, 0)})
		doctors = append(doctors, []any{u.doctor(i), user, "General Medicine", "UNEVEN" + name, 1, u.founded()})
		for number := range unevenPanel {
			patient := u.patient(i, number)
			users = append(users, []any{u.patientUser(patient), fmt.Sprintf("uneven-patient%d", patient), "", "Alex", "Example", "", "PATIENT", passwordHash, u.founded()})
			patients = append(patients, []any{patient, u.patientUser(patient), u.founded(), "A+", "", ""})
			assignments = append(assignments, []any{patient, u.doctor(i), "rest", u.founded()})
		}
		for _, r := range u.records(i) {
			row := u.recordRow(r)
			row[2] = u.patientUser(r.patient)
			records = append(records, row)
		}
	}
	return []table{
		{"users", userColumns(), len(users), seq(users)},
		{"doctor_profiles", doctorColumns(), len(doctors), seq(doctors)},
		{"patient_profiles", patientColumns(), len(patients), seq(patients)},
		{"sessions", sessionColumns(), len(sessions), seq(sessions)},
		{"assignments", assignmentColumns()[1:], len(assignments), seq(assignments)},
		{"health_records", recordColumns(), len(records), seq(records)},
	}
}

func seq(rows [][]any) iter.Seq[[]any] { return slices.Values(rows) }

// pages returns a scenario for each filter, for the i-th doctor.
func (u uneven) pages(i int) (list []scenario) {
	all := u.records(i)
	filters := append(u.filters(), filter{
		", of one patient", fmt.Sprintf("?patient=%d", u.patient(i, 0)), "", func(r record) bool { return r.patient == u.patient(i, 0) },
	})
	for _, f := range filters {
		var c callsOf
		found := slices.DeleteFunc(slices.Clone(all), func(r record) bool { return !f.matches(r) })
		c.get(c.caller(u.doctorUser(i), clinic.RoleDoctor), recordsPath+f.query, page(found))
		list = append(list, scenario{name: "20 records" + f.name}.calling(c))
	}
	return list
}
