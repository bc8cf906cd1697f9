package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// finalizersPage is how many objects one request lists.
const finalizersPage = 500

// RemoveFinalizers removes the controller's finalizer from every DoctorAssignment of the namespace, or of all namespaces, and
// returns how many objects had it. From then on nothing keeps the objects, and no claim ends with them. The controller must
// not be running, because it adds the finalizer again.
func RemoveFinalizers(ctx context.Context, c client.Client, namespace string) (removed int, err error) {
	list := &v1alpha1.DoctorAssignmentList{}
	for {
		err := c.List(ctx, list, client.InNamespace(namespace), client.Limit(finalizersPage), client.Continue(list.Continue))
		if apimeta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			return removed, nil // the custom resource was removed, and its objects with it
		}
		if err != nil {
			return removed, fmt.Errorf("listing the objects: %w", err)
		}
		var failures []error
		for i := range list.Items {
			da := &list.Items[i]
			index := slices.Index(da.Finalizers, v1alpha1.Finalizer)
			if index < 0 {
				continue
			}
			if err := removeFinalizer(ctx, c, da, index); client.IgnoreNotFound(err) != nil {
				failures = append(failures, fmt.Errorf("%s: %w", client.ObjectKeyFromObject(da), err))
				continue
			}
			removed++
		}
		if err := errors.Join(failures...); err != nil || list.Continue == "" {
			return removed, err
		}
	}
}
