package server_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const profileOperation = "#operations-auth-getProfile "

func openDocs(t *testing.T, w *world) *browser {
	t.Helper()
	b := openBrowser(t)
	b.do("opening the page", chromedp.Navigate(w.url+"/api/docs"), chromedp.WaitVisible(chromedp.CSS("#found:not(:empty)")), chromedp.WaitVisible(chromedp.CSS(profileOperation)))
	return b
}

// logIn fills in the form.
func (b *browser) logIn(username, secret string) {
	b.t.Helper()
	b.do("logging in",
		chromedp.SetValue(chromedp.CSS("#login [name=username]"), username),
		chromedp.SetValue(chromedp.CSS("#login [name=password]"), secret),
		click("#login button"),
	)
}

func (b *browser) focused() string {
	b.t.Helper()
	return run[string](b, "document.activeElement.name || document.activeElement.id")
}

func (b *browser) refused(want, focus string) {
	b.t.Helper()
	b.do("waiting for the message", chromedp.WaitVisible(chromedp.CSS("#message:not(:empty)")))
	if got := b.text("#message"); !strings.Contains(got, want) {
		b.t.Errorf("the page says %q, want %q", got, want)
	}
	if got := b.focused(); got != focus {
		b.t.Errorf("the focus is on %q, want %q", got, focus)
	}
}

// profile executes the operation again, and returns the access token that the page sent.
func (b *browser) profile(want string) string {
	b.t.Helper()
	b.do("asking for the profile", click(profileOperation+"button.execute"), chromedp.WaitVisible(chromedp.CSS(profileOperation+responseStatus)))
	if status := b.text(profileOperation + responseStatus); !strings.HasPrefix(status, want) {
		b.t.Errorf("the profile is answered %s, want %s", status, want)
	}
	b.do("clearing the answer", click(profileOperation+".btn-clear"), chromedp.WaitNotPresent(chromedp.CSS(profileOperation+responseStatus)))
	asked := b.seen("/api/auth/profile/")
	authorization, _ := asked[len(asked)-1].Headers["Authorization"].(string)
	return strings.TrimPrefix(authorization, "Bearer ")
}

func TestSessionOfTheDocumentationPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.patient("patient1")
	b := openDocs(t, w)

	b.logIn("patient1", "not the password")
	b.refused("The username or the password is wrong.", "password")
	if script := run[int](b, "sessionStorage.length"); script != 0 {
		t.Error("a refused login leaves something behind")
	}
	b.do("typing the right one over it", chromedp.KeyEvent(password+kb.Enter))
	b.do("waiting for the session", chromedp.WaitVisible(chromedp.CSS("#session")), chromedp.WaitNotVisible(chromedp.CSS("#login")))
	if got := b.text("#session"); !strings.Contains(got, "patient1 (patient)") || b.text("#message") != "" {
		t.Errorf("the page says %q and %q", got, b.text("#message"))
	}
	if focus := b.focused(); focus != "logout" {
		t.Errorf("the focus is on %q", focus)
	}
	b.do("opening the operation", click(profileOperation+".opblock-summary-control"), click(profileOperation+".try-out__btn"))
	first := b.profile("200")
	if again := b.profile("200"); again != first {
		t.Error("the page renews a token that is still valid")
	}
	run[string](b, "(() => { const now = Date.now; Date.now = () => now() + 4.6 * 60_000; return '' })()")
	second := b.profile("200")
	if second == first || len(b.seen("/api/auth/token/refresh/")) != 1 {
		t.Errorf("4.6 of 5 minutes later the token is renewed %d times", len(b.seen("/api/auth/token/refresh/")))
	}

	b.do("reloading", chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS("#session")))
	b.do("trying the operation, which the URL names", click(profileOperation+".try-out__btn"))
	if reloaded := b.profile("200"); reloaded != second {
		t.Error("after a reload the page sends another token")
	}
	other := b.another()
	other.do("opening another tab", chromedp.Navigate(w.url+"/api/docs"), chromedp.WaitVisible(chromedp.CSS("#login")))
	if kept := run[string](other, "JSON.stringify([localStorage, document.cookie])"); strings.Contains(kept, "ey") {
		t.Errorf("the browser keeps %s", kept)
	}

	b.do("asking for data", click(profileOperation+"button.execute"), chromedp.WaitVisible(chromedp.CSS(profileOperation+responseStatus)))
	b.do("logging out", click("#logout"), chromedp.WaitVisible(chromedp.CSS("#login")),
		chromedp.WaitNotPresent(chromedp.CSS(profileOperation+responseStatus))) // the next person must not read it
	if token := b.profile("401"); token != "" {
		t.Error("after the logout the page sends a token")
	}
	if got := w.do(call{method: get, path: "/api/auth/profile/", token: second}); got.status != http.StatusUnauthorized {
		t.Errorf("after the logout the token is answered %d", got.status)
	}
	if stored := run[int](b, "sessionStorage.length"); stored != 0 {
		t.Error("the logout leaves something behind")
	}
	b.check(w.url)

	b.logIn("patient1", password)
	b.do("logging out in the dialog of Swagger UI", chromedp.WaitVisible(chromedp.CSS("#session")), click(".scheme-container .authorize"),
		click(".modal-ux .auth-btn-wrapper button:not(.btn-done)"), chromedp.WaitVisible(chromedp.CSS("#login")))
	if stored := run[int](b, "sessionStorage.length"); stored != 0 {
		t.Error("the logout in the dialog leaves something behind")
	}
}

// A session that ended elsewhere is not shown as if it went on, whichever request finds out.
func TestTheDocumentationPageNoticesTheEndOfItsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.patient("patient1")
	b := openDocs(t, w)
	b.do("opening the operation", click(profileOperation+".opblock-summary-control"), click(profileOperation+".try-out__btn"))
	for what, script := range map[string]string{"the operation": "''", "the renewal": "(() => { Date.now = () => 1e15; return '' })()"} {
		b.do("asking without a session", click(profileOperation+"button.execute"), chromedp.WaitVisible(chromedp.CSS(profileOperation+responseStatus)))
		b.logIn("patient1", password)
		b.do("waiting for the session", chromedp.WaitVisible(chromedp.CSS("#session")),
			chromedp.WaitNotPresent(chromedp.CSS(profileOperation+responseStatus))) // it belongs to whoever was there before
		run[string](b, script)
		sessions := w.want(http.StatusOK, call{method: get, path: "/api/auth/sessions/", token: p.token})
		for i := range dig[[]any](t, sessions, "results") {
			if !dig[bool](t, sessions, "results", i, "current") {
				id := int64(dig[float64](t, sessions, "results", i, "id"))
				w.want(http.StatusNoContent, call{method: remove, path: "/api/auth/sessions/" + strconv.FormatInt(id, 10) + "/", token: p.token})
			}
		}
		b.profile("401")
		b.do("waiting for the form", chromedp.WaitVisible(chromedp.CSS("#login")))
		if got := b.text("#message"); got != "The session has ended. Log in again." {
			t.Errorf("%s: the page says %q", what, got)
		}
	}
}

func TestSecondFactorOnTheDocumentationPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.patient("patient1")
	enrolled := w.want(http.StatusCreated, call{method: post, path: "/api/auth/totp/", token: p.token, body: map[string]any{"password": password}})
	secret := dig[string](t, enrolled, "secret")
	confirmed := w.want(http.StatusOK, call{
		method: post, path: "/api/auth/totp/confirm/", token: p.token, body: map[string]any{"code": totpCode(t, secret, time.Now())},
	})
	recovery := dig[string](t, confirmed, "recovery_codes", 0)
	b := openDocs(t, w)
	code := func(text string) {
		b.do("sending a code", chromedp.SetValue(chromedp.CSS("#login [name=code]"), text), click("#login button"))
	}

	b.logIn("patient1", password)
	b.refused("Enter the code from your authenticator app", "code")
	code("no code")
	b.refused("not valid", "code")
	code(recovery)
	b.do("waiting for the session", chromedp.WaitVisible(chromedp.CSS("#session")))
	b.do("logging out", click("#logout"), chromedp.WaitVisible(chromedp.CSS("#login")), chromedp.WaitNotVisible(chromedp.CSS("#login [name=code]")))

	b.logIn("patient1", password)
	b.refused("Enter the code from your authenticator app", "code")
	// the code of the next 30 seconds is also valid; the current one was used for the confirmation
	code(totpCode(t, secret, time.Now().Add(30*time.Second)))
	b.do("waiting for the session", chromedp.WaitVisible(chromedp.CSS("#session")))
}

func TestTheDocumentationPageSaysWhenToTryAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.patient("patient1")
	for range 10 {
		w.do(call{method: post, path: "/api/auth/login/", body: map[string]any{"username": "patient1", "password": "wrong"}})
	}
	b := openDocs(t, w)
	b.logIn("patient1", password)
	b.refused("Too many attempts; wait, then try again. Try again in ", "password")
}

// A renewal that is under way at the logout does not begin the session again.
func TestALogoutOnTheDocumentationPageWaitsForTheRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.patient("patient1")
	b := openDocs(t, w)
	b.do("opening the operation", click(profileOperation+".opblock-summary-control"), click(profileOperation+".try-out__btn"))
	b.logIn("patient1", password)
	b.do("waiting for the session", chromedp.WaitVisible(chromedp.CSS("#session")))
	run[string](b, `(() => {
		Date.now = () => 1e15;
		const send = fetch;
		window.fetch = async (...request) => {
			const answer = await send(...request);
			if (request[0].endsWith?.("/refresh/")) {
				window.renewed = (await answer.clone().json()).access;
				await new Promise((release) => { window.release = release; document.documentElement.dataset.held = ""; });
			}
			return answer;
		};
		return "";
	})()`)
	b.do("renewing", click(profileOperation+"button.execute"), chromedp.WaitReady(chromedp.CSS("html[data-held]")))
	b.do("logging out", click("#logout"))
	run[string](b, "(release(), '')")
	b.do("waiting for the form", chromedp.WaitVisible(chromedp.CSS("#login")), chromedp.WaitVisible(chromedp.CSS(profileOperation+responseStatus)))
	if stored := run[int](b, "sessionStorage.length"); stored != 0 {
		t.Error("the logout leaves something behind")
	}
	if message := b.text("#message"); message != "" {
		t.Errorf("the page says %q", message)
	}
	if got := w.do(call{method: get, path: profilePath, token: run[string](b, "window.renewed")}); got.status != http.StatusUnauthorized {
		t.Errorf("after the logout the renewed token is answered %d", got.status)
	}
}

// The page works in a browser that keeps nothing: the session lasts until the page is left.
func TestTheDocumentationPageNeedsNoStorage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.patient("patient1")
	b := openBrowser(t)
	const refused = `Object.defineProperty(window, "sessionStorage", { get() { throw new DOMException("no storage", "SecurityError"); } })`
	b.do("refusing storage", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: refused})
		return err
	}))
	b.do("opening the page", chromedp.Navigate(w.url+"/api/docs"),
		chromedp.WaitVisible(chromedp.CSS(profileOperation)))
	b.logIn("patient1", password)
	b.do("waiting for the session", chromedp.WaitVisible(chromedp.CSS("#session")))
	b.do("logging out", click("#logout"), chromedp.WaitVisible(chromedp.CSS("#login")))
}
