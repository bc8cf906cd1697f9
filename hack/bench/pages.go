package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const pageSize = 20

// Texts that an answer has once for each item of a list.
const (
	recordItem       = `"record_type":`
	notificationItem = `"notification_type":`
	patientItem      = `"total_records":`
)

// page is what a list of these records must answer first.
func page(records []record) want {
	if len(records) == 0 {
		return want{Text: `"results":[]`}
	}
	newest := slices.MaxFunc(records, func(a, b record) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id)) })
	return want{Text: idText(newest.id), Item: recordItem, Items: min(pageSize, len(records))}
}

// pageOf is page with the number of all records.
func pageOf(patientsOwn []record) want {
	w := page(patientsOwn)
	if w.Item != "" {
		w.Text = fmt.Sprintf(`{"count":%d,`, len(patientsOwn))
	}
	return w
}

const recordsPath = "/api/health-records/"

func (p population) pagesOfPatients() (c callsOf) {
	for i := range p.callers() {
		patient := p.caller(readers, i)
		c.get(c.caller(p.userOfPatient(patient), clinic.RolePatient), recordsPath, pageOf(p.records(patient)))
	}
	return c
}

// filter is a part of a list's query, and which records it lets through.
type filter struct {
	name, query, plain string
	matches            func(record) bool
}

// filters are those of a list. The second selects one type in five, the third the fifth of the visits that is in the middle.
func (p population) filters() []filter {
	from, to := p.now.Add(-18*visitEvery).Truncate(24*time.Hour), p.now.Add(-12*visitEvery).Truncate(24*time.Hour)
	return []filter{
		{"", "", "", func(record) bool { return true }},
		{", of one type", "?record_type=LAB_RESULT", "_type", func(r record) bool { return r.kind() == "LAB_RESULT" }},
		{
			", of a year", fmt.Sprintf("?from=%s&to=%s", from.Format(time.DateOnly), to.Format(time.DateOnly)), "_dates",
			func(r record) bool { return !r.at.Before(from) && r.at.Before(to.AddDate(0, 0, 1)) },
		},
	}
}

// largePanels are the doctors whose lists are measured, with the largest panel last. In a small population, several would have
// all patients.
func (p population) largePanels() []int {
	doctors := []int{doctorOfFew, doctorOfSome, doctorOfMany}
	return slices.CompactFunc(doctors, func(a, b int) bool { return len(p.panel(a)) == len(p.panel(b)) })
}

func (p population) pagesOfDoctors() (list []scenario) {
	for _, f := range p.filters() {
		for _, doctor := range p.largePanels() {
			panel := p.panel(doctor)
			records := slices.DeleteFunc(p.records(panel...), func(r record) bool { return !f.matches(r) })
			var c callsOf
			c.get(c.caller(p.userOfDoctor(doctor), clinic.RoleDoctor), recordsPath+f.query, page(records))
			list = append(list, scenario{
				name:  fmt.Sprintf("20 records with comments, as a doctor of %s patients%s", grouped(len(panel)), f.name),
				plain: "page_doctor" + f.plain, values: map[string]int{"doctor": doctor},
			}.calling(c))
		}
	}
	return list
}

func (p population) notifications() (list []scenario) {
	type part struct {
		name, query, plain string
		count              func(readerOfNotifications) int
	}
	for _, s := range []part{
		{"20 of %s notifications", "", "notifications", func(r readerOfNotifications) int { return r.count }},
		{"20 unread of %s notifications", "?is_read=false", "notifications_unread", readerOfNotifications.unread},
	} {
		for _, reader := range p.notified() {
			var c callsOf
			count := s.count(reader)
			c.get(c.caller(p.userOfDoctor(reader.doctor), clinic.RoleDoctor), "/api/notifications/"+s.query,
				want{Text: fmt.Sprintf(`{"count":%d,`, count), Item: notificationItem, Items: min(pageSize, count)})
			list = append(list, scenario{
				name: fmt.Sprintf(s.name, grouped(reader.count)), plain: s.plain, values: map[string]int{"recipient": reader.doctor},
			}.calling(c))
		}
	}
	return list
}

func (p population) myPatients() (list []scenario) {
	for _, doctor := range p.largePanels() {
		count := len(p.panel(doctor))
		var c callsOf
		c.get(c.caller(p.userOfDoctor(doctor), clinic.RoleDoctor), "/api/health-records/my-patients/",
			want{Text: fmt.Sprintf(`{"count":%d,`, count), Item: patientItem, Items: min(pageSize, count)})
		list = append(list, scenario{
			name: fmt.Sprintf("20 of %s own patients", grouped(count)), plain: "my_patients", values: map[string]int{"doctor": doctor},
		}.calling(c))
	}
	return list
}
