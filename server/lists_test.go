package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listing is a patient with seven records and a doctor who sees them.
type listing struct {
	*setup
	titles []string // newest visit first
}

func newListing(t *testing.T) *listing {
	t.Helper()
	l := &listing{setup: newSetup(t)}
	l.want(http.StatusNoContent, call{method: remove, path: l.record, token: l.patient.token})
	types := []string{"CHECKUP", "DIAGNOSIS", "PRESCRIPTION", "LAB_RESULT", "EMERGENCY", "CHECKUP", "CHECKUP"}
	for day, recordType := range types {
		body := visit()
		body["record_type"], body["title"] = recordType, fmt.Sprintf("day %d", day+1)
		body["visit_date"] = fmt.Sprintf("2025-05-%02dT10:00:00Z", day+1)
		l.want(http.StatusCreated, call{method: post, path: "/api/health-records/", token: l.patient.token, body: body})
		l.titles = slices.Insert(l.titles, 0, fmt.Sprintf("day %d", day+1))
	}
	return l
}

func (l *listing) page(p person, url string) (titles []string, next, previous string) {
	l.t.Helper()
	list := l.want(http.StatusOK, call{method: get, path: url, token: p.token})
	for i := range dig[[]any](l.t, list, "results") {
		titles = append(titles, dig[string](l.t, list, "results", i, "title"))
	}
	next, _ = list["next"].(string)         // null on the last page
	previous, _ = list["previous"].(string) // null on the first page
	return titles, next, previous
}

func TestPagesFollowEachOther(t *testing.T) {
	t.Parallel()
	l := newListing(t)
	for _, start := range []string{"/api/health-records/?page_size=3", "/api/v1/health-records?page_size=3&cursor="} {
		for _, p := range []person{l.patient, l.doctor} {
			var forth, back []string
			var last string
			for url := start; url != ""; {
				titles, next, _ := l.page(p, url)
				forth, last, url = append(forth, titles...), url, next
			}
			if diff := cmp.Diff(l.titles, forth); diff != "" {
				t.Errorf("forth from %s (-want +got)\n%s", start, diff)
			}
			for url := last; url != ""; {
				titles, _, previous := l.page(p, url)
				back, url = append(titles, back...), previous
			}
			if diff := cmp.Diff(l.titles, back); diff != "" {
				t.Errorf("back to %s (-want +got)\n%s", start, diff)
			}
		}
	}
}

func TestFiltersAndOrder(t *testing.T) {
	t.Parallel()
	l := newListing(t)
	for query, want := range map[string][]string{
		"record_type=CHECKUP":                                    {"day 7", "day 6", "day 1"},
		"from=2025-05-03&to=2025-05-05":                          {"day 5", "day 4", "day 3"},
		"from=2025-05-03T10:00:00Z&to=2025-05-05T10:00:00Z":      {"day 4", "day 3"},
		"ordering=visit_date&page_size=2":                        {"day 1", "day 2"},
		"ordering=-created_at&page_size=1":                       {"day 7"},
		fmt.Sprintf("patient=%d&page_size=1", l.patient.profile): {"day 7"},
		fmt.Sprintf("patient=%d", l.patient.profile+1):           nil,
	} {
		if got, _, _ := l.page(l.doctor, "/api/health-records/?"+query); !slices.Equal(got, want) {
			t.Errorf("?%s = %v, want %v", query, got, want)
		}
	}
}

// TestAPageTakesFewStatements checks that no list sends a query for each row: only the check of the caller, the list, the
// comments of records, and the audit row of what is read.
func TestAPageTakesFewStatements(t *testing.T) {
	t.Parallel()
	l := newListing(t)
	l.record = fmt.Sprintf("/api/health-records/%d/", l.world.record(l.patient))
	for range 3 {
		l.comment(false)
	}
	l.settle()
	for path, p := range map[string]person{
		"/api/health-records/?page_size=100": l.doctor, "/api/health-records/?cursor=": l.patient, l.record: l.doctor,
		l.record + "comments/": l.patient, "/api/health-records/my-patients/": l.doctor, "/api/notifications/": l.doctor,
		"/api/auth/doctors/": l.patient, "/api/patients/": l.admin, "/api/assignments/": l.admin, "/api/auth/profile/": l.patient,
	} {
		before := l.statements.count.Load()
		l.want(http.StatusOK, call{method: get, path: path, token: p.token})
		if asked := l.statements.count.Load() - before; asked < 1 || asked > 4 {
			t.Errorf("GET %s took %d statements, want at most 4", path, asked)
		}
	}
}

func TestMyPatients(t *testing.T) {
	t.Parallel()
	l := newListing(t)
	l.want(http.StatusOK, call{method: patch, path: "/api/auth/profile/", token: l.patient.token, body: map[string]any{"blood_type": "AB-"}})
	list := l.want(http.StatusOK, call{method: get, path: "/api/health-records/my-patients/", token: l.doctor.token})
	equal(t, "my-patients", list, map[string]any{"count": 1.0, "next": nil, "previous": nil, "results": []any{map[string]any{
		"id": float64(l.patient.profile), "name": "First Of patient1", "email": "patient1@example.com", "phone_number": "+1234567890", "phone": "+1234567890",
		"blood_type": "AB-", "total_records": 7.0, "last_visit": "2025-05-07T10:00:00Z",
	}}})
}

func TestDirectoryShowsVerifiedDoctors(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	names := func(p person, query string) (found []string) {
		list := s.want(http.StatusOK, call{method: get, path: "/api/auth/doctors/" + query, token: p.token})
		for i := range dig[[]any](t, list, "results") {
			found = append(found, dig[string](t, list, "results", i, "user", "username"))
		}
		return found
	}
	s.register("doctor2", "DOCTOR")
	for _, test := range []struct {
		who   person
		query string
		want  []string
	}{
		{s.patient, "", []string{"doctor1"}},
		{s.admin, "", []string{"doctor1", "doctor2"}},
		{s.patient, "?search=general", []string{"doctor1"}},
		{s.patient, "?search=nobody", nil},
	} {
		if got := names(test.who, test.query); !slices.Equal(got, test.want) {
			t.Errorf("%s sees %v for %q, want %v", test.who.username, got, test.query, test.want)
		}
	}
	list := s.want(http.StatusOK, call{method: get, path: "/api/auth/doctors/", token: s.admin.token})
	if !dig[bool](t, list, "results", 0, "is_verified") || dig[bool](t, list, "results", 1, "is_verified") {
		t.Errorf("doctor1 is verified and doctor2 is not, but the directory says: %v", list)
	}
	taken := s.want(http.StatusOK, call{
		method: post, path: fmt.Sprintf("/api/doctors/%d/verify/", s.doctor.profile), token: s.admin.token, body: map[string]any{"is_verified": false},
	})
	if dig[bool](t, taken, "is_verified") {
		t.Errorf("the doctor is still verified: %v", taken)
	}
	s.want(http.StatusNotFound, call{method: get, path: s.record, token: s.doctor.token})
	if got := names(s.patient, ""); len(got) != 0 {
		t.Errorf("the directory still shows %v", got)
	}
}

func TestAdministratorsFindPatients(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	list := s.want(http.StatusOK, call{method: get, path: "/api/patients/?search=PATIENT1", token: s.admin.token})
	equal(t, "patients", list, map[string]any{"count": 1.0, "next": nil, "previous": nil, "results": []any{map[string]any{
		"id": float64(s.patient.profile), "phone_number": "+1234567890", "user": map[string]any{
			"id": float64(s.patient.userID), "username": "patient1", "email": "patient1@example.com",
			"first_name": "First", "last_name": "Of patient1", "user_type": "PATIENT",
		},
	}}})
}

func TestPrivateCommentsNeverReachThePatient(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.want(http.StatusCreated, call{method: post, path: s.record + "comments/", token: s.doctor.token, body: map[string]any{"comment": canary, "is_private": true}})
	s.settle()
	for _, path := range []string{s.record, s.record + "comments/", "/api/health-records/", "/api/notifications/", "/api/assignments/"} {
		if got := s.do(call{method: get, path: path, token: s.patient.token}); strings.Contains(string(got.body), canary) {
			t.Errorf("GET %s shows the patient a private comment", path)
		}
	}
	if got := s.do(call{method: get, path: s.record + "comments/", token: s.doctor.token}); !strings.Contains(string(got.body), canary) {
		t.Error("the doctor does not see their own private comment")
	}
}
