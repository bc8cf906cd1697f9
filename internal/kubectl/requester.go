package kubectl

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// send applies the object. A cluster before Kubernetes 1.36 cannot stamp it with the requester: its policy refuses the object
// unless the annotation names the caller, if the spec changes, and otherwise is what it was, which is known.
func send(ctx context.Context, kube client.Client, object *v1alpha1.DoctorAssignment, known string, options ...client.PatchOption) error {
	named := object.DeepCopy()
	err := patch(ctx, kube, object, options)
	if isAboutRequester(err) && known != "" {
		named.Annotations = map[string]string{v1alpha1.RequestedByAnnotation: known}
		err = patch(ctx, kube, named, options)
	}
	if isAboutRequester(err) {
		var self authenticationv1.SelfSubjectReview
		if err := kube.Create(ctx, &self); err != nil {
			return err //nolint:wrapcheck // Report prints it in kubectl's words
		}
		named.Annotations = map[string]string{v1alpha1.RequestedByAnnotation: self.Status.UserInfo.Username}
		err = patch(ctx, kube, named, options)
	}
	if err == nil && len(named.Annotations) > 0 {
		*object = *named
	}
	return err
}

func patch(ctx context.Context, kube client.Client, object *v1alpha1.DoctorAssignment, options []client.PatchOption) error {
	applied, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("encoding the object: %w", err)
	}
	return kube.Patch(ctx, object, client.RawPatch(types.ApplyPatchType, applied), options...) //nolint:wrapcheck // Report prints it in kubectl's words
}

// isAboutRequester reports whether the policy refused the object.
func isAboutRequester(err error) bool {
	return apierrors.IsInvalid(err) && strings.Contains(err.Error(), v1alpha1.RequestedByAnnotation)
}
