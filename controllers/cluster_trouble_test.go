package controllers

import (
	"context"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

// storm changes the object in a loop until the returned function is called.
func (c *cluster) storm(t *testing.T, da *v1alpha1.DoctorAssignment, change func(*v1alpha1.DoctorAssignment, int)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended, base := make(chan struct{}), da.DeepCopy()
	go func() {
		defer close(ended)
		for i := 0; ctx.Err() == nil; i++ {
			changed := base.DeepCopy()
			change(changed, i)
			err := c.client.Patch(ctx, changed, client.MergeFrom(base))
			if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) && ctx.Err() == nil {
				t.Errorf("change %d: %v", i, err)
				return
			}
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(stop)
	return stop
}

func TestClusterWorksWhileSomebodyWritesTheObjectAllTheTime(t *testing.T) {
	t.Parallel()
	c := startCluster(t, often())
	da := c.create(t, "a")
	stop := c.storm(t, da, func(da *v1alpha1.DoctorAssignment, i int) { da.Labels = map[string]string{"storm": strconv.Itoa(i)} })
	c.expectReady(t, da)
	c.edit(t, da, withPatients("patient2"))
	c.expectReady(t, da)
	c.clinic.force("doctor1", "patient2")
	c.expect(t, da, v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.ReasonEndedByAdministrator)
	c.delete(t, da)
	c.expectGone(t, da)
	stop()
	c.expectClaim(t, da, "doctor1", "patient2", false)

	da = c.create(t, "b")
	stop = c.storm(t, da, func(da *v1alpha1.DoctorAssignment, i int) {
		withPatients("patient" + strconv.Itoa(i%3+1))(da)
		withSuspend(i%5 == 0)(da)
	})
	gomega.NewWithT(t).Eventually(func() int64 { // the controller keeps up
		if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(da), da); err != nil {
			t.Error(err)
		}
		return da.Status.ObservedGeneration
	}).WithTimeout(patience).Should(gomega.BeNumerically(">", 20))
	stop()
	testkit.Must(t, c.client.Get(t.Context(), client.ObjectKeyFromObject(da), da))
	c.edit(t, da, func(da *v1alpha1.DoctorAssignment) { withPatients("patient3")(da); withSuspend(false)(da) })
	c.expectReady(t, da)
	for patient, want := range map[string]bool{"patient1": false, "patient2": false, "patient3": true} {
		if got := c.clinic.assigned("doctor1", patient); got != want {
			t.Errorf("%s is assigned: %v", patient, got)
		}
	}
}

// TestClusterWithTwoControllersFollowsTheLater: no election keeps them apart.
func TestClusterWithTwoControllersFollowsTheLater(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	config, options := c.controllerConfig(t), often()
	options.Declarer = c.clinic
	for range 2 {
		startManager(t, config, ctrl.Options{Cache: cacheOf(c.namespace)}, options)
	}
	objects := []*v1alpha1.DoctorAssignment{c.create(t, "a"), c.create(t, "b", withTeam("doctor1", "doctor2"))}
	for i := range 12 {
		for _, da := range objects {
			c.edit(t, da, withPatients("patient"+strconv.Itoa(i%3+1)))
		}
	}
	for _, da := range objects {
		c.expectReady(t, da)
		c.expectClaim(t, da, "doctor1", "patient3", true)
		c.expectClaim(t, da, "doctor1", "patient2", false)
	}
	for _, da := range objects {
		c.delete(t, da)
		c.expectGone(t, da)
	}
	if c.clinic.assigned("doctor1", "patient3") {
		t.Error("a claim stayed")
	}
}

func TestClusterReplacesTheStatusOfTheFormerRelease(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	da := c.create(t, "a", withPatients("patient1", "stranger"))
	before := da.DeepCopy()
	now := metav1.Now()
	da.Status = v1alpha1.DoctorAssignmentStatus{
		ObservedGeneration: 1, Assigned: 7, Total: 8, Problems: []v1alpha1.AssignmentProblem{{Patient: "patient1", Reason: "PatientNotFound"}},
		Conditions: []metav1.Condition{
			{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionFalse, Reason: "Expired", LastTransitionTime: now},
			{Type: v1alpha1.ReconcilingCondition, Status: metav1.ConditionFalse, Reason: "AsExpected", LastTransitionTime: now},
			{Type: v1alpha1.StalledCondition, Status: metav1.ConditionTrue, Reason: "Expired", LastTransitionTime: now},
		},
	}
	testkit.Must(t, c.client.Status().Patch(t.Context(), da, client.MergeFrom(before), client.FieldOwner("healthrecords")))
	c.clinic.patients["stranger"] = true
	options := rarely()
	options.Declarer = c.clinic
	c.startController(t, options)
	c.expectReady(t, da)
	if s := da.Status; s.Assigned != 2 || s.Total != 2 || len(s.Problems) > 0 {
		t.Errorf("status is %+v", s)
	}
}

// TestClusterDeletesInANamespaceThatIsDeleted: nobody may create events there anymore.
func TestClusterDeletesInANamespaceThatIsDeleted(t *testing.T) {
	t.Parallel()
	c := startCluster(t, often())
	da := c.create(t, "a")
	c.expectReady(t, da)
	testkit.Must(t, c.client.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.namespace}}))
	c.delete(t, da) // as the namespace controller does
	c.expectGone(t, da)
	c.expectClaim(t, da, "doctor1", "patient1", false)
}

// ownCluster starts an API server for one test, with the custom resource, and returns a function that restarts it.
func ownCluster(t *testing.T) (c *cluster, kubeconfig string, restart func()) {
	t.Helper()
	binaries, err := services.ControlPlaneBinaries(testkit.Root(t))
	testkit.Must(t, err)
	options := services.ControlPlaneOptions{Binaries: binaries, Dir: t.TempDir(), Port: testkit.Value(services.FreePort(t.Context()))(t)}
	control, err := services.StartControlPlane(t.Context(), options)
	testkit.Must(t, err)
	t.Cleanup(func() {
		control.Processes()[1].Kill()
		testkit.Must(t, control.Stop(context.WithoutCancel(t.Context())))
	})
	testkit.Must(t, control.InstallCRDs(filepath.Join(testkit.Root(t), "config/crd/bases")))
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	testkit.Must(t, control.WriteKubeconfig(kubeconfig))
	admin, err := client.NewWithWatch(control.Config(), client.Options{Scheme: clusterScheme(t)})
	testkit.Must(t, err)
	c = &cluster{client: admin, namespace: "default", clinic: newFakeClinic()}
	return c, kubeconfig, func() {
		t.Helper()
		control.Processes()[1].Kill() // the API server; asked to stop, it would wait for those who watch
		testkit.Must(t, control.Stop(t.Context()))
		control, err = services.StartControlPlane(t.Context(), options)
		testkit.Must(t, err)
	}
}

// startOn runs a controller that sees all namespaces of an own cluster.
func (c *cluster) startOn(t *testing.T, kubeconfig string) (stop func()) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	testkit.Must(t, err)
	options := often()
	options.Declarer, options.AllNamespaces = c.clinic, true
	return startManager(t, config, ctrl.Options{}, options)
}

func TestClusterSurvivesARestartOfTheAPIServer(t *testing.T) {
	t.Parallel()
	c, kubeconfig, restart := ownCluster(t)
	c.startOn(t, kubeconfig)
	kept, deleted := c.create(t, "kept"), c.create(t, "deleted", withPatients("patient2"))
	c.expectReady(t, kept)
	c.expectReady(t, deleted)
	c.delete(t, deleted)
	restart()
	gomega.NewWithT(t).Eventually(func() error {
		edited := kept.DeepCopy()
		withPatients("patient3")(edited)
		return c.client.Patch(t.Context(), edited, client.MergeFrom(kept))
	}).WithTimeout(patience).Should(gomega.Succeed())
	c.expectReady(t, kept)
	c.expectClaim(t, kept, "doctor1", "patient3", true)
	c.expectGone(t, deleted)
	c.expectClaim(t, deleted, "doctor1", "patient2", false)
}

// TestTheCustomResourceCanBeRemoved with and without a controller, and what a later controller makes of it.
func TestTheCustomResourceCanBeRemoved(t *testing.T) {
	t.Parallel()
	c, kubeconfig, _ := ownCluster(t)
	definition, crd := "crd/doctorassignments.healthrecords.io", filepath.Join(testkit.Root(t), "config/crd")
	stop := c.startOn(t, kubeconfig)
	da := c.create(t, "a")
	c.expectReady(t, da)
	kubectlOf(t, kubeconfig, "delete", definition, "--timeout=30s")
	c.expectClaim(t, da, "doctor1", "patient1", false)

	kubectlOf(t, kubeconfig, "apply", "--kustomize", crd)
	kubectlOf(t, kubeconfig, "wait", "--for=condition=Established", "--timeout=30s", definition)
	gomega.NewWithT(t).Eventually(func() error { // the API server serves it a moment later
		da = newObject("b")
		da.ObjectMeta = metav1.ObjectMeta{Namespace: c.namespace, Name: "b"}
		return c.client.Create(t.Context(), da)
	}).WithTimeout(patience).Should(gomega.Succeed())
	c.expectReady(t, da) // the controller that was there before finds it again
	retained := c.create(t, "c", withPatients("patient2"), withRetain)
	c.expectReady(t, retained)
	stop()

	kubectlOf(t, kubeconfig, "delete", definition, "--wait=false")
	removed, err := RemoveFinalizers(t.Context(), c.client, "")
	if err != nil || removed != 2 {
		t.Errorf("RemoveFinalizers: %d, %v", removed, err)
	}
	kubectlOf(t, kubeconfig, "wait", "--for=delete", definition, "--timeout=30s")
	if removed, err = RemoveFinalizers(t.Context(), c.client, ""); err != nil || removed != 0 {
		t.Errorf("without the custom resource, RemoveFinalizers: %d, %v", removed, err)
	}
	if !c.clinic.claimed(string(da.UID), "doctor1", "patient1") {
		t.Error("the claim ended without a controller")
	}

	kubectlOf(t, kubeconfig, "apply", "--kustomize", crd)
	kubectlOf(t, kubeconfig, "wait", "--for=condition=Established", "--timeout=30s", definition)
	c.startOn(t, kubeconfig)
	c.expectClaim(t, da, "doctor1", "patient1", false)
	c.expectClaim(t, retained, "doctor1", "patient2", false)
	if !c.clinic.claimed("", "doctor1", "patient2") {
		t.Error("the claim was not retained")
	}
}

// TestClusterTakesOverForAnObjectThatIsCreatedAgain without a moment in which nobody claims the pair.
func TestClusterTakesOverForAnObjectThatIsCreatedAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	options := often()
	options.Declarer, options.AllNamespaces, options.Cluster = c.clinic, true, c.namespace
	stop := startManager(t, c.controllerConfig(t), ctrl.Options{Cache: cacheOf(c.namespace)}, options)
	before := c.create(t, "a")
	c.expectReady(t, before)
	stop()
	c.edit(t, before, func(da *v1alpha1.DoctorAssignment) { da.Finalizers = nil })
	c.delete(t, before)
	c.expectGone(t, before)
	after := c.create(t, "a")

	uid := string(after.UID) // expectReady below reads the object again
	gap := make(chan struct{}, 1)
	options.Declarer = releasing{c.clinic, func() {
		if !c.clinic.claimed(uid, "doctor1", "patient1") {
			gap <- struct{}{}
		}
	}}
	startManager(t, c.controllerConfig(t), ctrl.Options{Cache: cacheOf(c.namespace)}, options)
	c.expectReady(t, after)
	c.expectClaim(t, before, "doctor1", "patient1", false)
	select {
	case <-gap:
		t.Error("the claim of the object before ended first")
	default:
	}
}
