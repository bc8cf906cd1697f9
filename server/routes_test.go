package server_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/rest"
)

// notForRole is the cell of a role that may not call the operation.
const notForRole = "-"

// clinicRole returns the domain's role for one of roles().
func clinicRole(role string) clinic.Role {
	switch role {
	case "patient":
		return clinic.RolePatient
	case "administrator":
		return clinic.RoleAdmin
	}
	return clinic.RoleDoctor
}

// routes returns the rows of the API's table.
func routes() map[string]rest.Operation {
	all := map[string]rest.Operation{}
	for _, o := range rest.Operations() {
		all[o.ID] = o
	}
	return all
}

// TestTheMatrixAgreesWithTheRoutes compares the cells with the access of each role
// in the API's table.
func TestTheMatrixAgreesWithTheRoutes(t *testing.T) {
	t.Parallel()
	all, routed := matrix(), routes()
	for id := range all {
		if _, ok := routed[id]; !ok {
			t.Errorf("%s is no operation", id)
		}
	}
	for id, route := range routed {
		cells := strings.Fields(all[id].want)
		if len(cells) == 1 { // for anybody, as the document says
			continue
		}
		if len(cells) != len(roles()) {
			t.Errorf("%s has %d cells, want %d", id, len(cells), len(roles()))
			continue
		}
		for i, role := range roles() {
			if may := slices.Contains(route.Roles, clinicRole(role)); may != (cells[i] != notForRole) {
				t.Errorf("%s: the route lets the %s in: %t, and the matrix has %s", id, role, may, cells[i])
			}
		}
	}
}
