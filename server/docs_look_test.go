package server_test

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

var screenshots = flag.String("screenshots", "", "directory to which TestLookOfThePages writes what it sees")

//go:embed testdata/look.js
var look string

// TestLookOfThePages looks at the pages in both themes, on a wide and on a narrow screen.
func TestLookOfThePages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.patient("patient1")
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			t.Run(fmt.Sprintf("%s %d", theme, width), func(t *testing.T) {
				t.Parallel()
				b := openBrowser(t)
				b.do("choosing the theme", chromedp.EmulateViewport(width, 1500), prefer(theme))
				see := func(what string) { b.look(fmt.Sprintf("%s-%s-%d", what, theme, width)) }
				b.do("opening /", chromedp.Navigate(w.url+"/"), chromedp.WaitVisible(chromedp.CSS("h1")))
				see("home")
				register := "#operations-auth-register "
				b.do("opening the page", chromedp.Navigate(w.url+"/api/docs"), chromedp.WaitVisible(chromedp.CSS("#found:not(:empty)")), chromedp.WaitVisible(chromedp.CSS(register)))
				see("collapsed")
				b.do("trying an operation", tryOut(register)...)
				run[bool](b, "(document.querySelector('"+register+"').scrollIntoView(), true)")
				see("open")
				b.logIn("patient1", "not the password")
				b.do("waiting for the message", chromedp.WaitVisible(chromedp.CSS("#message:not(:empty)")))
				see("refused")
				b.logIn("patient1", password)
				b.do("waiting for the session", chromedp.WaitVisible(chromedp.CSS("#session")))
				see("logged-in")
				b.do("asking for the profile", tryOut(profileOperation)...)
				run[bool](b, "(document.querySelector('"+profileOperation+"').scrollIntoView(), true)")
				see("answered")
				b.do("opening the dialog", click(".scheme-container .authorize"), chromedp.WaitVisible(chromedp.CSS(".modal-ux")))
				see("dialog")
				if dark := run[bool](b, "getComputedStyle(document.body).backgroundColor !== 'rgb(255, 255, 255)'"); dark != (theme == "dark") {
					t.Errorf("the page is dark: %t", dark)
				}
			})
		}
	}
}

func prefer(theme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
		})
		return err
	})
}

func (b *browser) look(name string) {
	b.t.Helper()
	for _, fault := range run[[]string](b, look) {
		b.t.Errorf("%s: %s", name, fault)
	}
	if *screenshots == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.tab, time.Minute)
	defer cancel()
	image, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	testkit.Must(b.t, err)
	testkit.Must(b.t, os.WriteFile(filepath.Join(*screenshots, name+".png"), image, 0o600))
}
