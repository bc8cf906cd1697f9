package controllers

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// StopDeployment scales a Deployment to zero and returns once none of its pods can run. If the Deployment does not exist, there
// is nothing to stop. The client's scheme knows apps/v1, autoscaling/v1 and v1.
func StopDeployment(ctx context.Context, c client.Client, name client.ObjectKey) (exists bool, err error) {
	deployment := &appsv1.Deployment{}
	if err := c.Get(ctx, name, deployment); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
	if err != nil {
		return true, fmt.Errorf("reading the selector of the Deployment: %w", err)
	}
	zero := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":0}}`))
	if err := c.SubResource("scale").Patch(ctx, deployment, zero, client.WithSubResourceBody(&autoscalingv1.Scale{})); err != nil {
		return true, fmt.Errorf("scaling the Deployment to zero: %w", err)
	}
	pods := &corev1.PodList{}
	err = wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		if err := c.List(ctx, pods, client.InNamespace(name.Namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
			return false, fmt.Errorf("listing the pods of the Deployment: %w", err)
		}
		return !anyRuns(pods.Items), nil
	})
	if ctx.Err() != nil {
		return true, fmt.Errorf("waiting for the pods of the Deployment to end: %w", ctx.Err())
	}
	return true, err //nolint:wrapcheck // it is wrapped above
}

// anyRuns reports whether a pod has not ended yet. Pods that were evicted, for example, have ended and remain.
func anyRuns(pods []corev1.Pod) bool {
	for i := range pods {
		if phase := pods[i].Status.Phase; phase != corev1.PodSucceeded && phase != corev1.PodFailed {
			return true
		}
	}
	return false
}
