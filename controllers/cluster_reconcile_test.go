package controllers

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// rarely disables the periodic passes, so that only events cause passes.
func rarely() Options {
	return Options{ResyncInterval: time.Hour, SweepInterval: time.Hour, RetryInterval: time.Hour}
}

// often repeats passes quickly, so that tests need not wait.
func often() Options {
	return Options{ResyncInterval: 100 * time.Millisecond, SweepInterval: 100 * time.Millisecond, RetryInterval: 50 * time.Millisecond}
}

func TestClusterAssignsAndReleases(t *testing.T) {
	t.Parallel()
	c := startCluster(t, rarely())
	da := c.create(t, "a", withPatients("patient1", "patient2"))
	c.expectReady(t, da)
	if s := da.Status; s.Assigned != 2 || s.Total != 2 || s.ObservedGeneration != 1 {
		t.Errorf("status is %+v", s)
	}

	c.edit(t, da, withPatients("patient2", "patient3"))
	c.expectReady(t, da)
	c.expectClaim(t, da, "doctor1", "patient1", false)
	c.expectClaim(t, da, "doctor1", "patient3", true)
	c.edit(t, da, withDoctor("doctor2"))
	c.expectReady(t, da)
	c.expectClaim(t, da, "doctor1", "patient2", false)
	c.expectClaim(t, da, "doctor2", "patient2", true)
	if da.Status.ObservedGeneration != 3 {
		t.Errorf("observedGeneration is %d", da.Status.ObservedGeneration)
	}

	c.delete(t, da)
	c.expectGone(t, da)
	c.expectClaim(t, da, "doctor2", "patient2", false)
	c.expectEvents(t, "Assigned", "AssignmentsChanged")
}

// expectEvents waits until the namespace has an event of each reason.
func (c *cluster) expectEvents(t *testing.T, reasons ...string) {
	t.Helper()
	gomega.NewWithT(t).Eventually(func(g gomega.Gomega) {
		var list eventsv1.EventList
		g.Expect(c.client.List(t.Context(), &list, client.InNamespace(c.namespace))).To(gomega.Succeed())
		got := []string{}
		for i := range list.Items {
			got = append(got, list.Items[i].Reason)
		}
		g.Expect(got).To(gomega.ContainElements(reasons))
	}).WithTimeout(patience).Should(gomega.Succeed())
}

func TestClusterRetains(t *testing.T) {
	t.Parallel()
	c := startCluster(t, rarely())
	da := c.create(t, "a", withRetain)
	c.expectReady(t, da)
	c.delete(t, da)
	c.expectGone(t, da)
	if !c.clinic.claimed("", "doctor1", "patient1") || c.clinic.claimed(string(da.UID), "doctor1", "patient1") {
		t.Error("the claim did not become one of REST")
	}
	c.expectEvents(t, "AssignmentsRetained")
}

func TestClusterKeepsAPairThatAnotherObjectClaims(t *testing.T) {
	t.Parallel()
	for name, free := range map[string]func(*testing.T, *cluster, *v1alpha1.DoctorAssignment){
		"deleted": func(t *testing.T, c *cluster, da *v1alpha1.DoctorAssignment) { t.Helper(); c.delete(t, da) },
		"another patient": func(t *testing.T, c *cluster, da *v1alpha1.DoctorAssignment) {
			t.Helper()
			c.edit(t, da, withPatients("patient2"))
		},
		"another doctor": func(t *testing.T, c *cluster, da *v1alpha1.DoctorAssignment) {
			t.Helper()
			c.edit(t, da, withDoctor("doctor2"))
		},
		"suspended": func(t *testing.T, c *cluster, da *v1alpha1.DoctorAssignment) {
			t.Helper()
			c.edit(t, da, withSuspend(true))
		},
		"ended": func(t *testing.T, c *cluster, da *v1alpha1.DoctorAssignment) {
			t.Helper()
			c.edit(t, da, withPeriod(nil, new(c.clock.Now().Add(-time.Minute))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, often())
			first := c.create(t, "first")
			c.expectReady(t, first)
			second := c.create(t, "second")
			c.expectReady(t, second)
			if second.Status.Shared != 1 || second.Status.Claims != 1 {
				t.Errorf("status is %+v", second.Status)
			}

			free(t, c, first)
			c.expectClaim(t, first, "doctor1", "patient1", false)
			if !c.clinic.assigned("doctor1", "patient1") {
				t.Error("the pair is not assigned any longer")
			}
			gomega.NewWithT(t).Eventually(func(g gomega.Gomega) { // the patrol notices that the other claim is gone
				g.Expect(c.client.Get(t.Context(), client.ObjectKeyFromObject(second), second)).To(gomega.Succeed())
				g.Expect(second.Status.Shared).To(gomega.BeZero())
			}).WithTimeout(patience).Should(gomega.Succeed())
			c.expectReady(t, second)
		})
	}
}

func TestClusterRepairsDrift(t *testing.T) {
	t.Parallel()
	c := startCluster(t, often())
	da := c.create(t, "a")
	c.expectReady(t, da)
	c.clinic.end("doctor1", "patient1")
	c.expectClaim(t, da, "doctor1", "patient1", true)
	c.expectEvents(t, "DriftRepaired")
}

func TestClusterWaitsForWhoIsUnknown(t *testing.T) {
	t.Parallel()
	c := startCluster(t, often())
	da := c.create(t, "a", withDoctor("newcomer"), withPatients("patient1", "unborn"))

	c.expect(t, da, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonDoctorNotFound)
	c.expect(t, da, v1alpha1.ReconcilingCondition, metav1.ConditionTrue, v1alpha1.ReasonDoctorNotFound)
	c.clinic.change(func() { c.clinic.doctors["newcomer"] = false })
	c.expect(t, da, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonDoctorNotVerified)
	c.clinic.change(func() { c.clinic.doctors["newcomer"] = true })
	c.expect(t, da, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonPairsNotAssigned)
	want := v1alpha1.AssignmentProblem{Patient: "unborn", Reason: string(clinic.PatientNotFound)}
	if got := da.Status.Problems; da.Status.Assigned != 1 || len(got) != 1 || got[0] != want {
		t.Errorf("status is %+v", da.Status)
	}
	c.clinic.change(func() { c.clinic.patients["unborn"] = true })
	c.expectReady(t, da)
	if da.Status.Assigned != 2 || len(da.Status.Problems) != 0 {
		t.Errorf("status is %+v", da.Status)
	}
	c.expectEvents(t, "DoctorNotFound", "DoctorNotVerified", "PairsNotAssigned", "Assigned")
}

func TestClusterFollowsThePeriod(t *testing.T) {
	t.Parallel()
	c := startCluster(t, often())
	start := c.clock.Now().Truncate(time.Second).Add(time.Hour)
	da := c.create(t, "a", withPeriod(&start, new(start.Add(time.Hour))))

	c.expect(t, da, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonScheduled)
	c.expect(t, da, v1alpha1.ReconcilingCondition, metav1.ConditionTrue, v1alpha1.ReasonScheduled)
	c.clock.Advance(time.Hour)
	c.expectReady(t, da)
	c.clock.Advance(time.Hour)
	c.expect(t, da, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonEnded)
	c.expectClaim(t, da, "doctor1", "patient1", false)
	c.edit(t, da, withPeriod(nil, new(start.Add(24*time.Hour))))
	c.expectReady(t, da)
}

func TestClusterSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	c := startCluster(t, often())
	kept, deleted := c.create(t, "kept"), c.create(t, "deleted", withPatients("patient2"))
	c.expectReady(t, kept)
	c.expectReady(t, deleted)

	c.clinic.change(func() { c.clinic.fault = clinic.Unavailable(errors.New("connection refused")) })
	c.delete(t, deleted)
	for _, da := range []*v1alpha1.DoctorAssignment{kept, deleted} {
		c.expect(t, da, v1alpha1.ReadyCondition, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable)
		c.expect(t, da, v1alpha1.ReconcilingCondition, metav1.ConditionTrue, v1alpha1.ReasonUnavailable)
	}
	c.expectClaim(t, deleted, "doctor1", "patient2", true)

	c.clinic.change(func() { c.clinic.fault = nil })
	c.expectGone(t, deleted)
	c.expectClaim(t, deleted, "doctor1", "patient2", false)
	c.expectReady(t, kept)
}

func TestClusterStallsOnWhatTheClinicRefuses(t *testing.T) {
	t.Parallel()
	c := startCluster(t, often())
	c.clinic.fault = clinic.Invalid("reason", "control characters are not allowed")
	da := c.create(t, "a")
	c.expect(t, da, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonInvalid)
	c.expect(t, da, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonInvalid)
	tries := c.clinic.declareCount()
	gomega.NewWithT(t).Consistently(c.clinic.declareCount).WithTimeout(10 * often().ResyncInterval).Should(gomega.Equal(tries))

	c.clinic.change(func() { c.clinic.fault = nil })
	c.edit(t, da, func(da *v1alpha1.DoctorAssignment) { da.Spec.Reason = "another" })
	c.expectReady(t, da)
}

func TestClusterWritesNothingWhenNothingChanged(t *testing.T) {
	t.Parallel()
	c := startCluster(t, often())
	objects := []*v1alpha1.DoctorAssignment{
		c.create(t, "ready"), c.create(t, "waiting", withDoctor("nobody")), c.create(t, "partly", withPatients("patient1", "z", "y")),
	}
	c.expectReady(t, objects[0])
	c.expect(t, objects[1], v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonDoctorNotFound)
	c.expect(t, objects[2], v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ReasonPairsNotAssigned)
	before := fmt.Sprint(c.versions(t, objects))
	calls := c.clinic.callCount()
	gomega.NewWithT(t).Eventually(c.clinic.callCount).WithTimeout(patience).Should(gomega.BeNumerically(">", calls+15))
	if after := fmt.Sprint(c.versions(t, objects)); after != before {
		t.Errorf("resource versions went from %s to %s", before, after)
	}
}

func (c *cluster) versions(t *testing.T, objects []*v1alpha1.DoctorAssignment) []string {
	t.Helper()
	versions := make([]string, 0, len(objects))
	for _, da := range objects {
		if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(da), da); err != nil {
			t.Fatal(err)
		}
		versions = append(versions, da.ResourceVersion)
	}
	return versions
}

func TestClusterTakesAndPassesTheLeadWithItsRights(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	config := c.controllerConfig(t)
	election := ctrl.Options{
		LeaderElection: true, LeaderElectionID: c.namespace, LeaderElectionNamespace: "healthrecords",
		LeaderElectionReleaseOnCancel: true, Cache: cacheOf(c.namespace),
	}
	options := rarely()
	options.Declarer = c.clinic
	stopFirst := startManager(t, config, election, options)
	da := c.create(t, "a")
	c.expectReady(t, da)

	startManager(t, config, election, options)
	stopFirst()
	c.edit(t, da, withPatients("patient2"))
	c.expectReady(t, da)
	c.expectClaim(t, da, "doctor1", "patient2", true)
}
