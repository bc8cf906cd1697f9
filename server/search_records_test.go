package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

const searchPath = "/api/health-records/search/"

func search(token string, body map[string]any) call {
	return call{method: post, path: searchPath, token: token, body: body}
}

// TestSearchAnswersAsDocumented searches over HTTP, from page to page.
func TestSearchAnswersAsDocumented(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.admin()
	patient, doctor := w.patient("patient"), w.doctor(admin, "doctor")
	w.assign(admin, patient, doctor)
	for i := range 3 {
		body := map[string]any{"record_type": "DIAGNOSIS", "title": fmt.Sprintf("Größe <b>%d</b>: Fièvre", i), "visit_date": fmt.Sprintf("2025-05-2%dT10:00:00Z", i), "language": "fr"}
		created := w.want(http.StatusCreated, call{method: post, path: "/api/health-records/", token: patient.token, body: body})
		if dig[string](t, created, "language") != "fr" {
			t.Errorf("the language is %v", created["language"])
		}
	}
	page := w.want(http.StatusOK, search(doctor.token, map[string]any{"query": "fievres", "page_size": 2}))
	if dig[float64](t, page, "count") != 3 || len(dig[[]any](t, page, "results")) != 2 || !dig[bool](t, page, "complete") || page["previous_cursor"] != nil {
		t.Errorf("the first page is %v", page)
	}
	if dig[string](t, page, "results", 0, "record", "visit_date") != "2025-05-22T10:00:00Z" {
		t.Errorf("the latest visit is not first: %v", page)
	}
	text := dig[string](t, page, "results", 0, "highlights", 0, "text")
	start, end := int(dig[float64](t, page, "results", 0, "highlights", 0, "ranges", 0, "start")), int(dig[float64](t, page, "results", 0, "highlights", 0, "ranges", 0, "end"))
	if !strings.Contains(text, "<b>2</b>") || string([]rune(text)[start:end]) != "Fièvre" || utf8.RuneCountInString(text) < end {
		t.Errorf("the highlight is %q from %d to %d", text, start, end)
	}
	next := w.want(http.StatusOK, search(doctor.token, map[string]any{"query": "fievres", "page_size": 2, "cursor": page["next_cursor"]}))
	if len(dig[[]any](t, next, "results")) != 1 || next["next_cursor"] != nil {
		t.Errorf("the second page is %v", next)
	}
	back := w.want(http.StatusOK, search(doctor.token, map[string]any{"query": "fievres", "page_size": 2, "cursor": next["previous_cursor"]}))
	if len(dig[[]any](t, back, "results")) != 2 || back["previous_cursor"] != nil {
		t.Errorf("the page before is %v", back)
	}
	typo := w.want(http.StatusOK, search(doctor.token, map[string]any{"query": "fiebre"}))
	if dig[string](t, typo, "suggestions", 0, "word") != "fiebre" || dig[string](t, typo, "suggestions", 0, "similar", 0) != "fièvre" {
		t.Errorf("the suggestions are %v", typo["suggestions"])
	}
	for _, cursor := range []string{"x", "eyJpIjowfQ", "eyJrIjoiYSBiIiwiaSI6MX0"} {
		w.want(http.StatusUnprocessableEntity, search(doctor.token, map[string]any{"query": "fievre", "cursor": cursor}))
	}
	w.want(http.StatusForbidden, search(admin.token, map[string]any{"query": "fievre"}))
	unverified := w.register("unverified", "DOCTOR")
	none := w.want(http.StatusOK, search(unverified.token, map[string]any{"query": "fievre"}))
	if dig[string](t, none, "notice", "code") != "doctor_not_verified" || dig[float64](t, none, "count") != 0 {
		t.Errorf("an unverified doctor is answered %v", none)
	}
}

// TestAQueryIsNowhereButInItsBody looks for it in errors and logs, and for the records of a search in the audit log.
func TestAQueryIsNowhereButInItsBody(t *testing.T) {
	t.Parallel()
	database := testkit.NewDatabase(t, rights.Migrate)
	c, db := newCastIn(t, newWorldOn(t, database)), testkit.NewFactory(t, database)
	const secret = "zebracrossing"
	for _, query := range []string{secret, "-" + secret, secret + "\x00", strings.Repeat(secret+" ", 17), strings.Repeat(secret, 20), `"` + secret + `" | & !`} {
		for _, role := range roles() {
			got := c.do(search(c.people[role].token, map[string]any{"query": query}))
			if strings.Contains(string(got.body), secret) || strings.Contains(fmt.Sprint(got.header), secret) {
				t.Errorf("the answer %d to the %s repeats the query: %s", got.status, role, got.body)
			}
		}
	}
	if log := c.log.take(); strings.Contains(log, secret) {
		t.Error("the log contains the query")
	}
	if n := db.Count(`SELECT count(*) FROM audit_log l WHERE l::text LIKE '%' || $1 || '%'`, secret); n != 0 {
		t.Error("the audit log contains the query")
	}
	got := c.do(search(c.people["assigned doctor"].token, map[string]any{"query": "annual"}))
	if n := db.Count(`SELECT count(*) FROM audit_log WHERE request_id = $1 AND operation = 'searchRecords' AND record_ids = ARRAY[$2::bigint] AND decision = 'allowed'`,
		got.header.Get("X-Request-ID"), c.own["patient"][record]); n != 1 {
		t.Error("the audit log does not name the record that the search showed")
	}
	log := c.want(http.StatusOK, call{method: get, path: "/api/audit/?operation=searchRecords&decision=allowed", token: c.people["administrator"].token})
	if ids := dig[[]any](t, log, "results", 0, "records"); !slices.Equal(ids, []any{float64(c.own["patient"][record])}) {
		t.Errorf("administrators see the records %v", ids)
	}
}
