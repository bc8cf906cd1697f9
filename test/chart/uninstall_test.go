package chart

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
)

// uninstall plays the part of the cluster, which runs the Job of the hook: it runs the program with the arguments of the
// container and the rights of the service account, while a pod of the controller is still there.
func (r released) uninstall() {
	r.t.Helper()
	helm := make(chan error, 1)
	go func() {
		output, err := tool(r.t, r.tool, "uninstall", release, "--kubeconfig", r.kubeconfig, "--namespace", r.namespace)
		if err != nil {
			err = fmt.Errorf("%w: %s", err, output)
		}
		helm <- err
	}()
	job := r.awaitHook()
	pod := r.startController()
	stopped := make(chan error, 1)
	go func() { stopped <- r.endController(pod) }()
	spec := job.Spec.Template.Spec
	kubeconfig := r.impersonating("system:serviceaccount:" + r.namespace + ":" + spec.ServiceAccountName)
	program.RunWith(r.t, []string{"KUBECONFIG=" + kubeconfig}, spec.Containers[0].Args...)
	if err := <-stopped; err != nil {
		r.t.Error(err)
	}
	if r.hasFinalizer(r.t.Context()) {
		r.t.Error("the finalizer is left")
	}
	r.complete(job)
	if err := <-helm; err != nil {
		r.t.Fatalf("helm uninstall: %v", err)
	}
	if _, err := r.client.RbacV1().ClusterRoles().Get(r.t.Context(), r.namespace+"-"+job.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		r.t.Errorf("the rights of the Job are left: %v", err)
	}
}

// awaitHook waits for the Job that Helm creates before it deletes the release.
func (r released) awaitHook() (job *batchv1.Job) {
	r.t.Helper()
	testkit.Must(r.t, poll(r.t.Context(), func(ctx context.Context) (done bool, err error) {
		job, err = r.client.BatchV1().Jobs(r.namespace).Get(ctx, release+"-healthrecords-uninstall", metav1.GetOptions{})
		return err == nil, client.IgnoreNotFound(err)
	}))
	return job
}

// startController creates what a Deployment controller would: a pod with the labels of the Deployment.
func (r released) startController() *corev1.Pod {
	r.t.Helper()
	deployment := testkit.Value(r.client.AppsV1().Deployments(r.namespace).Get(r.t.Context(), release+"-healthrecords-controller", metav1.GetOptions{}))(r.t)
	return testkit.Value(r.client.CoreV1().Pods(r.namespace).Create(r.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "controller", Labels: deployment.Spec.Template.Labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "controller", Image: "healthrecords"}}},
	}, metav1.CreateOptions{}))(r.t)
}

// endController deletes the pod once the Deployment is scaled to zero. Until then the finalizer must stay.
func (r released) endController(pod *corev1.Pod) error {
	err := poll(r.t.Context(), func(ctx context.Context) (bool, error) {
		deployment, err := r.client.AppsV1().Deployments(r.namespace).Get(ctx, release+"-healthrecords-controller", metav1.GetOptions{})
		return err == nil && *deployment.Spec.Replicas == 0, err
	})
	if err != nil {
		return fmt.Errorf("the controller is not stopped: %w", err)
	}
	if !r.hasFinalizer(r.t.Context()) {
		return errors.New("the finalizer is removed while a pod of the controller runs")
	}
	err = r.client.CoreV1().Pods(r.namespace).Delete(r.t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)})
	if err != nil {
		return fmt.Errorf("deleting the pod: %w", err)
	}
	return nil
}

func (r released) complete(job *batchv1.Job) {
	r.t.Helper()
	now := new(metav1.Now())
	job.Status = batchv1.JobStatus{Succeeded: 1, StartTime: now, CompletionTime: now, UncountedTerminatedPods: &batchv1.UncountedTerminatedPods{}}
	for _, condition := range []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete} {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: *now})
	}
	testkit.Value(r.client.BatchV1().Jobs(r.namespace).UpdateStatus(r.t.Context(), job, metav1.UpdateOptions{}))(r.t)
}

func (r released) hasFinalizer(ctx context.Context) bool {
	o, err := r.assignments().Get(ctx, "primary-care", metav1.GetOptions{})
	return err == nil && slices.Contains(o.GetFinalizers(), v1alpha1.Finalizer)
}

// impersonating writes a kubeconfig whose user acts as another one, and returns its path.
func (r released) impersonating(user string) string {
	r.t.Helper()
	config := testkit.Value(clientcmd.LoadFromFile(r.kubeconfig))(r.t)
	for _, info := range config.AuthInfos {
		info.Impersonate = user
	}
	path := filepath.Join(r.t.TempDir(), "kubeconfig")
	testkit.Must(r.t, clientcmd.WriteToFile(*config, path))
	return path
}

func poll(ctx context.Context, condition wait.ConditionWithContextFunc) error {
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, condition)
}
