package server_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/token"
)

var rounds = flag.Int("rounds", 0, "how often TestRaces sends each ordered pair of writes at the same time")

// write is a request that changes something in the scene. It has the path and the
// body of the operation's row in matrix, unless it has a body itself.
type write struct {
	operation string // the operation's id
	query     string // of its path
	as        string // the caller, one of the scene's people; "" means a stranger
	about     []thing
	body      any
	before    string // SQL that removes the effect of the request
	repeated  bool   // both requests of a pair have the same Idempotency-Key
}

// writes returns all operations that change something, as requests that succeed. An
// account of a doctor includes their profile, sessions and second factor; an
// assignment includes everything else that lets the doctor see the patient.
func writes() []write {
	const patient, doctor, admin = "patient", "assigned doctor", "administrator"
	account, access := []thing{user}, []thing{assigning}
	both := []thing{user, assigning}
	return []write{
		{operation: "createRecord", as: patient, about: []thing{record}},
		{operation: "replaceRecord", as: patient, about: []thing{record}},
		{operation: "changeRecord", as: patient, about: []thing{record}},
		{operation: "deleteRecord", as: patient, about: []thing{record, notice}},
		{operation: "restoreRecord", as: patient, about: []thing{record}, before: `UPDATE health_records SET title = 'Changed'`},
		{operation: "restoreRecord", as: patient, about: []thing{record}, before: `DELETE FROM health_records`},
		{operation: "markEnteredInError", as: patient, about: []thing{record}},
		{
			operation: "unmarkEnteredInError", as: patient, about: []thing{record},
			before: `UPDATE health_records SET record_type = 'ENTERED_IN_ERROR:CHECKUP', error_reason = 'mixed up'`,
		},
		{operation: "addComment", as: doctor, about: []thing{record, assigning}},
		{operation: "correctComment", as: doctor, about: []thing{record, assigning}},

		{operation: "assignDoctor", as: admin, about: access, body: sceneAssignment(), before: `UPDATE assignments SET ends_at = now()`},
		{operation: "assignDoctor", as: doctor, about: access},
		{operation: "endAssignment", as: admin, about: access},
		{operation: "endAssignment", as: admin, about: access, query: "?force=true", before: sceneDeclared()},
		{operation: "liftHold", as: admin, about: access, before: sceneHeld()},
		{operation: "breakGlass", as: doctor, about: both},
		{operation: "verifyDoctor", as: admin, about: both, before: `UPDATE doctor_profiles SET verified_at = NULL`},
		{operation: "verifyDoctor", as: admin, about: both, body: map[string]any{"is_verified": false}},
		{operation: "disableUser", as: admin, about: both},
		{operation: "enableUser", as: admin, about: both, before: `UPDATE users SET active = false WHERE role = 'DOCTOR'`},

		{operation: "placeLegalHold", as: admin, about: []thing{patientID}},
		{operation: "liftLegalHold", as: admin, about: []thing{patientID}, before: sceneHold()},
		{operation: "requestErasure", as: admin, about: []thing{patientID}},
		{operation: "withdrawErasure", as: admin, about: []thing{patientID}, before: sceneErasure()},
		{operation: "confirmErasure", as: admin, about: []thing{patientID, record, assigning, notice}, before: sceneErasure()},

		{operation: "register", about: account, body: newcomer()},
		{operation: "login", about: account, body: map[string]any{"username": "doctor", "password": password}},
		{operation: "refreshToken", about: account},
		{operation: "logout", as: doctor, about: account, body: none{}},
		{operation: "endSession", as: doctor, about: account},
		{operation: "changePassword", as: doctor, about: account},
		{operation: "issueResetCode", as: admin, about: account},
		{operation: "resetPassword", about: account, body: sceneReset(), before: fmt.Sprintf(`INSERT INTO reset_codes (user_id, code_hash, expires_at)
			VALUES (%d, '\x%x', now() + interval '1 day') ON CONFLICT DO NOTHING`, sceneDoctor+1, token.HashResetCode(sceneCode))},
		{operation: "enrolTOTP", as: doctor, about: account},
		{operation: "confirmTOTP", as: doctor, about: account, body: code{}},
		{operation: "disableTOTP", as: doctor, about: account},
		{operation: "replaceProfile", as: doctor, about: account},
		{operation: "changeProfile", as: doctor, about: account, body: map[string]any{"license_number": "ANOTHER"}},

		{operation: "readNotification", as: doctor, about: []thing{notice, assigning}},
		{operation: "readAllNotifications", as: doctor, about: []thing{notice}},
	}
}

func sceneAssignment() any {
	return map[string]any{"patient_id": scenePatient, "doctor_id": sceneDoctor, "reason": "primary care"}
}

// sceneDeclared makes an object claim the assignment, too.
func sceneDeclared() string {
	return fmt.Sprintf(`INSERT INTO declarations (uid, cluster, name, term, generation, retain) VALUES ('scene', '', 'clinic/scene', 1, 1, false)
			ON CONFLICT DO NOTHING;
		INSERT INTO assignment_claims (patient_id, doctor_id, source, owner, declared_by, starts_at)
			VALUES (%d, %d, 'kubernetes', 'scene', 'clinic/scene', now() - interval '2 hours') ON CONFLICT DO NOTHING`, scenePatient, sceneDoctor)
}

// sceneHeld is sceneDeclared after an administrator has ended the object's claim by force.
func sceneHeld() string {
	return sceneDeclared() + `; UPDATE assignment_claims SET ended_at = now(), held = 1 WHERE owner = 'scene'`
}

func sceneHold() string {
	return fmt.Sprintf(`INSERT INTO legal_holds (patient_id, reason) VALUES (%d, 'lawsuit') ON CONFLICT DO NOTHING`, scenePatient)
}

// sceneErasure makes an administrator request the erasure who is not the scene's.
func sceneErasure() string {
	return fmt.Sprintf(`INSERT INTO erasures (id, patient_id, reason, requested_by) OVERRIDING SYSTEM VALUE
		VALUES (%d, %d, 'asked for it', %d) ON CONFLICT DO NOTHING`, firstOfScene, scenePatient, sceneAdmin+1)
}

const sceneCode = "ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23"

func sceneReset() any {
	return map[string]any{"username": "doctor", "code": sceneCode, "new_password": "another horse", "new_password_confirm": "another horse"}
}

func newcomer() any {
	return map[string]any{"username": "newcomer", "password": password, "password_confirm": password, "user_type": "DOCTOR"}
}

// asNeither returns the pairs that may have another result than in either order,
// each with the reason.
func asNeither() map[string]string {
	return map[string]string{
		"disableUser and readNotification": "a doctor who was active when their request began is shown of the patient what they may see when it is read: nothing",
		"logout and logout":                "the session was there when both requests began: 204 twice, and it has ended",
		"changePassword and confirmTOTP":   "the password was checked with the factor that there was: 409, and the client asks again",
	}
}

// TestRaces sends each pair of writes about one object, while one of the two is held
// before each of its statements in turn, until the other has ended or waits for a
// lock of the first. The result, both answers and every row of the database, must
// equal the result of the two in sequence, in one of the orders.
//
// With -rounds, the two of each ordered pair also run at the same time, that
// often. make security prints the number of races.
func TestRaces(t *testing.T) {
	t.Parallel()
	var ordered, raced atomic.Int64
	t.Cleanup(func() { // after all pairs
		if !t.Failed() {
			t.Logf("races: %d ordered pairs of %d writes, raced %d times, all as one after the other", ordered.Load(), len(writes()), raced.Load())
		}
	})
	const scenes = 2
	free := make(chan *scene, scenes)
	for range scenes {
		free <- newScene(t)
	}
	for i, p := range allPairs(t) {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			s := <-free
			defer func() { free <- s }()
			s.race(t, p, rand.New(rand.NewPCG(0, uint64(i))))
			ordered.Add(int64(len(p.orders())))
			raced.Add(s.raced)
			s.raced = 0
		})
	}
}

// pair is two writes about one object.
type pair struct {
	writes [2]write
	same   bool // the second request is a repetition of the first
}

// String names the two in alphabetical order.
func (p pair) String() string {
	names := []string{p.writes[0].operation, p.writes[1].operation}
	if p.writes[0].repeated {
		return names[0] + " repeated"
	}
	slices.Sort(names)
	return strings.Join(names, " and ")
}

// orders returns both orders of the two.
func (p pair) orders() []int {
	if p.same {
		return []int{0}
	}
	return []int{0, 1}
}

// allPairs returns all pairs. It fails if an operation of the document changes
// something and is not in writes.
func allPairs(t *testing.T) []pair {
	t.Helper()
	var repeatable []string
	loadContract(t).each(func(_, method string, op *openapi3.Operation) {
		if method != http.MethodGet && op.OperationID != "searchRecords" && !slices.ContainsFunc(writes(), func(w write) bool { return w.operation == op.OperationID }) {
			t.Errorf("%s is not among the writes that race: add it to writes", op.OperationID)
		}
		if op.Parameters.GetByInAndName(openapi3.ParameterInHeader, "Idempotency-Key") != nil {
			repeatable = append(repeatable, op.OperationID)
		}
	})
	var pairs []pair
	for i, first := range writes() {
		for j, second := range writes()[i:] {
			if slices.ContainsFunc(first.about, func(about thing) bool { return slices.Contains(second.about, about) }) {
				pairs = append(pairs, pair{[2]write{first, second}, j == 0})
			}
		}
		if slices.Contains(repeatable, first.operation) {
			first.repeated = true
			pairs = append(pairs, pair{[2]write{first, first}, true})
		}
	}
	return pairs
}

// race runs the two with every schedule.
func (s *scene) race(t *testing.T, p pair, random *rand.Rand) {
	t.Helper()
	serial := []outcome{s.run(t, p, schedule{first: 0, hold: never}), s.run(t, p, schedule{first: 1, hold: never})}
	steps := serial[0].steps
	for _, first := range p.orders() {
		if status := serial[first].answers[first].status; p.writes[1-first].before == "" && status >= http.StatusBadRequest {
			t.Errorf("%s fails by itself: %d %s", p.writes[first].operation, status, serial[first].answers[first].body)
		}
		for hold := 1; hold < steps[first]; hold++ { // held before its first statement, it would be second
			s.compare(t, p, serial, s.run(t, p, schedule{first: first, hold: hold, until: never}))
		}
		for range *rounds {
			order := schedule{first: first, hold: random.IntN(steps[first]), until: random.IntN(steps[1-first] + 1)}
			s.compare(t, p, serial, s.run(t, p, order))
		}
	}
}

// compare fails if the outcome equals neither of those in sequence.
func (s *scene) compare(t *testing.T, p pair, serial []outcome, got outcome) {
	t.Helper()
	s.raced++
	if _, may := asNeither()[p.String()]; may || slices.ContainsFunc(serial, func(o outcome) bool { return o.String() == got.String() }) {
		return
	}
	t.Errorf("%s, %s held at its statement %d until the other came to %d: %s, as in neither order",
		p, p.writes[got.first].operation, got.hold, got.until, got.statuses())
	for _, o := range serial {
		t.Logf("%s first: %s (-in order +racing)\n%s", p.writes[o.first].operation, o.statuses(),
			cmp.Diff(strings.Split(o.String(), "\n"), strings.Split(got.String(), "\n")))
	}
}

// check fails for an answer that must never happen, and for one without its audit
// row.
func (s *scene) check(t *testing.T, w write, request *http.Request, got answer, decision string) {
	t.Helper()
	if s.contract.find(request).Operation.Responses.Status(got.status) == nil {
		t.Errorf("%s answered %d, which is not documented", w.operation, got.status)
	}
	var told struct {
		Status int    `json:"status"`
		Code   string `json:"code"`
	}
	switch {
	case got.status >= http.StatusInternalServerError:
		t.Errorf("%s answered %d: %s", w.operation, got.status, got.body)
	case got.status >= http.StatusBadRequest && (json.Unmarshal(got.body, &told) != nil || told.Status != got.status || told.Code == "" || s.leaks.Match(got.body)):
		t.Errorf("%s answered %d with no problem document, or one that tells too much: %s", w.operation, got.status, got.body)
	}
	want := map[int]string{
		http.StatusOK: "allowed", http.StatusCreated: "allowed", http.StatusNoContent: "allowed", http.StatusForbidden: "forbidden",
		http.StatusNotFound: "not_found", http.StatusConflict: "conflict", http.StatusGone: "gone", http.StatusUnprocessableEntity: "invalid",
	}[got.status]
	if len(routes()[w.operation].Audited) == 0 {
		want = ""
	}
	if decision != want {
		t.Errorf("%s answered %d, and its audit rows say %q, want %q", w.operation, got.status, decision, want)
	}
}

// outcome is the result of two writes.
type outcome struct {
	schedule
	steps   [2]int // statements of each
	answers [2]answer
	state   string
}

// String returns the part that must be the same as in one of the two orders. It omits
// the reason of a refusal, which may depend on the progress of the other write.
func (o outcome) String() string {
	return fmt.Sprintf("taken: %t %t\n%s", o.answers[0].status < http.StatusBadRequest, o.answers[1].status < http.StatusBadRequest, o.state)
}

func (o outcome) statuses() string {
	return fmt.Sprintf("answered %d and %d", o.answers[o.first].status, o.answers[1-o.first].status)
}
