package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// creations are of visits long ago, so that they are on no first page of the doctors whose lists are read.
func (p population) creations() (c callsOf) {
	visit := p.founded().Add(-visitEvery).Format(time.RFC3339)
	for i := range p.callers() {
		c.calls = append(c.calls, call{
			Method: http.MethodPost, Path: recordsPath, Token: c.caller(p.userOfPatient(p.caller(writers, i)), clinic.RolePatient),
			Body: `{"record_type":"CHECKUP","title":"Visit ` + number + `","description":"Routine annual physical examination",` +
				`"symptoms":"No specific symptoms","diagnosis":"Patient appears healthy","treatment":"Continue current lifestyle",` +
				`"medications":"None","visit_date":"` + visit + `"}`,
			Want: want{Status: http.StatusCreated, Text: `"title":"Visit ` + number + `"`},
		})
	}
	return c
}

func (p population) changes() (c callsOf) {
	for i := range p.callers() {
		patient := p.caller(writers, i)
		token := c.caller(p.userOfPatient(patient), clinic.RolePatient)
		for _, r := range p.records(patient) {
			c.calls = append(c.calls, call{
				Method: http.MethodPatch, Path: recordPath(r.id), Token: token, Body: `{"treatment":"Treatment ` + number + `"}`,
				Want: want{Status: http.StatusOK, Text: `"treatment":"Treatment ` + number + `"`},
			})
		}
	}
	return c
}

// versions are those that the changes have made until then.
func (p population) versions() (c callsOf) {
	for i := range p.callers() {
		patient := p.caller(writers, i)
		token := c.caller(p.userOfDoctor(p.doctorOf(patient)), clinic.RoleDoctor)
		for _, r := range p.records(patient) {
			c.get(token, recordPath(r.id)+"versions/", want{Text: `"version":`})
		}
	}
	return c
}

func (p population) comments() (c callsOf) {
	for i := range p.callers() {
		patient := p.caller(writers, i)
		token := c.caller(p.userOfDoctor(p.doctorOf(patient)), clinic.RoleDoctor)
		for _, r := range p.records(patient) {
			c.calls = append(c.calls, call{
				Method: http.MethodPost, Path: recordPath(r.id) + "comments/", Token: token,
				Body: `{"comment":"Patient shows good health indicators, ` + number + `."}`,
				Want: want{Status: http.StatusCreated, Text: number + `."`},
			})
		}
	}
	return c
}

func (p population) logins() (c callsOf) {
	for i := range p.callers() {
		c.calls = append(c.calls, call{
			Method: http.MethodPost, Path: "/api/auth/login/", Token: noToken,
			Body: fmt.Sprintf(`{"username":%q,"password":%q}`, patientName(p.caller(loggingIn, i)), password),
			Want: want{Status: http.StatusOK, Text: `"refresh":"`},
		})
	}
	return c
}

// refreshes are calls that each connection begins with: the next one sends the token of its answer.
func refreshes(tokens []string) (c callsOf) {
	for _, token := range tokens {
		c.calls = append(c.calls, call{
			Method: http.MethodPost, Path: "/api/auth/token/refresh/", Token: noToken, Body: refreshBody(token),
			Want: want{Status: http.StatusOK, Text: `"refresh":"`},
		})
	}
	return c
}
