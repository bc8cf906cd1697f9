// An application on the generated client. Each scenario registers a patient of its own, and throws if the API does not do what
// the document promises.
import * as api from "./client.js";

declare const process: { argv: string[] }; // of Node.js

function check(ok: boolean, what: string): asserts ok {
  if (!ok) throw new Error(what);
}

// want returns the body of an answer with the status, in the type that the document has for this status.
function want<A extends { status: number; data: unknown }, S extends A["status"]>(status: S, answer: A): Extract<A, { status: S }> {
  check(answer.status === status, `${answer.status} in place of ${status}: ${JSON.stringify(answer.data)}`);
  return answer as Extract<A, { status: S }>;
}

const password = "securepass123";

// enter registers a patient, logs them in, and returns the header of their requests.
async function enter(username: string): Promise<{ Authorization: string }> {
  const person = { username, password, password_confirm: password, user_type: "PATIENT", first_name: "John", last_name: "Doe" } as const;
  want(201, await api.register({ ...person, email: `${username}@example.com`, phone_number: "+1234567890", blood_type: "A+" }));
  const session = want(200, await api.login({ username, password })).data;
  return { Authorization: `Bearer ${session.access}` };
}

const visit: api.RecordInput = {
  record_type: "DIAGNOSIS", title: "Ear pain", visit_date: "2025-05-27T10:00:00Z",
  symptoms: "Pain in the left ear", diagnosis: "Otitis media", treatment: "Rest", medications: "Ibuprofen", description: "First visit",
};

async function recordsAndErrors(): Promise<void> {
  const headers = await enter("lister");
  for (const title of ["One", "Two", "Three"]) want(201, await api.createRecord({ ...visit, title }, { headers }));
  const page = want(200, await api.listRecords({ page_size: 2, record_type: "DIAGNOSIS" }, { headers })).data;
  check(page.count === 3 && page.results.length === 2 && page.next !== null, "the first of two pages");
  const missing = want(404, await api.getRecord(999999, undefined, { headers })).data;
  check(missing.code === "not_found" && missing.request_id !== "", "the problem of a missing record");
  const wrong = want(422, await api.createRecord({ ...visit, title: "" }, { headers })).data;
  check(wrong.code === "invalid" && wrong.errors?.[0]?.field === "title", "the problem names the field");
  check(want(401, await api.login({ username: "lister", password: "wrong" })).data.code === "bad_credentials", "a wrong password");
}

async function writeProfileBack(): Promise<void> {
  const headers = await enter("profiled");
  const read = want(200, await api.getProfile({ headers }));
  const etag = read.headers.get("ETag");
  check(etag !== null, "a profile has an ETag");
  const changed = { ...read.data, phone_number: "+1987654321" };
  const written = want(200, await api.replaceProfile(changed, { headers: { ...headers, "If-Match": etag } }));
  check(JSON.stringify(written.data) === JSON.stringify(changed), "only the phone number changes");
  const again = want(200, await api.getProfile({ headers }));
  check(JSON.stringify(again.data) === JSON.stringify(changed), "the change is kept");
  want(412, await api.replaceProfile(changed, { headers: { ...headers, "If-Match": etag } }));
}

async function writeRecordBack(): Promise<void> {
  const headers = await enter("recorded");
  const { id } = want(201, await api.createRecord(visit, { headers })).data;
  const read = want(200, await api.getRecord(id, undefined, { headers }));
  const etag = read.headers.get("ETag");
  check(etag !== null, "a record has an ETag");
  const written = want(200, await api.replaceRecord(id, { ...read.data, title: "Ear infection" }, { headers: { ...headers, "If-Match": etag } }));
  const kept: unknown = { ...read.data, title: "Ear infection", updated_at: written.data.updated_at };
  check(JSON.stringify(written.data) === JSON.stringify(kept), "only the title changes, and no medical text");
  want(412, await api.replaceRecord(id, read.data, { headers: { ...headers, "If-Match": etag } }));
  const short = { record_type: read.data.record_type, title: "Ear", visit_date: read.data.visit_date };
  const partial = want(200, await api.replaceRecord(id, short, { headers })).data;
  check(partial.diagnosis === visit.diagnosis && partial.medications === visit.medications, "a text that is not sent stays");
}

const scenarios: Record<string, () => Promise<void>> = { recordsAndErrors, writeProfileBack, writeRecordBack };
const scenario = scenarios[process.argv[2] ?? ""];
check(scenario !== undefined, "no such scenario");
await scenario();
