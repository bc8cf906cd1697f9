package kubectl

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// await waits until the assignments of the object are in force or scheduled, or until waiting cannot help.
func (a *assignment) await(cmd *cobra.Command, object *v1alpha1.DoctorAssignment) error {
	kube, err := a.clientWith(cmd.ErrOrStderr(), func(c *rest.Config) { c.Timeout = 0 }) // it would end the watch
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), a.wait)
	defer cancel()
	latest, err := settled(ctx, kube, object)
	switch {
	case err != nil && cmd.Context().Err() != nil:
		return fmt.Errorf("interrupted; the object stays: kubectl healthrecords why da/%s --namespace %s", object.Name, object.Namespace)
	case err != nil && ctx.Err() == nil:
		return err
	}
	explained := explain(latest)
	if err != nil {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "error: timed out after %s\n", a.wait)
	}
	if explained.Ready || err == nil && explained.Reason == "Scheduled" {
		return write(cmd.ErrOrStderr(), "%s/%s %s\n", resource, object.Name, explained.Reason)
	}
	if err := explained.print(cmd.ErrOrStderr()); err != nil {
		return err
	}
	return &failure{code: failed}
}

// settled watches the object until its status describes its present spec, and either doctors have access, or will have it
// at a stated time, or waiting cannot help. It returns the last state that it has seen, also with an error.
func settled(ctx context.Context, kube client.WithWatch, object *v1alpha1.DoctorAssignment) (*v1alpha1.DoctorAssignment, error) {
	gone := apierrors.NewNotFound(schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "doctorassignments"}, object.Name)
	this := []client.ListOption{client.InNamespace(object.Namespace), client.MatchingFields{"metadata.name": object.Name}}
	// A watch from the object's own resource version would fail if that is older than what etcd keeps.
	var now v1alpha1.DoctorAssignmentList
	if err := kube.List(ctx, &now, this...); err != nil {
		return object, err //nolint:wrapcheck // Report prints it in kubectl's words
	}
	if len(now.Items) == 0 || now.Items[0].UID != object.UID {
		return object, gone
	}
	latest := &now.Items[0]
	if isSettled(latest, object.Generation) {
		return latest, nil
	}
	source := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		return kube.Watch(ctx, new(v1alpha1.DoctorAssignmentList), append(this, &client.ListOptions{Raw: &o})...)
	}}
	quiet := logr.NewContext(ctx, logr.Discard()) // the returned error says what would be logged
	_, err := watchtools.Until(quiet, now.ResourceVersion, source, func(event watch.Event) (bool, error) {
		seen, is := event.Object.(*v1alpha1.DoctorAssignment)
		switch {
		case event.Type == watch.Bookmark:
			return false, nil
		case event.Type == watch.Error:
			return false, apierrors.FromObject(event.Object)
		case event.Type == watch.Deleted || !is || seen.UID != object.UID:
			return false, gone
		}
		latest = seen
		return isSettled(seen, object.Generation), nil
	})
	return latest, err //nolint:wrapcheck // Report prints it in kubectl's words
}

// isSettled reports whether the status describes the generation of the spec, or a later one, and will not change by itself
// except at a stated time.
func isSettled(object *v1alpha1.DoctorAssignment, generation int64) bool {
	conditions := object.Status.Conditions
	ready := apimeta.FindStatusCondition(conditions, v1alpha1.ReadyCondition)
	if ready == nil || object.Status.ObservedGeneration < generation {
		return false
	}
	return ready.Status == metav1.ConditionTrue || ready.Reason == v1alpha1.ReasonScheduled ||
		apimeta.IsStatusConditionTrue(conditions, v1alpha1.StalledCondition)
}
