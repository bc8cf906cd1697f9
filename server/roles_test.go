package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestNoFieldRegistersAnotherRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, extra := range []string{
		`"user_type":"ADMIN"`, `"user_type":"admin"`, `"user_type":"PATIENT","USER_TYPE":"ADMIN"`, `"user_type":"PATIENT","User_Type":"ADMIN"`,
		`"user_type":"PATIENT","user_type":"ADMIN"`, `"user_type":"PATIENT","role":"ADMIN"`, `"user_type":"PATIENT","is_staff":true`,
		`"user_type":"PATIENT","is_superuser":true`, `"user_type":"PATIENT","is_admin":true`, `"user_type":["ADMIN"]`, `"user_type":null`,
	} {
		body := fmt.Sprintf(`{"username":"user%d","password":"securepass123","password_confirm":"securepass123",%s}`, i, extra)
		want := http.StatusUnprocessableEntity
		if strings.Count(extra, `"user_type"`) > 1 { // not taken for JSON
			want = http.StatusBadRequest
		}
		if got := w.do(call{method: post, path: "/api/auth/register/", body: body}); got.status != want {
			t.Errorf("%s answered %d: %s", extra, got.status, got.body)
		}
	}
}
