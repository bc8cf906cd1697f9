package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func breakGlass(doctor, patient person) call {
	return call{method: post, path: "/api/break-glass/", token: doctor.token, body: map[string]any{
		"patient_id": patient.profile, "reason": "unconscious", "password": password,
	}}
}

func TestBreakGlass(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	doctor := s.world.doctor(s.admin, "night")
	read := call{method: get, path: s.record, token: doctor.token}
	s.want(http.StatusNotFound, read)
	for range 2 {
		if got := s.want(http.StatusOK, breakGlass(doctor, s.patient)); dig[string](t, got, "source") != "break_glass" {
			t.Errorf("assignment = %v", got)
		}
	}
	s.want(http.StatusOK, read)
	refused := s.want(http.StatusForbidden, call{method: post, path: s.record + "comments/", token: doctor.token, body: map[string]any{"comment": "Rest."}})
	if dig[string](t, refused, "code") != "read_only" {
		t.Errorf("a comment is answered %v", refused)
	}
	err := testutil.GatherAndCompare(s.metrics, strings.NewReader(`
# HELP healthrecords_break_glass_total Emergency accesses that doctors opened.
# TYPE healthrecords_break_glass_total counter
healthrecords_break_glass_total 1
`), "healthrecords_break_glass_total")
	if err != nil {
		t.Error(err)
	}

	s.settle()
	for _, reader := range []person{s.patient, s.admin} {
		list := s.want(http.StatusOK, call{method: get, path: "/api/notifications/", token: reader.token})
		if got := dig[string](t, list, "results", 0, "notification_type"); got != "BREAK_GLASS" {
			t.Errorf("%s is notified of %s", reader.username, got)
		}
	}
	found := s.want(http.StatusOK, call{method: get, path: fmt.Sprintf("/api/assignments/?patient=%d&doctor=%d", s.patient.profile, doctor.profile), token: s.admin.token})
	s.want(http.StatusNoContent, call{method: remove, path: fmt.Sprintf("/api/assignments/%.0f/", dig[float64](t, found, "results", 0, "id")), token: s.admin.token})
	s.want(http.StatusNotFound, read)
}

func TestBreakGlassAsksForThePasswordAgain(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	wrong := breakGlass(s.doctor, s.patient)
	wrong.body = map[string]any{"patient_id": s.patient.profile, "reason": "unconscious", "password": "securepass124"}
	if got := s.want(http.StatusUnprocessableEntity, wrong); dig[string](t, got, "code") != "wrong_password" {
		t.Errorf("answered %v", got)
	}
}
