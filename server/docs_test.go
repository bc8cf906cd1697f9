package server_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/getkin/kin-openapi/openapi3"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestDocumentationPage uses the page as a person does: it registers and logs in with
// the examples on the page, authorizes with the token, and gets the profile.
func TestDocumentationPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := openBrowser(t)

	register, login, profile := "#operations-auth-register ", "#operations-auth-login ", "#operations-auth-getProfile "
	b.do("opening the page", chromedp.Navigate(w.url+"/api/docs"), chromedp.WaitVisible(chromedp.CSS("#found:not(:empty)")), chromedp.WaitVisible(chromedp.CSS(login)))
	b.do("registering", tryOut(register)...)
	if status := b.text(register + responseStatus); !strings.HasPrefix(status, "201") {
		t.Errorf("the page's own example is answered %s", status)
	}
	b.do("logging in", tryOut(login)...)
	var session struct{ Access string }
	if err := json.Unmarshal([]byte(b.text(login+responseBody)), &session); err != nil || session.Access == "" {
		t.Fatalf("the page shows no token: %v", err)
	}
	b.do("authorizing",
		click(".scheme-container .authorize"),
		chromedp.SendKeys(chromedp.CSS("#auth-bearer-value"), session.Access),
		click(".modal-ux .auth-btn-wrapper .authorize"),
		// The buttons move when the field disappears, and a click goes to the old position of its button.
		chromedp.WaitNotPresent(chromedp.CSS(".modal-ux .auth-btn-wrapper .authorize")),
		click(".modal-ux .btn-done"),
		chromedp.WaitNotPresent(chromedp.CSS(".modal-ux")),
	)
	b.do("asking for the profile", tryOut(profile)...)
	if status := b.text(profile + responseStatus); !strings.HasPrefix(status, "200") {
		t.Errorf("the page shows status %s", status)
	}
	if body := b.text(profile + responseBody); !strings.Contains(body, `"username": "patient1"`) {
		t.Errorf("the page shows %s", body)
	}
	b.check(w.url)
}

func TestFilesOfTheDocumentationPageComePackedOrNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js"} {
		path := "/api/docs/" + name
		plain := w.do(call{method: get, path: path, header: map[string]string{"Accept-Encoding": "identity"}})
		packed := w.do(call{method: get, path: path, header: map[string]string{"Accept-Encoding": "gzip"}})
		content, err := gzip.NewReader(bytes.NewReader(packed.body))
		testkit.Must(t, err)
		unpacked, err := io.ReadAll(content)
		testkit.Must(t, err)
		if len(plain.body) < len(packed.body) || !bytes.Equal(plain.body, unpacked) {
			t.Errorf("%s: %d bytes plain, %d packed, %d unpacked", name, len(plain.body), len(packed.body), len(unpacked))
		}
		if one, other := plain.header.Get("Content-Type"), packed.header.Get("Content-Type"); one == "" || other == "" {
			t.Errorf("%s is %q plain and %q packed", name, one, other)
		}
		if plain.header.Get("Vary") == "" || packed.header.Get("Vary") == "" {
			t.Errorf("%s: a cache would mix up the packed file and the plain one", name)
		}
	}
}

const (
	responseStatus = ".live-responses-table tbody .response-col_status"
	responseBody   = ".live-responses-table tbody .response-col_description pre"
)

func click(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)
}

func tryOut(operation string) []chromedp.Action[chromedp.Void] {
	return []chromedp.Action[chromedp.Void]{
		click(operation + ".opblock-summary-control"),
		click(operation + ".try-out__btn"),
		click(operation + "button.execute"),
		chromedp.WaitVisible(chromedp.CSS(operation + responseStatus)),
	}
}

func TestFilterOfTheDocumentationPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := openDocs(t, w)
	for _, test := range []struct{ phrase, shown string }{ // shown is one of the operations
		{"", "#operations-health-health"},
		{"COMMENT health", "#operations-health-records-addComment"}, // all words, in any case
		{"delete", "#operations-assignments-endAssignment"},
		{"/break-glass/", "#operations-break-glass-breakGlass"},
		{"administrators", "#operations-audit-getAudit"}, // by who may call them
		{"no such thing", "#filter"},
		{"", "#operations-health-health"},
	} {
		run[string](b, "document.getElementById('filter').value = ''")
		b.do("filtering", chromedp.SendKeys(chromedp.CSS("#filter"), test.phrase+" "), chromedp.WaitVisible(chromedp.CSS(test.shown)))
		want := 0
		w.contract.each(func(path, method string, op *openapi3.Operation) {
			text := strings.ToLower(fmt.Sprint(method, path, op.OperationID, op.Summary, op.Extensions["x-access"]))
			if !slices.ContainsFunc(strings.Fields(strings.ToLower(test.phrase)), func(word string) bool { return !strings.Contains(text, word) }) {
				want++
			}
		})
		if got := run[int](b, "document.querySelectorAll('.opblock').length"); got != want {
			t.Errorf("%q shows %d operations, want %d", test.phrase, got, want)
		}
		if got := b.text("#found"); !strings.HasPrefix(got, strconv.Itoa(want)+" operation") {
			t.Errorf("%q is answered %q", test.phrase, got)
		}
	}
	b.check(w.url)
}

// TestThemeIsTheReadersChoice chooses against the system's theme, on one page for both.
func TestThemeIsTheReadersChoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := openBrowser(t)
	background := "getComputedStyle(document.body).backgroundColor"
	b.do("opening /", prefer("light"), chromedp.Navigate(w.url+"/"), chromedp.WaitVisible(chromedp.CSS("#theme")))
	light := run[string](b, background)
	b.do("choosing", chromedp.SendKeys(chromedp.CSS("#theme"), "Dark"))
	dark := run[string](b, background)
	b.do("opening the page", chromedp.Navigate(w.url+"/api/docs/"), chromedp.WaitVisible(chromedp.CSS("#theme")))
	if got := run[string](b, background); dark == light || got != dark {
		t.Errorf("light is %s, dark is %s, and the other page is %s", light, dark, got)
	}
	b.do("choosing the system's", chromedp.SendKeys(chromedp.CSS("#theme"), "System"))
	if got := run[string](b, background); got != light {
		t.Errorf("the system's theme is %s, want %s", got, light)
	}
}
