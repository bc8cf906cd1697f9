import * as session from "./session.js";

const scheme = "bearer"; // as in the document
const element = (id) => document.getElementById(id);
const form = element("login");

const ui = SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: -1,
  validatorUrl: null, // the default sends the document to a server on the internet
  plugins: [{
    components: { FilterContainer: () => null }, // it has no label, and finds tags only
    fn: { opsFilter: matching },
    statePlugins: { auth: { wrapActions: { logoutWithPersistOption: dropAndEnd } } },
  }],
  requestInterceptor: renewToken,
  responseInterceptor: followSession,
  onComplete: () => { show(); filter(); },
});

// show makes the page agree with the session.
function show(message = "") {
  const now = session.current();
  form.hidden = Boolean(now);
  element("session").hidden = !now;
  element("message").textContent = message;
  if (now) {
    element("user").textContent = `${now.user.username} (${now.user.user_type.toLowerCase()})`;
    ui.preauthorizeApiKey(scheme, now.access);
  } else {
    ui.authActions.logout([scheme]);
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { username, password, code } = form.elements;
  const button = form.querySelector("button");
  button.disabled = true;
  element("message").textContent = "";
  try {
    await session.login(username.value, password.value, code.value.trim());
    form.reset();
    element("second").hidden = true;
    clearAnswers(); // the last session may have ended without a logout
    show();
    element("logout").focus();
  } catch (error) {
    refuse(error);
  } finally {
    button.disabled = false;
  }
});

// refuse says why a login failed, and puts the focus where to mend it.
function refuse(error) {
  const { password, code } = form.elements;
  const second = error.code === "totp_required";
  if (second) element("second").hidden = false;
  element("message").textContent = second ? "Enter the code from your authenticator app, or a recovery code." : error.message;
  if (element("second").hidden) {
    password.select();
  } else {
    code.select();
  }
}

element("logout").addEventListener("click", async () => {
  await end();
  form.elements.username.focus();
});

// dropAndEnd is what the logout below "Authorize" does.
function dropAndEnd(drop) {
  return (schemes) => { drop(schemes); return end(); };
}

async function end() {
  if (!session.current()) return;
  let message = "";
  try {
    await session.logout();
  } catch {
    message = "You are logged out on this page, but the server did not confirm the end of the session.";
  }
  clearAnswers();
  show(message);
}

// clearAnswers removes what the operations returned, so that the next person at this screen does not read it.
function clearAnswers() {
  for (const operation of ui.specSelectors.operations()) {
    ui.specActions.clearResponse(operation.get("path"), operation.get("method"));
  }
}

// renewToken gives a request that has the session's token one that is still valid.
// It leaves a token alone that the reader entered below "Authorize".
async function renewToken(request) {
  const now = session.current();
  if (!now || request.headers?.Authorization !== `Bearer ${now.access}`) return request;
  try {
    const token = await session.fresh();
    if (token) request.headers.Authorization = `Bearer ${token}`;
    if (token && token !== now.access) show();
  } catch (error) {
    show(session.current() ? error.message : "The session has ended. Log in again.");
  }
  return request;
}

function followSession(response) {
  if (!session.current()) return response;
  const path = new URL(response.url, location).pathname;
  if (response.status === 401 && response.obj?.code === "session_ended") {
    session.forget();
    show("The session has ended. Log in again.");
  } else if (response.ok && path.endsWith("/auth/totp/confirm/")) {
    session.outdate(); // the token was for the enrollment only
  }
  return response;
}

// matching returns the operations in which each word of the phrase occurs.
function matching(tags, phrase) {
  const words = phrase.toLowerCase().split(/\s+/);
  const matches = (entry) => {
    const operation = entry.get("operation");
    const parts = [entry.get("method"), entry.get("path"), ...["operationId", "summary", "x-access"].map((name) => operation.get(name))];
    const text = parts.join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return tags.map((tag) => tag.update("operations", (all) => all.filter(matches))).filter((tag) => tag.get("operations").size > 0);
}

function filter() {
  const phrase = element("filter").value.trim();
  ui.layoutActions.updateFilter(phrase || true);
  const count = ui.specSelectors.taggedOperations().reduce((sum, tag) => sum + tag.get("operations").size, 0);
  element("found").textContent = `${count} ${count === 1 ? "operation" : "operations"}`;
}

element("filter").addEventListener("input", filter);
show(); // once more when the document is there

// Controls to which Swagger UI gives no name for screen readers.
const names = {
  ".copy-to-clipboard button": "Copy",
  ".examples-select-element": "Example",
  ".body-param__text": "Request body",
  ".close-modal": "Close",
};
new MutationObserver(() => {
  for (const [selector, name] of Object.entries(names)) {
    for (const control of document.querySelectorAll(`#swagger-ui ${selector}:not([aria-label])`)) control.setAttribute("aria-label", name);
  }
}).observe(element("swagger-ui"), { childList: true, subtree: true });
