// The session of this tab. The tokens are in sessionStorage, which the browser
// forgets when the tab is closed.

const key = "session";
const margin = 30_000; // milliseconds before its end in which an access token is renewed

// Storage can be disabled: then the session lasts until the page is left.
const storage = {
  read: () => { try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; } },
  keep: (next) => { try { sessionStorage.setItem(key, JSON.stringify(next)); } catch { /* as above */ } },
  forget: () => { try { sessionStorage.removeItem(key); } catch { /* as above */ } },
};

let session = storage.read();
let renewal = null;

// Refusal is an answer of the API that is an error, or no answer.
class Refusal extends Error {
  constructor(message, problem = {}) {
    super(message);
    this.status = problem.status;
    this.code = problem.code;
  }
}

export function current() { return session; }

export async function login(username, password, code) {
  const body = { username, password };
  if (/^\d{6}$/.test(code)) body.totp_code = code;
  else if (code) body.recovery_code = code;
  const answer = await post("/api/auth/login/", body);
  keep(answer.user, answer.tokens);
}

export async function logout() {
  const { refresh } = session;
  forget();
  await post("/api/auth/logout/", { refresh });
}

// fresh returns an access token that is valid for some time yet, or nothing if the reader logged out meanwhile. It throws if the
// session has ended.
export async function fresh() {
  if (Date.now() > session.ends - margin) {
    renewal ??= renew().finally(() => { renewal = null; }); // a refresh token works once
    await renewal;
  }
  return session?.access;
}

export function forget() {
  session = null;
  storage.forget();
}

// outdate makes the next request renew the access token.
export function outdate() { keepSession({ ...session, ends: 0 }); }

async function renew() {
  const { user, refresh } = session;
  try {
    const tokens = await post("/api/auth/token/refresh/", { refresh });
    if (session?.refresh === refresh) keep(user, tokens); // otherwise it was forgotten meanwhile
  } catch (error) {
    if (error.status === 401) forget();
    throw error;
  }
}

function keep(user, { access, refresh }) {
  const claims = JSON.parse(atob(access.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  // from now on, because the clock of this computer may be wrong
  const ends = Date.now() + (claims.exp - claims.iat) * 1000;
  keepSession({ user, access, refresh, ends });
}

function keepSession(next) {
  session = next;
  storage.keep(next);
}

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  }).catch(() => { throw new Refusal("The server cannot be reached. Try again later."); });
  const text = await response.text();
  if (response.ok) return text && JSON.parse(text);
  const answer = parsed(text);
  const detail = String(answer.detail || "the request failed");
  throw new Refusal(detail[0].toUpperCase() + detail.slice(1) + "." + wait(response), answer);
}

// parsed returns the problem, or nothing of the answer of a proxy.
function parsed(text) {
  try { return JSON.parse(text) ?? {}; } catch { return {}; }
}

function wait(response) {
  const seconds = Number(response.headers.get("Retry-After"));
  if (!seconds) return "";
  return seconds < 120 ? ` Try again in ${seconds} seconds.` : ` Try again in ${Math.ceil(seconds / 60)} minutes.`;
}
