package rest

import (
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// route describes one operation: everything that is known before its handler
// runs. The OpenAPI document and the tests are derived from it.
type route struct {
	id            string
	method        string
	path          string // the first segment below /api/ is the operation's tag
	access        access
	summary       string
	description   string                   // the note that follows the summary and the access in the document
	examples      map[string]*huma.Example // examples of the body, by name
	nothing       string                   // what a 204 in place of the answer means; "" means that there is none
	otherwise     string                   // what the answer means if a 204 may take its place
	failures      []int                    // statuses besides those that failures.go derives
	conflictCodes []string                 // codes of the status 409
	terms         web.Terms                // how the body is read, which pool does the work, and the deadline
	session       bool                     // the operation also accepts an access token, in place of a refresh token in the body
	audited       access                   // callers whose requests, allowed or refused, add a row to the audit log; "" means none
	reason        string                   // why requests of other callers add none
	binding
}

// op returns the route for a pattern such as "GET /api/patients/". All calls are audited.
func op(pattern, id string, who access, summary string, b binding) route {
	method, path, _ := strings.Cut(pattern, " ")
	return route{
		id: id, method: method, path: path, access: who, summary: summary, binding: b, audited: everyone,
		terms: web.Terms{Public: who == anybody, Body: b.body},
	}
}

// describe sets the note that follows the summary.
func (r route) describe(text string) route {
	r.description = text
	return r
}

// example sets examples of the body.
func (r route) example(bodies map[string]*huma.Example) route {
	r.examples = bodies
	return r
}

// orNothing says that the operation may also answer 204, and what that means, and otherwise.
func (r route) orNothing(meaning, otherwise string) route {
	r.nothing, r.otherwise = meaning, otherwise
	return r
}

// fails adds failures that the operation may answer with.
func (r route) fails(statuses ...int) route {
	r.failures = append(slices.Clone(r.failures), statuses...)
	return r
}

// conflicts adds the failure 409 with all codes that the operation has for it.
func (r route) conflicts(codes ...string) route {
	r.conflictCodes = codes
	return r
}

// enrolling also allows callers who have yet to set up the second factor that their role requires.
func (r route) enrolling() route {
	r.terms.Enrolling = true
	return r
}

// inMemory marks an operation that needs no place in a pool.
func (r route) inMemory() route {
	r.terms.Pool = web.InMemory
	return r
}

// ofSession accepts an access token, although anybody may call the operation.
func (r route) ofSession() route {
	r.session = true
	return r
}

// unaudited says that calls add no row to the audit log, and why.
func (r route) unaudited(reason string) route {
	r.audited, r.reason = "", reason
	return r
}

// auditedFor says that only the calls of some callers add a row to the audit log, and why.
func (r route) auditedFor(who access, reason string) route {
	r.audited, r.reason = who, reason
	return r
}

// access says who may call an operation. The document and the tests use it; the
// service enforces it. All but anybody require an access token.
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

// roles returns the roles that have the access.
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

// Operation has the facts about an operation that the OpenAPI document lacks.
// Tests compare the API with them.
type Operation struct {
	ID      string
	Roles   []clinic.Role // roles that may call it; the answer to others is 403
	Audited []clinic.Role // roles whose calls, allowed or refused, add a row to the audit log
	Reason  string        // why calls of other roles add none
}

// Operations returns all operations.
func Operations() []Operation {
	var all []Operation
	for _, r := range routes(&handlers{}) {
		all = append(all, Operation{ID: r.id, Roles: r.access.roles(), Audited: r.audited.roles(), Reason: r.reason})
	}
	return all
}
