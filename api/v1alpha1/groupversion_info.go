// Package v1alpha1 holds the Kubernetes API of the group healthrecords.io.
//
// +kubebuilder:object:generate=true
// +groupName=healthrecords.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion names the group and the version of the types in this package.
var GroupVersion = schema.GroupVersion{Group: "healthrecords.io", Version: "v1alpha1"}

// AddToScheme makes the types of this package known to a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &DoctorAssignment{}, &DoctorAssignmentList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
