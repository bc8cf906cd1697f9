package server_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestDocumentationPage uses the page as a person does: it registers and logs in with
// the examples on the page, authorizes with the token, and gets the profile.
func TestDocumentationPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := openBrowser(t)

	register, login, profile := "#operations-auth-register ", "#operations-auth-login ", "#operations-auth-getProfile "
	b.do("opening the page", chromedp.Navigate(w.url+"/api/docs"), chromedp.WaitVisible(chromedp.CSS(login)))
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

// browser is a Chromium that can only reach this machine, and the requests that it sent.
type browser struct {
	t          *testing.T
	tab        context.Context //nolint:containedctx // chromedp's handle of the tab
	mutex      sync.Mutex
	requests   []string
	complaints []string
}

func openBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("Chromium is needed to open the documentation page: run make test-deps")
	}
	b := &browser{t: t}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("disable-component-update", true), chromedp.WindowSize(1280, 1024),
	)
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	tab, closeTab := chromedp.NewContext(allocator, chromedp.WithListener(b.listen))
	t.Cleanup(func() {
		if err := chromedp.Cancel(tab); err != nil { // waits until Chromium has ended
			t.Errorf("closing the browser: %v", err)
		}
		closeTab()
		stop()
	})
	b.tab = tab
	if err := chromedp.Do(tab); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return b
}

func (b *browser) listen(event any) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *network.EventLoadingFailed:
		b.complaints = append(b.complaints, "a request failed: "+e.ErrorText+" "+string(e.BlockedReason))
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, "the script threw: "+e.ExceptionDetails.Text)
	}
}

// do gives the page a minute, because the machine may be busy.
func (b *browser) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.tab, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

func (b *browser) text(selector string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.tab, time.Minute)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		b.t.Fatalf("reading %s: %v", selector, err)
	}
	return text
}

// check fails if the page sent a request to another server, or if a request failed.
func (b *browser) check(api string) {
	b.t.Helper()
	b.mutex.Lock()
	defer b.mutex.Unlock()
	own := 0
	for _, request := range b.requests {
		parsed, err := url.Parse(request)
		testkit.Must(b.t, err)
		switch {
		case strings.HasPrefix(request, api+"/"):
			own++
		case parsed.Scheme != "data" && parsed.Scheme != "blob":
			b.t.Errorf("the page requested %s", request)
		}
	}
	if own < 8 { // the page, its style, two scripts, the document, three calls
		b.t.Errorf("only %d requests were seen: %v", own, b.requests)
	}
	for _, complaint := range b.complaints {
		b.t.Error(complaint)
	}
}
