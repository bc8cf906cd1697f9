package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func (h *handover) path() string { return fmt.Sprintf("/api/assignments/%d/", h.assignment) }

// shown returns the assignment as the administrator reads it.
func (h *handover) shown() map[string]any {
	h.t.Helper()
	return h.want(http.StatusOK, call{method: get, path: h.path(), token: h.admin.token})
}

// sources returns the claims of an answer, without their times.
func sources(t *testing.T, assignment map[string]any) []string {
	t.Helper()
	var all []string
	for i := range dig[[]any](t, assignment, "claims") {
		c := dig[map[string]any](t, assignment, "claims", i)
		if _, since := c["since"].(string); !since {
			t.Errorf("the claim %v has no beginning", c)
		}
		all = append(all, fmt.Sprintf("%v %v by %v for %v, ended %t, held %v", c["source"], c["declared_by"], c["requested_by"], c["reason"], c["until"] != nil, c["held"]))
	}
	return all
}

// TestEndingAClaimTellsWhatHoldsTheAssignment: before, the administrator's 204 said that it had ended, and a minute later an
// object had assigned the doctor again.
func TestEndingAClaimTellsWhatHoldsTheAssignment(t *testing.T) {
	t.Parallel()
	h := newHandover(t)
	object := h.declare(false)
	const byJane = "kubernetes clinic/object-1 by jane for , ended false, held false"
	if diff := cmp.Diff([]string{byJane, "rest <nil> by admin for primary care, ended false, held false"}, sources(t, h.shown())); diff != "" {
		t.Errorf("claims (-want +got)\n%s", diff)
	}
	left := h.want(http.StatusOK, call{method: remove, path: h.path(), token: h.admin.token})
	if diff := cmp.Diff([]string{byJane, "rest <nil> by admin for primary care, ended true, held false"}, sources(t, left)); diff != "" {
		t.Errorf("claims after the end (-want +got)\n%s", diff)
	}
	if left["is_active"] != true || left["declared_by"] != "clinic/object-1" || left["requested_by"] != "jane" || left["source"] != "kubernetes" {
		t.Errorf("the assignment is %v", left)
	}
	refused := h.do(call{method: remove, path: h.path(), token: h.admin.token})
	if refused.status != http.StatusConflict || !strings.Contains(string(refused.body), "managed_by_kubernetes") || !strings.Contains(string(refused.body), "clinic/object-1") {
		t.Errorf("ending an object's claim is answered %d: %s", refused.status, refused.body)
	}
	h.want(http.StatusNoContent, call{method: remove, path: h.path() + "?force=true", token: h.admin.token})
	declared := clinic.Declaration{
		Owner: object, Generation: 1, Name: "clinic/object-1", Requester: "jane", Doctors: []string{h.doctor.username}, Patients: []string{h.patient.username},
	}
	if result := testkit.Value(h.declarations.Declare(t.Context(), declared))(t); result.Assigned != 0 || result.Created != 0 {
		t.Errorf("the object assigns the doctor again: %+v", result)
	}
	for range 2 {
		h.want(http.StatusNoContent, call{method: remove, path: h.path() + "hold/", token: h.admin.token})
	}
	if result := testkit.Value(h.declarations.Declare(t.Context(), declared))(t); result.Assigned != 1 || result.Created != 1 {
		t.Errorf("after the hold was lifted, the object does not assign the doctor: %+v", result)
	}
}

// TestARetainedAssignmentBelongsToREST: before, it named the object for ever.
func TestARetainedAssignmentBelongsToREST(t *testing.T) {
	t.Parallel()
	h := newHandover(t)
	object := h.declare(true)
	if got := h.shown(); got["source"] != "kubernetes" || got["declared_by"] != "clinic/object-1" {
		t.Errorf("the adopted assignment is %v", got)
	}
	h.retain(object)
	if got := h.shown(); got["source"] != "rest" || got["declared_by"] != nil || got["is_active"] != true {
		t.Errorf("the retained assignment is %v", got)
	}
	h.want(http.StatusNoContent, call{method: remove, path: h.path(), token: h.admin.token})
}

// TestLogsTellWhoAskedTheController, and nobody can put another name there: people choose their own request ids.
func TestLogsTellWhoAskedTheController(t *testing.T) {
	t.Parallel()
	h := newHandover(t)
	h.declare(true)
	h.do(call{method: get, path: "/api/health-records/", token: h.doctor.token, header: map[string]string{"X-Request-ID": clinic.RequestOfController("mallory")}})
	h.do(call{method: get, path: "/api/health-records/", token: h.patient.token, header: map[string]string{"X-Request-ID": clinic.RequestOfController("mallory")}})
	for path, reader := range map[string]person{"/api/audit/": h.admin, "/api/access-log/": h.patient} {
		entries, asked := h.want(http.StatusOK, call{method: get, path: path, token: reader.token}), 0
		for i := range dig[[]any](t, entries, "results") {
			switch e := dig[map[string]any](t, entries, "results", i); {
			case e["role"] != clinic.ActorController && e["requested_by"] != nil:
				t.Errorf("%s names somebody who asked for %v", path, e)
			case e["role"] == clinic.ActorController && e["requested_by"] == "jane":
				asked++
			}
		}
		if asked != 1 {
			t.Errorf("%s has %d entries about what jane asked for, want 1", path, asked)
		}
	}
}

func TestOnlyAdministratorsReadClaims(t *testing.T) {
	t.Parallel()
	h := newHandover(t)
	h.declare(false)
	for _, reader := range []person{h.doctor, h.patient} {
		if got := h.want(http.StatusOK, call{method: get, path: h.path(), token: reader.token}); got["claims"] != nil {
			t.Errorf("%s reads the claims %v", reader.username, got["claims"])
		}
	}
	list := h.want(http.StatusOK, call{method: get, path: "/api/assignments/", token: h.admin.token})
	if claims, is := dig[map[string]any](t, list, "results", 0)["claims"]; claims != nil || !is {
		t.Errorf("the list has the claims %v", claims)
	}
}

// TestAnAssignmentWithoutClaims is one that ended before there were claims. An empty list is not null, which hides them.
func TestAnAssignmentWithoutClaims(t *testing.T) {
	t.Parallel()
	h := newHandover(t)
	h.want(http.StatusNoContent, call{method: remove, path: h.path(), token: h.admin.token})
	h.db.Exec(`DELETE FROM assignment_claims`)
	if claims, is := h.shown()["claims"].([]any); !is || len(claims) > 0 {
		t.Errorf("claims = %v, want an empty list", h.shown()["claims"])
	}
}
