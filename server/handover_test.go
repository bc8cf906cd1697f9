package server_test

import (
	"flag"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

var handovers = flag.Int("handovers", 5, "how often TestAHandoverLeavesNoGap hands an assignment over in each way")

// handover is a doctor's access to a patient, which REST and objects hand over to each other.
type handover struct {
	*world
	db                     *testkit.Factory
	declarations           *service.Declarations
	admin, patient, doctor person
	callers                map[clinic.Role]clinic.Caller // for new tokens: a run may take longer than one is valid
	assignment             int64
	term                   int64
	objects                int // that have been made
}

func newHandover(t *testing.T) *handover {
	t.Helper()
	database := testkit.NewDatabase(t, rights.Migrate)
	h := &handover{world: newWorldOn(t, database), db: testkit.NewFactory(t, database)}
	h.declarations = service.NewDeclarations(rights.OpenAs(t, database, schema.PartController, store.Options{}))
	h.term = testkit.Value(h.declarations.NewTerm(t.Context()))(t)
	h.admin = h.world.admin()
	h.patient, h.doctor = h.world.patient("patient"), h.world.doctor(h.admin, "doctor")
	h.assignment = h.assign(h.admin, h.patient, h.doctor)
	h.callers = map[clinic.Role]clinic.Caller{
		clinic.RoleAdmin:  h.db.LoggedIn(clinic.User{ID: h.admin.userID, Role: clinic.RoleAdmin}),
		clinic.RoleDoctor: h.db.LoggedIn(clinic.User{ID: h.doctor.userID, Role: clinic.RoleDoctor}),
	}
	return h
}

func (h *handover) newToken(role clinic.Role) string {
	return testkit.Value(h.parts.Tokens.Issue(h.callers[role]))(h.t)
}

// declare makes a new object that names the pair, and returns its owner.
func (h *handover) declare(adopt bool) clinic.Owner {
	h.t.Helper()
	h.objects++
	owner := clinic.Owner{UID: fmt.Sprint("uid-", h.objects), Term: h.term}
	testkit.Value(h.declarations.Declare(h.t.Context(), clinic.Declaration{
		Owner: owner, Generation: 1, Name: fmt.Sprint("clinic/object-", h.objects), Requester: "jane", Adopt: adopt,
		Doctors: []string{h.doctor.username}, Patients: []string{h.patient.username},
	}))(h.t)
	return owner
}

// end ends the claim of REST, beside those of objects.
func (h *handover) end() {
	h.t.Helper()
	h.want(http.StatusOK, call{method: remove, path: fmt.Sprintf("/api/assignments/%d/", h.assignment), token: h.admin.token})
}

func (h *handover) release(owner clinic.Owner) {
	h.t.Helper()
	if ended := testkit.Value(h.declarations.Release(h.t.Context(), owner))(h.t); ended != 0 {
		h.t.Errorf("releasing an object ended %d assignments that others claim", ended)
	}
}

func (h *handover) retain(owner clinic.Owner) {
	h.t.Helper()
	testkit.Must(h.t, h.declarations.Retain(h.t.Context(), owner))
}

// TestAHandoverLeavesNoGap: a doctor reads a record without pause while their assignment goes from REST to objects, from one
// object to another, and back, in every way that there is. No answer is 404; it stays one assignment, with one event.
// make security prints the figures of a long run.
func TestAHandoverLeavesNoGap(t *testing.T) {
	t.Parallel()
	h := newHandover(t)
	path := fmt.Sprintf("/api/health-records/%d/", h.record(h.patient))
	var reads, refused atomic.Int64
	var over atomic.Bool
	read := make(chan struct{}, 1) // after each read, unless nobody waits for it
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !over.Load() {
				if got := h.do(call{method: get, path: path, token: h.newToken(clinic.RoleDoctor)}); got.status != http.StatusOK {
					refused.Add(1)
				}
				reads.Add(1)
				select {
				case read <- struct{}{}:
				default:
				}
			}
		})
	}
	whileRead := func(step func()) { // and at least once afterwards
		step()
		for wanted := reads.Load() + 5; reads.Load() < wanted; { // four may have begun before
			<-read
		}
	}
	var a, b, c clinic.Owner
	for range *handovers {
		h.admin.token = h.newToken(clinic.RoleAdmin)
		for _, step := range []func(){
			func() { a = h.declare(false) }, h.end, func() { b = h.declare(false) }, func() { h.release(a) },
			func() { h.assign(h.admin, h.patient, h.doctor) }, func() { h.retain(b) }, // REST has a claim already
			func() { c = h.declare(true) }, func() { h.retain(c) }, // adopted from REST, and back
		} {
			whileRead(step)
		}
	}
	over.Store(true)
	readers.Wait()
	if n := refused.Load(); n > 0 {
		t.Errorf("%d of %d reads were refused", n, reads.Load())
	}
	db := testkit.NewFactory(t, h.database)
	if rows, events := db.Count(`SELECT count(*) FROM assignments`), db.Count(`SELECT count(*) FROM outbox WHERE type = 'assignment.created'`); rows != 1 || events != 1 {
		t.Errorf("%d assignments and %d events, want one of each", rows, events)
	}
	if t.Failed() {
		return
	}
	t.Logf("handover of claims: %d reads during %d changes, none refused", reads.Load(), 8*(*handovers))
}
