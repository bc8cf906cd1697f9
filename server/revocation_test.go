package server_test

import (
	"fmt"
	"net/http"
	"testing"
)

// TestAccessEndsWithTheNextRequest ends access in every possible way. The first
// request after that is refused.
func TestAccessEndsWithTheNextRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		path func(*setup) string
		body any
		want int // status of the next request
	}{
		"doctor unverified": {
			path: func(s *setup) string { return fmt.Sprintf("/api/doctors/%d/verify/", s.doctor.profile) },
			body: map[string]any{"verified": false}, want: http.StatusNotFound,
		},
		"doctor disabled": {
			path: func(s *setup) string { return fmt.Sprintf("/api/users/%d/disable/", s.doctor.userID) }, want: http.StatusUnauthorized,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			read := call{method: get, path: s.record, token: s.doctor.token}
			s.want(http.StatusOK, read)
			s.want(http.StatusOK, call{method: post, path: test.path(s), body: test.body, token: s.admin.token})
			s.want(test.want, read)
		})
	}
}

func TestDisabledUserHasNoSessionLeft(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	login := call{method: post, path: "/api/auth/login/", body: map[string]any{"username": "doctor1", "password": password}}
	refresh := call{method: post, path: "/api/auth/token/refresh/", body: map[string]any{"refresh": dig[string](t, s.want(http.StatusOK, login), "refresh")}}
	change := func(how string) call {
		return call{method: post, path: fmt.Sprintf("/api/users/%d/%s/", s.doctor.userID, how), token: s.admin.token}
	}
	if got := s.want(http.StatusOK, change("disable")); dig[bool](t, got, "is_active") {
		t.Errorf("disabled: %v", got)
	}
	s.want(http.StatusOK, change("disable"))
	s.want(http.StatusUnauthorized, login)
	s.want(http.StatusUnauthorized, refresh)
	if got := s.want(http.StatusOK, change("enable")); !dig[bool](t, got, "is_active") {
		t.Errorf("enabled: %v", got)
	}
	s.want(http.StatusUnauthorized, refresh)
	s.want(http.StatusOK, login)
	s.want(http.StatusOK, change("enable")) // changes nothing

	own := call{method: post, path: fmt.Sprintf("/api/users/%d/disable/", s.admin.userID), token: s.admin.token}
	if got := s.want(http.StatusConflict, own); dig[string](t, got, "code") != "own_account" {
		t.Errorf("the administrator's own account: %v", got)
	}
}

func TestAccessEndsWithTheAssignment(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	record := call{method: get, path: fmt.Sprintf("/api/health-records/%d/", c.own["patient"][record]), token: c.people["assigned doctor"].token}
	c.want(http.StatusOK, record)
	c.want(http.StatusNoContent, call{method: remove, path: fmt.Sprintf("/api/assignments/%d/", c.own["patient"][assigning]), token: c.people["administrator"].token})
	c.want(http.StatusNotFound, record)
	list := c.want(http.StatusOK, call{method: get, path: "/api/assignments/?is_active=false", token: c.people["assigned doctor"].token})
	if dig[float64](t, list, "count") != 1 || dig[bool](t, list, "results", 0, "is_active") {
		t.Errorf("the ended assignment is not history: %v", list)
	}
}
