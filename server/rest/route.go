package rest

import (
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// route is one operation, and the one place of what is known of it before its
// handler runs. The document and the tests are derived from it.
type route struct {
	id          string
	method      string
	path        string // its first segment below /api/ is the operation's tag
	access      access
	summary     string
	description string                   // what summary and access leave open
	examples    map[string]*huma.Example // of the body, by name
	failures    []int                    // statuses that it may answer beside those that document.go derives
	terms       web.Terms                // how the body is read, and where and for how long the work is done
	session     bool                     // takes an access token, or a refresh token in the body in its place
	audited     access                   // whose calls, answered or refused, leave a row in the audit log; "": nobody's
	reason      string                   // why those of others leave none
	binding
}

// op is a route of a pattern such as "GET /api/patients/". All calls are audited.
func op(pattern, id string, who access, summary string, b binding) route {
	method, path, _ := strings.Cut(pattern, " ")
	return route{
		id: id, method: method, path: path, access: who, summary: summary, binding: b, audited: everyone,
		terms: web.Terms{Public: who == anybody, Body: b.body},
	}
}

// describe adds the text that the summary leaves open.
func (r route) describe(text string) route {
	r.description = text
	return r
}

// example adds bodies that the operation takes.
func (r route) example(bodies map[string]*huma.Example) route {
	r.examples = bodies
	return r
}

// fails adds statuses that the operation may answer.
func (r route) fails(statuses ...int) route {
	r.failures = append(slices.Clone(r.failures), statuses...)
	return r
}

// enrolling lets callers in who have yet to set up the second factor that their role requires.
func (r route) enrolling() route {
	r.terms.Enrolling = true
	return r
}

// inMemory answers without a place of a pool.
func (r route) inMemory() route {
	r.terms.Pool = web.InMemory
	return r
}

// ofSession also takes an access token, though anybody may call the operation.
func (r route) ofSession() route {
	r.session = true
	return r
}

// unaudited calls leave no row in the audit log, for a reason.
func (r route) unaudited(reason string) route {
	r.audited, r.reason = "", reason
	return r
}

// auditedFor leaves a row in the audit log for the calls of some only, for a reason.
func (r route) auditedFor(who access, reason string) route {
	r.audited, r.reason = who, reason
	return r
}

// access says who may call an operation. The service enforces it; here it is
// for the document and for tests. Only anybody is without an access token.
type access string

const (
	anybody           access = "Anybody"
	everyone          access = "Everyone who is logged in"
	patients          access = "Patients"
	doctors           access = "Doctors"
	admins            access = "Administrators"
	doctorsAndAdmins  access = "Doctors and administrators"
	patientsOrDoctors access = "Patients and doctors"
)

// roles are those that have the access.
func (a access) roles() []clinic.Role {
	switch a {
	case anybody, everyone:
		return []clinic.Role{clinic.RolePatient, clinic.RoleDoctor, clinic.RoleAdmin}
	case patients:
		return []clinic.Role{clinic.RolePatient}
	case doctors:
		return []clinic.Role{clinic.RoleDoctor}
	case admins:
		return []clinic.Role{clinic.RoleAdmin}
	case doctorsAndAdmins:
		return []clinic.Role{clinic.RoleDoctor, clinic.RoleAdmin}
	case patientsOrDoctors:
		return []clinic.Role{clinic.RolePatient, clinic.RoleDoctor}
	}
	return nil
}

// Operation is what the table says of an operation and the document does not:
// tests hold the API to it.
type Operation struct {
	ID      string
	Roles   []clinic.Role // that may call it; the others are answered 403
	Audited []clinic.Role // whose calls, answered or refused, leave a row in the audit log
	Reason  string        // why those of others leave none
}

// Operations lists all operations.
func Operations() []Operation {
	var all []Operation
	for _, r := range routes(&handlers{}) {
		all = append(all, Operation{ID: r.id, Roles: r.access.roles(), Audited: r.audited.roles(), Reason: r.reason})
	}
	return all
}
