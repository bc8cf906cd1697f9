package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Finalizer keeps a DoctorAssignment until its assignments are released or retained.
const Finalizer = "healthrecords.io/assignments"

// DoctorAssignment declares that a doctor is assigned to some patients and so may read their health records.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=da,categories=healthrecords
// +kubebuilder:printcolumn:name="Doctor",type=string,JSONPath=`.spec.doctor.username`
// +kubebuilder:printcolumn:name="Patients",type=integer,JSONPath=`.status.total`
// +kubebuilder:printcolumn:name="Assigned",type=integer,JSONPath=`.status.assigned`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type DoctorAssignment struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is who shall be assigned to whom.
	// +required
	Spec DoctorAssignmentSpec `json:"spec"`
	// status is how much of spec holds.
	// +optional
	Status DoctorAssignmentStatus `json:"status,omitzero"`
}

// DoctorAssignmentSpec is who shall be assigned to whom, and when.
//
// +kubebuilder:validation:XValidation:rule="!has(self.startsAt) || !has(self.endsAt) || self.endsAt > self.startsAt",message="endsAt must be later than startsAt",fieldPath=".endsAt",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="!self.patients.exists(p, p.username == self.doctor.username)",message="the doctor cannot be one of the patients",fieldPath=".patients",reason=FieldValueInvalid
type DoctorAssignmentSpec struct {
	// doctor is who is assigned. Another doctor may take their place: the assignments of the former one end.
	// +required
	Doctor UserReference `json:"doctor"`

	// patients are whom the doctor is assigned to, each named once.
	// +required
	// +listType=map
	// +listMapKey=username
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=500
	Patients []UserReference `json:"patients"`

	// reason is why the doctor is assigned, for those who read the history. Everybody who can read this object can read
	// it: name an organizational reason such as "primary care", never a diagnosis.
	// +optional
	// +kubebuilder:validation:MaxLength=500
	Reason string `json:"reason,omitempty"`

	// startsAt is when the assignments begin; without it they begin at once.
	// +optional
	StartsAt *metav1.Time `json:"startsAt,omitempty"`

	// endsAt is when the assignments end; without it they last as long as this object.
	// +optional
	EndsAt *metav1.Time `json:"endsAt,omitempty"`

	// deletionPolicy says what becomes of the assignments when this object is deleted: Release ends them, Retain leaves
	// them active, held by no object from then on.
	// +optional
	// +default="Release"
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// UserReference names a registered user.
type UserReference struct {
	// username is the name that the user registered with.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=150
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_.@+-]+$`
	Username string `json:"username"`
}

// DeletionPolicy says what becomes of the assignments when their object is deleted.
//
// +kubebuilder:validation:Enum=Release;Retain
type DeletionPolicy string

// The deletion policies.
const (
	// DeletionPolicyRelease ends the assignments that the object holds.
	DeletionPolicyRelease DeletionPolicy = "Release"
	// DeletionPolicyRetain leaves them active.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// DoctorAssignmentStatus is how much of the spec holds.
type DoctorAssignmentStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready (every patient is assigned), Reconciling (the controller is still at it)
	// and Stalled (only a change of the spec can help).
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// assigned counts the patients of the spec that have an assignment to the doctor, one that is yet to start included,
	// whether this object holds it or it was made elsewhere.
	// +optional
	Assigned int32 `json:"assigned"`

	// total counts the patients of the spec.
	// +optional
	Total int32 `json:"total"`

	// unassigned are the patients that are not assigned, sorted by username, the first 20 of them.
	// It is empty when the doctor is why.
	// +optional
	// +listType=map
	// +listMapKey=username
	// +kubebuilder:validation:MaxItems=20
	Unassigned []UnassignedPatient `json:"unassigned,omitempty"`
}

// MaxUnassigned bounds the list of unassigned patients in the status.
const MaxUnassigned = 20

// UnassignedPatient is a patient who is not assigned.
type UnassignedPatient struct {
	// username is the patient's name in the spec.
	// +required
	Username string `json:"username"`
	// reason is why: PatientNotFound (no user has the username) or NotAPatient (the user has another role).
	// +required
	Reason string `json:"reason"`
}

// DoctorAssignmentList is a list of DoctorAssignments.
//
// +kubebuilder:object:root=true
type DoctorAssignmentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []DoctorAssignment `json:"items"`
}
