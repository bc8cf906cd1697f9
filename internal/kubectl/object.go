package kubectl

import (
	"context"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

const (
	kind     = "DoctorAssignment"
	resource = "doctorassignment.healthrecords.io" // as kubectl names an object in its output
)

// resourceNames are what may stand before the slash of an argument such as da/primary-care.
func resourceNames() []string {
	return []string{
		"da", "doctorassignment", "doctorassignments", "da.healthrecords.io", resource, "doctorassignments.healthrecords.io",
		"doctorassignments.v1alpha1.healthrecords.io",
	}
}

// tidy removes from an object what people never write, as kubectl does when it prints one.
func tidy(object *v1alpha1.DoctorAssignment) {
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	object.ManagedFields = nil
}

// objects lists the DoctorAssignments of a namespace; "" means all namespaces. The API server answers in pages, so that a
// cluster with many objects does not need the memory for all of them at once; at most limit objects are returned.
func objects(ctx context.Context, c client.Reader, namespace string, limit int) ([]v1alpha1.DoctorAssignment, bool, error) {
	var found []v1alpha1.DoctorAssignment
	options := client.ListOptions{Namespace: namespace, Limit: 500}
	for {
		var page v1alpha1.DoctorAssignmentList
		if err := c.List(ctx, &page, &options); err != nil {
			return nil, false, err //nolint:wrapcheck // the command prints it in kubectl's words
		}
		found = append(found, page.Items...)
		options.Continue = page.Continue
		if options.Continue == "" || len(found) >= limit {
			return found, options.Continue != "", nil
		}
	}
}

// doctors returns the usernames of the doctors in a spec.
func doctors(spec *v1alpha1.DoctorAssignmentSpec) []string {
	if spec.Doctor != nil {
		return []string{spec.Doctor.Username}
	}
	return usernames(spec.Doctors)
}

func usernames(references []v1alpha1.UserReference) []string {
	names := make([]string, 0, len(references))
	for _, reference := range references {
		names = append(names, reference.Username)
	}
	return names
}

// containsName reports whether the usernames contain name: uppercase and lowercase letters are equivalent.
func containsName(names []string, name string) bool {
	for _, candidate := range names {
		if strings.EqualFold(candidate, name) {
			return true
		}
	}
	return false
}
