package main

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// scenario is one kind of requests that is measured by itself.
type scenario struct {
	name   string
	groups []group
	// callers are whose tokens the calls need, by the index that the calls name.
	callers []clinic.Caller
	// plain is the name of the statement that fetches the same rows, and values what it needs to know.
	plain  string
	values map[string]int
	// chained scenarios send the refresh token of the last answer.
	chained bool
}

// scenarios returns what is measured, in the order of the report.
func (p population) scenarios() []scenario {
	list := []scenario{
		scenario{name: "record by id, as its patient", plain: "record", values: p.values(readers)}.calling(p.recordsOfPatients()),
		scenario{name: "record by id, as a doctor", plain: "record", values: p.values(readers)}.calling(p.recordsOfDoctors()),
		scenario{name: "20 records with comments, as a patient", plain: "page_patient", values: p.values(readers)}.calling(p.pagesOfPatients()),
	}
	list = append(list, p.pagesOfDoctors()...)
	list = append(list,
		scenario{name: "create a record", plain: "create", values: p.values(writers)}.calling(p.creations()),
		scenario{name: "change a record"}.calling(p.changes()),
		scenario{name: "versions of a changed record"}.calling(p.versions()),
		scenario{name: "comment on a record", plain: "comment", values: p.values(writers)}.calling(p.comments()))
	list = append(list, p.notifications()...)
	list = append(list, p.myPatients()...)
	list = append(list, p.searches()...)
	return append(list,
		scenario{name: "log in"}.calling(p.logins()),
		scenario{name: "refresh a token", chained: true},
		p.mix())
}

// callsOf collects the calls of a scenario and their callers.
type callsOf struct {
	calls   []call
	callers []clinic.Caller
}

// caller returns the index of the user's token.
func (c *callsOf) caller(user int64, role clinic.Role) int {
	wanted := clinic.Caller{UserID: user, Role: role, SessionID: user}
	if i := slices.Index(c.callers, wanted); i >= 0 {
		return i
	}
	c.callers = append(c.callers, wanted)
	return len(c.callers) - 1
}

func (c *callsOf) get(token int, path string, want want) {
	want.Status = http.StatusOK
	c.calls = append(c.calls, call{Method: http.MethodGet, Path: path, Token: token, Want: want})
}

// calling adds a group of calls to the scenario.
func (s scenario) calling(c callsOf) scenario { return s.weighted(1, c) }

func (s scenario) weighted(weight int, c callsOf) scenario {
	calls := slices.Clone(c.calls)
	for i := range calls {
		if calls[i].Token != noToken {
			calls[i].Token += len(s.callers)
		}
	}
	s.groups = append(slices.Clone(s.groups), group{Weight: weight, Calls: calls})
	s.callers = append(slices.Clone(s.callers), c.callers...)
	return s
}

// values are what the plain statements about patients need to choose among the same patients.
func (p population) values(kind int) map[string]int {
	return map[string]int{"patients": p.patients, "doctors": p.doctors(), "callers": p.callers(), "step": p.step(), "kind": kind}
}

func recordPath(id int64) string { return fmt.Sprintf("/api/health-records/%d/", id) }

func idText(id int64) string { return fmt.Sprintf(`"id":%d,`, id) }

func (p population) recordsOfPatients() (c callsOf) {
	for i := range p.callers() {
		patient := p.caller(readers, i)
		token := c.caller(p.userOfPatient(patient), clinic.RolePatient)
		for _, r := range p.records(patient) {
			c.get(token, recordPath(r.id), want{Text: idText(r.id)})
		}
	}
	return c
}

func (p population) recordsOfDoctors() (c callsOf) {
	for i := range p.callers() {
		patient := p.caller(readers, i)
		token := c.caller(p.userOfDoctor(p.doctorOf(patient)), clinic.RoleDoctor)
		for _, r := range p.records(patient) {
			c.get(token, recordPath(r.id), want{Text: idText(r.id)})
		}
	}
	return c
}

// mix is nine reads in ten requests.
func (p population) mix() scenario {
	pages := p.pagesOfDoctors()
	notifications, patients := p.notifications(), p.myPatients()
	all := scenario{name: "a mix with 90 % reads"}.
		weighted(20, p.recordsOfPatients()).weighted(20, p.recordsOfDoctors()).weighted(20, p.pagesOfPatients())
	for _, s := range []scenario{pages[0], notifications[0], patients[0]} {
		all = all.weighted(10, callsOf{calls: s.groups[0].Calls, callers: s.callers})
	}
	return all.weighted(4, p.creations()).weighted(3, p.changes()).weighted(3, p.comments())
}
