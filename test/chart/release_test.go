package chart

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

const crdName = "doctorassignments.healthrecords.io"

// TestRelease installs, upgrades, rolls back, uninstalls and installs again on a Kubernetes API server without nodes.
// Nothing runs: the test checks what the API server accepts, and which objects stay.
//
//nolint:tparallel // the Helms run in sequence, because they share one CustomResourceDefinition
func TestRelease(t *testing.T) {
	t.Parallel()
	for _, helm := range helms {
		t.Run(helm, func(t *testing.T) {
			r := newReleased(t, helm)
			r.helm("install", "--set", "networkPolicy.enabled=true", "--set", "server.autoscaling.enabled=true")
			secrets, job := r.secrets(), r.jobs()
			if len(secrets) != 6 || len(job) != 1 {
				t.Fatalf("there are %d secrets and the jobs %v", len(secrets), job)
			}
			r.makeAssignment()
			r.stamps()

			r.helm("upgrade", "--set", "image.tag=v2", "--set", "worker.replicas=3")
			r.same(secrets, "after the upgrade")
			if upgraded := r.jobs(); len(upgraded) != 1 || upgraded[0] == job[0] {
				t.Errorf("the upgrade left the jobs %v; before there was %v", upgraded, job)
			}
			r.helm("upgrade", "--set", "image.tag=v2", "--set", "worker.replicas=3") // no change
			r.run("rollback", release, "1")
			r.same(secrets, "after the rollback")
			if back := r.jobs(); !slices.Equal(back, job) {
				t.Errorf("the rollback left the jobs %v; before there was %v", back, job)
			}

			r.uninstall()
			r.same(secrets, "after the uninstallation")
			if left := r.workloads(); left != 0 {
				t.Errorf("%d Deployments are left", left)
			}
			r.helm("install")
			r.same(secrets, "after another installation")
			if _, err := r.assignments().Get(t.Context(), "primary-care", metav1.GetOptions{}); err != nil {
				t.Errorf("the DoctorAssignment is gone: %v", err)
			}

			r.helm("upgrade", "--set", "server.replicas=4")
			for _, want := range []int32{4, 4, 6, 6} { // before and after the autoscaler takes over, and after it has scaled
				if want == 6 {
					r.scale("server", want)
				}
				r.helm("upgrade", "--set", "server.replicas=4", "--set", "server.autoscaling.enabled=true")
				if n := r.replicas("server"); n != want {
					t.Errorf("an upgrade under an autoscaler leaves %d replicas of %d", n, want)
				}
			}
		})
	}
}

// released is a namespace of the API server with a release of one Helm.
type released struct {
	t          *testing.T
	tool       string
	kubeconfig string
	namespace  string
	client     kubernetes.Interface
	dynamic    dynamic.Interface
}

func newReleased(t *testing.T, helm string) released {
	t.Helper()
	config := testkit.ControlPlane(t)
	r := released{
		t: t, tool: helm, kubeconfig: testkit.Kubeconfig(t), namespace: "records-" + strings.TrimPrefix(helm, "helm@"),
		client: kubernetes.NewForConfigOrDie(config), dynamic: dynamic.NewForConfigOrDie(config),
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.namespace}}
	if _, err := r.client.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.removeCRD()
	return r
}

// removeCRD removes the CRD of the test kit, or of the previous release, and waits until it is gone.
func (r released) removeCRD() {
	r.t.Helper()
	crds := r.dynamic.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	err := wait.PollUntilContextTimeout(r.t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		err := crds.Delete(ctx, crdName, metav1.DeleteOptions{})
		return apierrors.IsNotFound(err), nil
	})
	if err != nil {
		r.t.Fatalf("removing the CustomResourceDefinition: %v", err)
	}
}

// helm installs or upgrades the chart.
func (r released) helm(action string, args ...string) {
	r.t.Helper()
	r.run(action, append([]string{release, chartDir}, args...)...)
}

func (r released) run(action string, args ...string) {
	r.t.Helper()
	args = append([]string{action, "--kubeconfig", r.kubeconfig, "--namespace", r.namespace}, args...)
	if output, err := tool(r.t, r.tool, args...); err != nil {
		r.t.Fatalf("helm %v: %v\n%s", args, err, output)
	}
}

// stamps waits until the API server replaces a forged requester, which begins a moment after the policy was installed.
func (r released) stamps() {
	r.t.Helper()
	forged := declared("forged")
	forged.SetAnnotations(map[string]string{"healthrecords.io/requested-by": "mallory"})
	err := wait.PollUntilContextTimeout(r.t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		made, err := r.assignments().Create(ctx, forged, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if apierrors.IsServiceUnavailable(err) { // for some seconds after the CustomResourceDefinition was created
			return false, nil
		}
		return err == nil && made.GetAnnotations()["healthrecords.io/requested-by"] != "mallory", err
	})
	if err != nil {
		r.t.Errorf("a forged requester stays: %v", err)
	}
}

// secrets returns the data of the chart's Secrets, by name.
func (r released) secrets() map[string]map[string][]byte {
	r.t.Helper()
	list, err := r.client.CoreV1().Secrets(r.namespace).List(r.t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=healthrecords"})
	if err != nil {
		r.t.Fatal(err)
	}
	secrets := map[string]map[string][]byte{}
	for _, secret := range list.Items {
		secrets[secret.Name] = secret.Data
	}
	return secrets
}

func (r released) same(want map[string]map[string][]byte, when string) {
	r.t.Helper()
	got := r.secrets()
	if !maps.EqualFunc(want, got, func(a, b map[string][]byte) bool { return cmp.Equal(a, b) }) {
		r.t.Errorf("%s the Secrets are not as they were", when)
	}
}

func (r released) jobs() (names []string) {
	r.t.Helper()
	list, err := r.client.BatchV1().Jobs(r.namespace).List(r.t.Context(), metav1.ListOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, job := range list.Items {
		if job.DeletionTimestamp == nil { // no garbage collector finishes a deletion
			names = append(names, job.Name)
		}
	}
	return names
}

func (r released) workloads() int {
	r.t.Helper()
	list, err := r.client.AppsV1().Deployments(r.namespace).List(r.t.Context(), metav1.ListOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	left := 0
	for _, deployment := range list.Items {
		if deployment.DeletionTimestamp == nil {
			left++
		}
	}
	return left
}

// scale sets the replicas as an autoscaler does.
func (r released) scale(part string, replicas int32) {
	r.t.Helper()
	deployments := r.client.AppsV1().Deployments(r.namespace)
	scale, err := deployments.GetScale(r.t.Context(), release+"-healthrecords-"+part, metav1.GetOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	scale.Spec.Replicas = replicas
	if _, err := deployments.UpdateScale(r.t.Context(), scale.Name, scale, metav1.UpdateOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func (r released) replicas(part string) int32 {
	r.t.Helper()
	deployment, err := r.client.AppsV1().Deployments(r.namespace).Get(r.t.Context(), release+"-healthrecords-"+part, metav1.GetOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	return *deployment.Spec.Replicas
}

func (r released) assignments() dynamic.ResourceInterface {
	return r.dynamic.Resource(schema.GroupVersionResource{Group: "healthrecords.io", Version: "v1alpha1", Resource: "doctorassignments"}).Namespace(r.namespace)
}

// makeAssignment declares an assignment as soon as the API server serves its kind.
func (r released) makeAssignment() {
	r.t.Helper()
	err := wait.PollUntilContextTimeout(r.t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		_, err := r.assignments().Create(ctx, declared("primary-care"), metav1.CreateOptions{})
		return err == nil, nil
	})
	if err != nil {
		r.t.Fatalf("the API server does not take a DoctorAssignment: %v", err)
	}
}

func declared(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: object{
		"apiVersion": "healthrecords.io/v1alpha1", "kind": "DoctorAssignment",
		"metadata": object{"name": name, "finalizers": []any{v1alpha1.Finalizer}}, // as the controller has seen it
		"spec":     object{"doctor": object{"username": "doctor1"}, "patients": []any{object{"username": "patient1"}}},
	}}
}
