package controllers

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// patrolled makes one round of the patrol and returns the names of the objects that it found.
func (b *bundle) patrolled(t *testing.T) []string {
	t.Helper()
	p := &patrol{reconciler: b.reconciler, found: make(chan event.TypedGenericEvent[*v1alpha1.DoctorAssignment], 100)}
	if err := p.compare(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(p.found)
	names := []string{}
	for e := range p.found {
		names = append(names, e.Object.Name)
	}
	slices.Sort(names)
	return names
}

func TestPatrolFindsWhatOthersChanged(t *testing.T) {
	t.Parallel()
	lost := func(b *bundle) { b.clinic.end("doctor1", "patient1") }
	for name, c := range map[string]struct {
		options []func(*v1alpha1.DoctorAssignment)
		before  func(*bundle) // the first pass
		change  func(*bundle)
		found   bool
	}{
		"nothing":              {nil, nil, func(*bundle) {}, false},
		"a lost claim":         {nil, nil, lost, true},
		"a lost planned claim": {[]mutation{withPeriod(new(epoch().Add(time.Hour)), nil)}, nil, lost, true},
		"an end by force":      {nil, nil, func(b *bundle) { b.clinic.force("doctor1", "patient1") }, true},
		"another's claim":      {nil, nil, func(b *bundle) { b.clinic.claim("doctor1", "patient1") }, true},
		"a verification that was withdrawn": {nil, nil, func(b *bundle) {
			b.clinic.change(func() { b.clinic.doctors["doctor1"] = false })
		}, true},
		"an end without a pass": {[]mutation{withPeriod(nil, new(epoch().Add(time.Minute)))}, nil, func(b *bundle) { b.now = b.now.Add(time.Hour) }, true},
		"an older spec, after a restore": {nil, nil, func(b *bundle) {
			b.clinic.change(func() {
				older := b.clinic.declared["a-uid"]
				older.Generation = 0
				b.clinic.declared["a-uid"] = older
			})
		}, true},
		"a claim of a suspended object, after a restore": {[]mutation{withSuspend(true)}, nil, func(b *bundle) {
			b.clinic.change(func() { b.clinic.claims[pair{"doctor1", "patient1"}] = map[string]fakeClaim{"a-uid": {}} })
		}, true},
		"no declaration of a suspended object": {[]mutation{withSuspend(true)}, nil, func(b *bundle) {
			b.clinic.change(func() { clear(b.clinic.declared) })
		}, false},
		"an invalid spec":        {[]mutation{withPatients("doctor1")}, nil, lost, false},
		"a patient who is none":  {[]mutation{withPatients("patient1", "doctor2")}, nil, lost, true},
		"what waits in any case": {[]mutation{withPatients("patient1", "nobody")}, nil, func(*bundle) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, newObject("a", c.options...))
			b.expectPass(t, "a")
			c.change(b)
			if got := b.patrolled(t); (len(got) == 1) != c.found {
				t.Errorf("found are %v", got)
			}
			b.expectPass(t, "a")
			if got := b.patrolled(t); len(got) > 0 {
				t.Errorf("after a pass, found are %v", got)
			}
		})
	}
}

func TestPatrolFindsALiftedHold(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a", withPatients("patient1", "patient2")))
	b.expectPass(t, "a")
	b.clinic.force("doctor1", "patient1")
	b.clinic.force("doctor1", "patient2")
	da, _ := b.expectPass(t, "a")
	if da.Status.Claims != 0 || len(b.patrolled(t)) > 0 {
		t.Fatalf("a hold is taken for drift: %+v", da.Status)
	}
	for want := range 2 {
		b.clinic.lift("doctor1", []string{"patient1", "patient2"}[want])
		if got := b.patrolled(t); !slices.Equal(got, []string{"a"}) {
			t.Errorf("found are %v", got)
		}
		if da, _ = b.expectPass(t, "a"); int(da.Status.Claims) != want+1 {
			t.Errorf("status is %+v", da.Status)
		}
	}
	if got := testutil.ToFloat64(b.repairs); got != 0 {
		t.Errorf("%v lifted holds count as repairs", got)
	}
}

// TestPatrolWaitsForTheDoctorWhoIsReplaced: until the new doctor begins, the object has claims of two.
func TestPatrolWaitsForTheDoctorWhoIsReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a"))
	b.expectPass(t, "a")
	start := epoch().Add(time.Hour)
	b.edit(t, func(da *v1alpha1.DoctorAssignment) { withDoctor("doctor2")(da); withPeriod(&start, nil)(da) })
	b.expectPass(t, "a")
	if !b.clinic.assigned("doctor1", "patient1") || b.clinic.assigned("doctor2", "patient1") {
		t.Error("the handover came early")
	}
	if got := b.patrolled(t); len(got) > 0 {
		t.Errorf("found are %v", got)
	}
	b.now = start
	b.expectPass(t, "a")
	if b.clinic.assigned("doctor1", "patient1") || !b.clinic.assigned("doctor2", "patient1") {
		t.Error("the handover did not come")
	}
	if got := b.patrolled(t); len(got) > 0 {
		t.Errorf("found are %v", got)
	}
}

// TestPatrolLeavesWhatOnlyTimeOrPeopleCanChange expects no pass every 20 seconds while an object has claims of a replaced
// doctor or pairs with several kinds of problems.
func TestPatrolLeavesWhatOnlyTimeOrPeopleCanChange(t *testing.T) {
	t.Parallel()
	start := epoch().Add(time.Hour)
	for name, c := range map[string]struct {
		options []func(*v1alpha1.DoctorAssignment)
		force   bool
		edit    func(*v1alpha1.DoctorAssignment)
	}{
		"replaced, and a patient who is none": {
			options: []mutation{withPatients("patient1", "doctor3")},
			edit:    func(da *v1alpha1.DoctorAssignment) { withDoctor("doctor2")(da); withPeriod(&start, nil)(da) },
		},
		"held, and a patient who is unknown": {options: []mutation{withPatients("patient1", "patient2", "stranger")}, force: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, newObject("a", c.options...))
			b.clinic.doctors["doctor3"] = true
			b.expectPass(t, "a")
			if c.edit != nil {
				b.edit(t, c.edit)
			}
			if c.force {
				b.clinic.force("doctor1", "patient1")
			}
			da, after := b.expectPass(t, "a")
			if status, reason := condition(da, v1alpha1.StalledCondition); status != metav1.ConditionTrue || after == 0 {
				t.Fatalf("Stalled is %s because of %s, the next pass after %v", status, reason, after)
			}
			if got := b.patrolled(t); len(got) > 0 {
				t.Errorf("found are %v: %+v", got, da.Status)
			}
			if c.force {
				b.clinic.lift("doctor1", "patient1")
				if got := b.patrolled(t); len(got) == 0 {
					t.Error("the hold was lifted, which was not found")
				}
			}
		})
	}
}

func TestPatrolAsksOnceForAllObjects(t *testing.T) {
	t.Parallel()
	var objects []client.Object
	for _, name := range []string{"a", "b", "c", "unseen"} {
		objects = append(objects, newObject(name))
	}
	b := setup(t, objects...)
	for _, name := range []string{"a", "b", "c"} {
		b.expectPass(t, name)
	}
	calls := b.clinic.callCount()
	b.patrolled(t)
	if got := b.clinic.callCount() - calls; got != 1 {
		t.Errorf("a round made %d calls", got)
	}
}

// TestPatrolAsksAboutFewLargeTeamsAtOnce keeps one query from taking longer than Postgres grants it.
func TestPatrolAsksAboutFewLargeTeamsAtOnce(t *testing.T) {
	t.Parallel()
	objects := func(count int, pairs int32) (list []*v1alpha1.DoctorAssignment) {
		for range count {
			da := newObject("a")
			da.Status.Total = pairs
			list = append(list, da)
		}
		return list
	}
	for _, c := range []struct {
		count int
		pairs int32
		want  int
	}{{1, 250_000, 1}, {3, 250_000, 1}, {30, 10_000, 20}, {2500, 1, 1000}, {7, 1, 7}} {
		if got := nextBatch(objects(c.count, c.pairs)); got != c.want {
			t.Errorf("the first query about %d objects of %d pairs is about %d of them, want %d", c.count, c.pairs, got, c.want)
		}
	}
}

func TestReconcileCountsRepairs(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a", withPeriod(nil, new(epoch().Add(time.Hour)))))
	b.expectPass(t, "a")
	b.edit(t, withPatients("patient2"))
	b.expectPass(t, "a")
	if got := testutil.ToFloat64(b.repairs); got != 0 {
		t.Errorf("%v changes of the spec count as repairs", got)
	}
	b.drainEvents()
	b.clinic.end("doctor1", "patient2")
	b.expectPass(t, "a")
	if got := b.drainEvents(); !slices.Equal(got, []string{"Warning DriftRepaired", "Normal AssignmentsChanged"}) || testutil.ToFloat64(b.repairs) != 1 {
		t.Errorf("events are %v", got)
	}
	former := b.get(t, "a") // its status is that of a release that did not know claims
	former.Status.Doctor = ""
	if err := b.client.Status().Update(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	b.clinic.end("doctor1", "patient2")
	b.expectPass(t, "a")
	if got := testutil.ToFloat64(b.repairs); got != 1 {
		t.Errorf("an upgrade counts as a repair: %v", got)
	}
	b.now = b.now.Add(time.Hour)
	b.expectPass(t, "a")
	if got := testutil.ToFloat64(b.repairs); got != 1 {
		t.Errorf("the end counts as a repair: %v", got)
	}
}

// TestARevocationDoesNotWaitForThePatrol expects the deletion of c first, although a and b were enqueued before it.
func TestARevocationDoesNotWaitForThePatrol(t *testing.T) {
	t.Parallel()
	queue := priorityqueue.New[reconcile.Request](t.Name())
	t.Cleanup(queue.ShutDown)
	for _, name := range []string{"a", "b"} {
		enqueueFound(t.Context(), event.TypedGenericEvent[*v1alpha1.DoctorAssignment]{Object: newObject(name)}, queue)
	}
	queue.Add(reconcile.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: "c"}})
	if request, _ := queue.Get(); request.Name != "c" {
		t.Errorf("%s comes first", request.Name)
	}
}

func TestSweepForgetsOnlyWhatHasDisappeared(t *testing.T) {
	t.Parallel()
	fresh := newObject("again") // created again under another UID, and not seen yet
	b := setup(t, newObject("a"), fresh)
	b.expectPass(t, "a")
	declare := func(uid, name, cluster, patient string, retain bool) {
		t.Helper()
		_, err := b.Declarer.Declare(t.Context(), clinic.Declaration{
			Owner: clinic.Owner{UID: uid, Cluster: cluster}, Generation: 1, Name: name, Doctors: []string{"doctor1"}, Patients: []string{patient}, Retain: retain,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	declare("gone", "default/gone", "a-cluster", "patient1", false)
	declare("retained", "default/retained", "a-cluster", "patient2", true)
	declare("before", "default/again", "a-cluster", "patient3", false)
	declare("elsewhere", "default/gone", "another-cluster", "patient1", false)
	s := &sweep{reconciler: b.reconciler}
	check := func(before bool) {
		t.Helper()
		if err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b.clinic.claimed("gone", "doctor1", "patient1") || b.clinic.claimed("retained", "doctor1", "patient2") {
			t.Error("claims of objects that have disappeared are still there")
		}
		if !b.clinic.claimed("", "doctor1", "patient2") {
			t.Error("a claim was not retained")
		}
		if !b.clinic.claimed("a-uid", "doctor1", "patient1") || !b.clinic.claimed("elsewhere", "doctor1", "patient1") {
			t.Error("claims of an object that is there, or in another cluster, ended")
		}
		if got := b.clinic.claimed("before", "doctor1", "patient3"); got != before {
			t.Errorf("the claim of the object that was created again: %v", got)
		}
	}
	check(true)
	b.expectPass(t, "again")
	check(false)
}

func TestSweepEndsNothingIfItDoesNotSeeTheObjects(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.carryOut(t.Context(), newObject("a")); err != nil {
		t.Fatal(err)
	}
	b.live = blind{b.api}
	if err := (&sweep{reconciler: b.reconciler}).sweep(t.Context()); err == nil {
		t.Error("a missing custom resource is no failure")
	}
	if !b.clinic.claimed("a-uid", "doctor1", "patient1") {
		t.Error("the claim ended")
	}
	b.clinic.fault = clinic.Unavailable(errors.New("connection refused"))
	if err := (&sweep{reconciler: b.reconciler}).sweep(t.Context()); clinic.CodeOf(err) != clinic.CodeUnavailable {
		t.Errorf("sweep: %v", err)
	}
}
