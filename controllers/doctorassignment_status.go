package controllers

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// fieldManager owns the finalizer and the status that the controller applies.
const fieldManager = "healthrecords-controller"

// statusAttempts limits how often one pass tries to write the status of an object that others write at the same time.
const statusAttempts = 10

// writeStatus applies the status if it differs from the known one, which the pass began with. Between the two, others may
// change the rest of the object. If the status itself has changed, another controller has written it: this one would only
// overwrite what is newer, so writeStatus fails with a conflict. It ignores that the object may be gone.
func (r *reconciler) writeStatus(ctx context.Context, da *v1alpha1.DoctorAssignment, known *v1alpha1.DoctorAssignmentStatus) error {
	if equality.Semantic.DeepEqual(da.Status, *known) {
		return nil
	}
	var err error
	version := da.ResourceVersion
	for range statusAttempts {
		if err = r.applyStatus(ctx, da, version); !apierrors.IsConflict(err) {
			break
		}
		latest := &v1alpha1.DoctorAssignment{}
		if failure := r.live.Get(ctx, client.ObjectKeyFromObject(da), latest); failure != nil {
			return client.IgnoreNotFound(failure)
		}
		if latest.UID != da.UID || !equality.Semantic.DeepEqual(latest.Status, *known) {
			break
		}
		version = latest.ResourceVersion
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("applying the status: %w", err)
	}
	return nil
}

func (r *reconciler) applyStatus(ctx context.Context, da *v1alpha1.DoctorAssignment, version string) error {
	status, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&da.Status)
	if err != nil {
		return fmt.Errorf("encoding the status: %w", err)
	}
	if len(da.Status.Problems) == 0 {
		status["problems"] = []any{} // so that it belongs to the controller, and nobody else's stays
	}
	object := partial(da)
	object.SetResourceVersion(version)
	object.Object["status"] = status
	return r.client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.ForceOwnership, client.FieldOwner(fieldManager))
}

// addFinalizer makes sure that release runs before the object disappears. It adds to the list, which others write, too.
func (r *reconciler) addFinalizer(ctx context.Context, da *v1alpha1.DoctorAssignment) error {
	if !da.DeletionTimestamp.IsZero() || slices.Contains(da.Finalizers, v1alpha1.Finalizer) {
		return nil
	}
	object := partial(da)
	object.SetFinalizers([]string{v1alpha1.Finalizer})
	err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.ForceOwnership, client.FieldOwner(fieldManager))
	if err != nil {
		return fmt.Errorf("adding the finalizer: %w", err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, da); err != nil {
		return fmt.Errorf("decoding the object: %w", err)
	}
	return nil
}

// partial returns an object to apply. With the UID, it applies to this object only, and never creates another one.
func partial(da *v1alpha1.DoctorAssignment) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("DoctorAssignment"))
	object.SetNamespace(da.Namespace)
	object.SetName(da.Name)
	object.SetUID(da.UID)
	return object
}
