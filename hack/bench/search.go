package main

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// searched is the number of the visit, from 1, that searches look for: it is a word of the title in one record of about every
// second patient.
const searched = 20

// searchCall finds the records of these patients whose title has the number.
func (p population) searchCall(token int, patients []int) call {
	matches := 0
	for _, patient := range patients {
		if p.visits(patient) >= searched {
			matches++
		}
	}
	counted := fmt.Sprintf(`{"count":%d,`, min(matches, clinic.MaxCount))
	if matches == 0 {
		counted = `"results":[]`
	}
	return call{
		Method: http.MethodPost, Path: recordsPath + "search/", Token: token, Body: fmt.Sprintf(`{"query":"visit %d"}`, searched),
		Want: want{Status: http.StatusOK, Text: counted, Item: `"rank":`, Items: min(pageSize, matches)},
	}
}

// searches are those of patients, and of doctors by how many records they see.
func (p population) searches() (list []scenario) {
	var own callsOf
	for i := range p.callers() {
		patient := p.caller(readers, i)
		if p.visits(patient) < searched { // the answer has no item to count
			continue
		}
		own.calls = append(own.calls, p.searchCall(own.caller(p.userOfPatient(patient), clinic.RolePatient), []int{patient}))
	}
	list = append(list, scenario{name: "search, as a patient"}.calling(own))
	doctors := []int{doctorOfFew, firstOrdinaryDoctor, doctorOfSome, doctorOfMany} // about 20 records for each of their patients
	doctors = slices.CompactFunc(doctors, func(a, b int) bool { return len(p.panel(a)) == len(p.panel(b)) })
	for _, doctor := range doctors {
		panel := p.panel(doctor)
		var c callsOf
		c.calls = append(c.calls, p.searchCall(c.caller(p.userOfDoctor(doctor), clinic.RoleDoctor), panel))
		list = append(list, scenario{
			name: fmt.Sprintf("search, as a doctor who sees %s records", grouped(len(p.records(panel...)))),
		}.calling(c))
	}
	return list
}
