package server_test

import (
	"context"
	"fmt"
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

// browser is a Chromium that can only reach this machine, and the requests that it sent.
type browser struct {
	t          *testing.T
	tab        context.Context //nolint:containedctx // chromedp's handle of the tab
	mutex      sync.Mutex
	requests   []*network.Request
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

// another is a new tab of the same browser.
func (b *browser) another() *browser {
	b.t.Helper()
	other := &browser{t: b.t}
	tab, closeTab := chromedp.NewContext(b.tab, chromedp.WithListener(other.listen))
	b.t.Cleanup(closeTab)
	other.tab = tab
	if err := chromedp.Do(tab); err != nil {
		b.t.Fatalf("opening a tab: %v", err)
	}
	return other
}

func (b *browser) listen(event any) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request)
	case *network.EventLoadingFailed:
		b.complaints = append(b.complaints, fmt.Sprintf("request %s (%s) failed: %s %s", e.RequestID, e.Type, e.ErrorText, e.BlockedReason))
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

// seen returns the requests so far whose URL ends like this.
func (b *browser) seen(end string) []*network.Request {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	var found []*network.Request
	for _, request := range b.requests {
		if strings.HasSuffix(request.URL, end) {
			found = append(found, request)
		}
	}
	return found
}

// run evaluates the expression in the page.
func run[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.tab, time.Minute)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("evaluating %s: %v", expression, err)
	}
	return value
}

// check fails if the page sent a request to another server, or if a request failed.
func (b *browser) check(api string) {
	b.t.Helper()
	b.mutex.Lock()
	defer b.mutex.Unlock()
	own := 0
	for _, request := range b.requests {
		parsed, err := url.Parse(request.URL)
		testkit.Must(b.t, err)
		switch {
		case strings.HasPrefix(request.URL, api+"/"):
			own++
		case parsed.Scheme != "data" && parsed.Scheme != "blob":
			b.t.Errorf("the page requested %s", request.URL)
		}
	}
	if own < 9 { // the page, three styles, four scripts, the document
		b.t.Errorf("only %d requests were seen", own)
	}
	for _, complaint := range b.complaints {
		b.t.Error(complaint)
	}
}
