package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/cache"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/server"
)

func throughProxy(o *server.Options) { o.TrustedProxies = []string{"127.0.0.0/8", "::1/128"} }

// loginFrom is a login of a client with the address, behind a proxy.
func (w *world) loginFrom(address, username, secret string) answer {
	w.t.Helper()
	return w.do(call{
		method: post, path: "/api/auth/login/", body: map[string]any{"username": username, "password": secret},
		header: map[string]string{"X-Forwarded-For": "203.0.113.99, " + address}, // the client may write anything before it
	})
}

// replica is another server of the same clinic.
func (w *world) replica() *world {
	w.t.Helper()
	throttle, err := cache.NewThrottle(w.redis)
	testkit.Must(w.t, err)
	parts := w.parts
	parts.Throttle = throttle
	other := *w
	other.service, err = service.NewAPI(parts)
	testkit.Must(w.t, err)
	opts := server.Options{Service: other.service, Verifier: w.verifier, Log: parts.Log}
	throughProxy(&opts)
	other.handler, err = server.New(opts)
	testkit.Must(w.t, err)
	s := httptest.NewServer(other.handler)
	w.t.Cleanup(s.Close)
	other.url = s.URL
	return &other
}

func TestGuessingIsThrottledOverAllServers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, throughProxy)
	other := w.replica()
	w.patient("owner")
	for _, username := range []string{"owner", "Nobody", "no name, at all\x00"} {
		for i := range 10 {
			one := []*world{w, other}[i%2]
			spelling := username
			if i%3 == 0 {
				spelling = strings.ToUpper(username)
			}
			if got := one.loginFrom("192.0.2.7", spelling, "wrong"); got.status != http.StatusUnauthorized {
				t.Fatalf("guess %d at %q answered %d: %s", i+1, username, got.status, got.body)
			}
		}
	}
	known, unknown := w.loginFrom("192.0.2.7", "owner", password), other.loginFrom("192.0.2.7", "nobody", password)
	for _, got := range []answer{known, unknown} {
		after, err := strconv.Atoi(got.header.Get("Retry-After"))
		if got.status != http.StatusTooManyRequests || got.object(t)["code"] != "too_many_attempts" || err != nil || after < 1 || after > 3600 {
			t.Errorf("one guess more answered %d %v %s", got.status, got.header, got.body)
		}
	}
	known.header.Del("Retry-After") // a second may have passed
	unknown.header.Del("Retry-After")
	if anonymized(known) != anonymized(unknown) {
		t.Errorf("answers differ for an existing and a missing account:\n%s\n%s", anonymized(known), anonymized(unknown))
	}
	if got := other.loginFrom("192.0.2.8", "owner", password); got.status != http.StatusOK {
		t.Errorf("the owner, from elsewhere, got %d: %s", got.status, got.body)
	}
}

func TestStrangersDoNotLockTheOwnerOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, throughProxy)
	w.patient("owner")
	if got := w.loginFrom("192.0.2.7", "owner", password); got.status != http.StatusOK {
		t.Fatalf("the first login got %d: %s", got.status, got.body)
	}
	refused := 0
	for i := range 60 {
		if got := w.loginFrom(fmt.Sprintf("198.51.100.%d", i), "owner", "wrong"); got.status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 39 {
		t.Errorf("%d of 60 strangers were refused, want 40", refused)
	}
	if got := w.loginFrom("192.0.2.7", "owner", password); got.status != http.StatusOK {
		t.Errorf("the owner got %d: %s", got.status, got.body)
	}
}

// TestGuessesAtResetCodesAreThrottled as logins are, whether the account exists or has a code.
func TestGuessesAtResetCodesAreThrottled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, throughProxy)
	owner := w.patient("owner")
	issued := w.want(http.StatusOK, call{method: post, path: fmt.Sprintf("/api/users/%d/reset/", owner.userID), token: w.admin().token})
	reset := func(address, username, code string) answer {
		return w.do(call{
			method: post, path: "/api/auth/password/reset/", header: map[string]string{"X-Forwarded-For": address},
			body: map[string]any{"username": username, "code": code, "new_password": "another horse", "new_password_confirm": "another horse"},
		})
	}
	for _, username := range []string{"owner", "Nobody"} {
		for i := range 10 {
			if got := reset("192.0.2.7", username, "ABCD"); got.status != http.StatusUnauthorized || got.object(t)["code"] != "reset_code_invalid" {
				t.Fatalf("guess %d answered %d: %s", i+1, got.status, got.body)
			}
		}
		if got := reset("192.0.2.7", username, dig[string](t, issued, "code")); got.status != http.StatusTooManyRequests {
			t.Errorf("one guess more answered %d: %s", got.status, got.body)
		}
	}
	if got := reset("192.0.2.8", "owner", dig[string](t, issued, "code")); got.status != http.StatusNoContent || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the owner, from elsewhere, got %d: %s", got.status, got.body)
	}
	if text := w.log.String(); strings.Contains(text, dig[string](t, issued, "code")) {
		t.Error("the log contains the code")
	}
}

func TestRegistrationsAreThrottled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, throughProxy)
	register := func(address string, i int) answer {
		return w.do(call{
			method: post, path: "/api/auth/register/", header: map[string]string{"X-Forwarded-For": address}, body: map[string]any{
				"username": fmt.Sprintf("patient%d", i), "password": password, "password_confirm": password, "user_type": "PATIENT",
			},
		})
	}
	accepted := 0
	for i := range 110 {
		switch got := register("192.0.2.7", i); got.status {
		case http.StatusCreated:
			accepted++
		case http.StatusTooManyRequests:
		default:
			t.Fatalf("registration answered %d: %s", got.status, got.body)
		}
	}
	if accepted < 100 || accepted > 105 {
		t.Errorf("%d registrations of one address were accepted, want 100", accepted)
	}
	if got := register("192.0.2.8", 999); got.status != http.StatusCreated {
		t.Errorf("another address got %d: %s", got.status, got.body)
	}
}

// TestOnlyAProxyMayTellTheAddress sends X-Forwarded-For from an address that is not a trusted proxy.
func TestOnlyAProxyMayTellTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *server.Options) { o.TrustedProxies = []string{"192.0.2.0/24"} })
	for i := range 10 {
		w.loginFrom(fmt.Sprintf("198.51.100.%d", i), "owner", "wrong")
	}
	if got := w.loginFrom("198.51.100.99", "owner", "wrong"); got.status != http.StatusTooManyRequests {
		t.Errorf("a made-up address got %d, want 429", got.status)
	}
	none := newWorld(t)
	for range 2 {
		none.loginFrom("198.51.100.1", "owner", "wrong")
	}
	if n := strings.Count(none.log.String(), "TRUSTED_PROXIES"); n != 1 {
		t.Errorf("%d warnings about the proxy that is not named, want 1", n)
	}
}

func TestAProxyThatIsNoNetworkIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := server.New(server.Options{Service: w.service, Verifier: w.verifier, TrustedProxies: []string{"10.0.0.1"}}); err == nil {
		t.Error("no error")
	}
}

// TestAStrangerDoesNotBlockBreakGlass lets a stranger use up the quotas of the address
// and the account. Then a doctor at the same address opens emergency access.
func TestAStrangerDoesNotBlockBreakGlass(t *testing.T) {
	t.Parallel()
	w := newWorld(t, throughProxy)
	patient, doctor := w.patient("patient1"), w.doctor(w.admin(), "doctor1")
	const clinicAddress = "192.0.2.7"
	for i := range 30 {
		w.loginFrom(clinicAddress, "doctor1", "wrong")
		w.loginFrom(fmt.Sprintf("198.51.100.%d", i), "doctor1", "wrong")
	}
	if got := w.loginFrom(clinicAddress, "doctor1", password); got.status != http.StatusTooManyRequests {
		t.Fatalf("the quota is not used up: %d", got.status)
	}
	open := breakGlass(doctor, patient)
	open.header = map[string]string{"X-Forwarded-For": clinicAddress}
	if got := w.do(open); got.status != http.StatusOK {
		t.Errorf("break-glass is answered %d: %s", got.status, got.body)
	}
}

// TestASessionHasItsQuotaOfConfirmations uses up the quota of one session on two
// servers, with each operation that requires the password.
func TestASessionHasItsQuotaOfConfirmations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, throughProxy)
	patient, doctor := w.patient("patient1"), w.doctor(w.admin(), "doctor1")
	other, servers := w.loggedIn("doctor1"), []*world{w, w.replica()}
	wrong := []call{
		{method: post, path: "/api/break-glass/", body: map[string]any{"patient_id": patient.profile, "reason": "unconscious", "password": "wrong"}},
		{method: post, path: "/api/auth/totp/", body: map[string]any{"password": "wrong"}},
		{method: post, path: "/api/auth/totp/disable/", body: map[string]any{"password": "wrong"}},
		{method: post, path: "/api/auth/password/", body: map[string]any{"current_password": "wrong", "new_password": "another horse"}},
	}
	for i := range 12 {
		c := wrong[i%len(wrong)]
		c.token = doctor.token
		want := http.StatusUnprocessableEntity
		if i >= 10 {
			want = http.StatusTooManyRequests
		}
		got := servers[i%2].do(c)
		if after, err := strconv.Atoi(got.header.Get("Retry-After")); got.status != want || want == http.StatusTooManyRequests && (err != nil || after < 1 || after > 3600) {
			t.Errorf("wrong password %d at %s is answered %d: %s", i+1, c.path, got.status, got.body)
		}
	}
	if got := w.do(breakGlass(doctor, patient)); got.status != http.StatusTooManyRequests {
		t.Errorf("the right password is answered %d: %s", got.status, got.body)
	}
	if got := w.do(breakGlass(other, patient)); got.status != http.StatusOK {
		t.Errorf("another session is answered %d: %s", got.status, got.body)
	}
	if got := w.do(breakGlass(w.loggedIn("doctor1"), patient)); got.status != http.StatusOK {
		t.Errorf("after another login it is answered %d: %s", got.status, got.body)
	}
}
