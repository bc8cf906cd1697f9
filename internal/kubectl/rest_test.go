package kubectl

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

const secret = "the-secret-token"

// platform answers as the REST API does, to the token of a user.
type platform struct {
	*httptest.Server
	userType, username string
	users              []map[string]any
	assignments        []map[string]any
	claims             map[string]any // by id
	size               int            // of a page
}

func newPlatform(t *testing.T, userType, username string) *platform {
	t.Helper()
	p := &platform{userType: userType, username: username, claims: map[string]any{}, size: 2}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /base/api/auth/profile/", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, map[string]any{"username": p.username, "user_type": p.userType})
	})
	mux.HandleFunc("GET /base/api/users/", func(w http.ResponseWriter, r *http.Request) {
		p.page(w, r, p.users, func(user map[string]any) bool {
			return strings.Contains(fmt.Sprint(user["username"]), strings.ToLower(r.FormValue("search"))) && user["user_type"] == r.FormValue("user_type")
		})
	})
	mux.HandleFunc("GET /base/api/assignments/", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("is_active") != "true" {
			t.Errorf("%s asks for assignments that have ended", r.URL)
		}
		p.page(w, r, p.assignments, func(a map[string]any) bool {
			for _, role := range []string{"patient", "doctor"} {
				person, _ := a[role].(map[string]any)
				if id := r.FormValue(role); id != "" && fmt.Sprint(person["id"]) != id {
					return false
				}
			}
			return true
		})
	})
	mux.HandleFunc("GET /base/api/assignments/{id}/", func(w http.ResponseWriter, r *http.Request) {
		for _, a := range p.assignments {
			if fmt.Sprint(a["id"]) == r.PathValue("id") {
				full := map[string]any{"claims": p.claims[r.PathValue("id")]}
				for key, value := range a {
					full[key] = value
				}
				answerJSON(w, full)
			}
		}
	})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func answerJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

// page answers with the page at the cursor, and the URL of the next one, as the API does: without the base of a proxy.
func (p *platform) page(w http.ResponseWriter, r *http.Request, all []map[string]any, match func(map[string]any) bool) {
	results := []map[string]any{}
	for _, item := range all {
		if match(item) {
			results = append(results, item)
		}
	}
	start := 0
	_, _ = fmt.Sscan(r.FormValue("cursor"), &start)
	end := min(start+p.size, len(results))
	page := map[string]any{"count": len(results), "results": results[start:end], "next": nil}
	if end < len(results) {
		page["next"] = strings.TrimPrefix(r.URL.Path, "/base") + "?" + url.Values{"cursor": {fmt.Sprint(end)}}.Encode()
	}
	answerJSON(w, page)
}

// assign adds an assignment of a doctor to a patient.
func (p *platform) assign(doctor, patient, source string, more map[string]any) {
	assignment := map[string]any{
		"id": len(p.assignments) + 1, "source": source, "declared_by": nil, "requested_by": nil, "reason": "", "ends_at": nil,
		"starts_at": today().Add(-time.Hour), "is_active": true,
		"doctor":  map[string]any{"id": 100 + int(doctor[len(doctor)-1]), "user": map[string]any{"username": doctor}},
		"patient": map[string]any{"id": 200 + int(patient[len(patient)-1]), "user": map[string]any{"username": patient}},
	}
	for key, value := range more {
		assignment[key] = value
	}
	p.assignments = append(p.assignments, assignment)
}

func (p *platform) user(username, userType string) {
	number := int(username[len(username)-1])
	user := map[string]any{"username": username, "user_type": userType, "doctor_id": nil, "patient_id": nil}
	switch userType {
	case "DOCTOR":
		user["doctor_id"] = 100 + number
	case "PATIENT":
		user["patient_id"] = 200 + number
	}
	p.users = append(p.users, user)
}

func TestTokensStayOnTheirWay(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"http://healthrecords.example", "http://192.0.2.1:8000", "http://127.0.0.1.example", "ftp://127.0.0.1", "healthrecords.example",
		"https://user:password@healthrecords.example", "https://", "://",
	} {
		if _, err := newAPI(address, secret, 0); err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "password") {
			t.Errorf("%s is taken: %v", address, err)
		}
	}
	for _, address := range []string{"https://healthrecords.example", "http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000/base"} {
		if _, err := newAPI(address, secret, 0); err != nil {
			t.Errorf("%s is refused: %v", address, err)
		}
	}
	for _, token := range []string{"two\nlines", "two words", "zoë"} {
		if _, err := newAPI("https://healthrecords.example", token, 0); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("the token %q: %v", token, err)
		}
	}
}

func TestAPIDoesNotFollowRedirects(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed, with the header %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(other.Close)
	first := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	t.Cleanup(first.Close)
	api := testkit.Value(newAPI(first.URL, secret, 0))(t)
	if _, _, err := api.access(t.Context(), question{username: "patient1"}, today()); err == nil || err.Error() != "the REST API answered 302 Found" {
		t.Errorf("%v", err)
	}
}

func TestAPIBoundsWhatItReads(t *testing.T) {
	t.Parallel()
	asked := 0
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long/":
			_, _ = w.Write([]byte(`"` + strings.Repeat("x", maxAnswer) + `"`))
		case "/slow/":
			<-r.Context().Done()
		case "/html/":
			_, _ = w.Write([]byte("<html>"))
		default:
			asked++
			answerJSON(w, map[string]any{"results": []string{"again"}, "next": "https://elsewhere.example/?cursor=x"})
		}
	}))
	t.Cleanup(endless.Close)
	api := testkit.Value(newAPI(endless.URL, secret, 0))(t)
	complete, err := list(t.Context(), api, "/list/", url.Values{}, func(string) bool { return true })
	if err != nil || complete || asked != maxPages {
		t.Errorf("an endless list: complete is %v, %v after %d pages", complete, err, asked)
	}
	var text string
	for _, path := range []string{"/long/", "/html/"} {
		if err := api.get(t.Context(), path, nil, &text); err == nil || text != "" {
			t.Errorf("%s: %v", path, err)
		}
	}
	api = testkit.Value(newAPI(endless.URL, secret, 50*time.Millisecond))(t)
	err = api.get(t.Context(), "/slow/", url.Values{"search": {"patient1"}}, &text)
	if err == nil || strings.Contains(err.Error(), "patient1") || strings.Contains(err.Error(), secret) {
		t.Errorf("%v", err)
	}
}

func TestReadToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"token": " " + secret + "\n", "large": strings.Repeat("x", maxToken+1)} {
		testkit.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	if token, err := readToken(filepath.Join(dir, "token")); err != nil || token != secret {
		t.Errorf("%q, %v", token, err)
	}
	for _, name := range []string{"large", "missing"} {
		if _, err := readToken(filepath.Join(dir, name)); err == nil {
			t.Errorf("the file %s is taken", name)
		}
	}
}
