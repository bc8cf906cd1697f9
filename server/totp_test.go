package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/pquerna/otp/totp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

func totpCode(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, at)
	testkit.Must(t, err)
	return code
}

func TestSecondFactorOverTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.patient("patient1")
	enrolled := w.want(http.StatusCreated, call{method: post, path: "/api/auth/totp/", token: p.token, body: map[string]any{"password": password}})
	secret := dig[string](t, enrolled, "secret")
	if !strings.HasPrefix(dig[string](t, enrolled, "otpauth_url"), "otpauth://totp/healthrecords:patient1?") {
		t.Errorf("enrollment = %v", enrolled)
	}
	confirmed := w.want(http.StatusOK, call{
		method: post, path: "/api/auth/totp/confirm/", token: p.token, body: map[string]any{"code": totpCode(t, secret, time.Now())},
	})
	login := func(more map[string]any) answer {
		body := map[string]any{"username": "patient1", "password": password}
		for name, value := range more {
			body[name] = value
		}
		return w.do(call{method: post, path: "/api/auth/login/", body: body})
	}
	if got := login(nil); got.status != http.StatusUnauthorized || codeOf(t, got) != "totp_required" {
		t.Errorf("without a code: %d %s", got.status, got.body)
	}
	if got := login(map[string]any{"totp_code": "nodigi"}); got.status != http.StatusUnauthorized || codeOf(t, got) != "totp_invalid" {
		t.Errorf("with a wrong code: %d %s", got.status, got.body)
	}
	// the code of the next 30 seconds is also valid; the current one was used for the confirmation
	if got := login(map[string]any{"totp_code": totpCode(t, secret, time.Now().Add(30*time.Second))}); got.status != http.StatusOK {
		t.Errorf("with the next code: %d %s", got.status, got.body)
	}
	if got := login(map[string]any{"recovery_code": dig[string](t, confirmed, "recovery_codes", 0)}); got.status != http.StatusOK {
		t.Errorf("with a recovery code: %d %s", got.status, got.body)
	}
	status := w.want(http.StatusOK, call{method: get, path: "/api/auth/totp/", token: p.token})
	if !dig[bool](t, status, "enabled") || dig[bool](t, status, "required") || dig[float64](t, status, "recovery_codes") != 9 {
		t.Errorf("status = %v", status)
	}
	w.want(http.StatusNoContent, call{method: post, path: "/api/auth/totp/disable/", token: p.token, body: map[string]any{"password": password}})
	if got := login(nil); got.status != http.StatusOK {
		t.Errorf("once it is disabled: %d %s", got.status, got.body)
	}
	if log := w.log.String(); strings.Contains(log, secret) {
		t.Error("the log has the secret")
	}
}

// TestUsersWhoMustEnrollMayDoNothingElse calls every operation of the document.
func TestUsersWhoMustEnrollMayDoNothingElse(t *testing.T) {
	t.Parallel()
	database := testkit.NewDatabase(t, rights.Migrate)
	db := testkit.NewFactory(t, database)
	w := newReplica(t, replica{database: database, keys: newKeys(t), totpRequired: []clinic.Role{clinic.RolePatient, clinic.RoleAdmin}})
	p := w.patient("patient1")
	open := map[string]bool{"getProfile": true, "getTOTP": true, "enrolTOTP": true, "confirmTOTP": true}
	w.contract.each(func(path, method string, op *openapi3.Operation) {
		if op.Extensions["x-access"] == "Anybody" {
			return
		}
		got := w.do(call{method: method, path: filled(path, "1"), token: p.token})
		refused := got.status == http.StatusForbidden && codeOf(t, got) == "totp_enrolment_required"
		if refused == open[op.OperationID] {
			t.Errorf("%s answered %d: %s", op.OperationID, got.status, got.body)
		}
		if n := db.Count(`SELECT count(*) FROM audit_log WHERE request_id = $1 AND user_id = $2 AND operation = $3 AND decision = 'forbidden'
			AND reason = 'refused'`, got.header.Get("X-Request-ID"), p.userID, op.OperationID); refused && n != 1 {
			t.Errorf("%s was refused with %d audit rows", op.OperationID, n)
		}
	})
	enrolled := w.want(http.StatusCreated, call{method: post, path: "/api/auth/totp/", token: p.token, body: map[string]any{"password": password}})
	w.want(http.StatusOK, call{method: post, path: "/api/auth/totp/confirm/", token: p.token, body: map[string]any{
		"code": totpCode(t, dig[string](t, enrolled, "secret"), time.Now()),
	}})
}
