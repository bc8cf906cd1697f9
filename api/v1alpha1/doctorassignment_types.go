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
// +kubebuilder:printcolumn:name="Start",type=string,JSONPath=`.spec.startsAt`,priority=1
// +kubebuilder:printcolumn:name="End",type=string,JSONPath=`.spec.endsAt`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type DoctorAssignment struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec declares which doctor is assigned to which patients.
	// +required
	Spec DoctorAssignmentSpec `json:"spec"`
	// status reports how much of the spec is in force.
	// +optional
	Status DoctorAssignmentStatus `json:"status,omitzero"`
}

// DoctorAssignmentSpec declares which doctor is assigned to which patients, and when.
//
// The API server limits what a rule may cost, so the last rule does not compare all pairs of patients. It compares those
// whose names are in lowercase with the others, those in uppercase with the others, and those that begin with an uppercase
// letter with the others. The controller refuses the rest, such as PatientOne and Patientone.
//
// +kubebuilder:validation:XValidation:rule="!has(self.startsAt) || !has(self.endsAt) || self.endsAt > self.startsAt",message="endsAt must be later than startsAt",fieldPath=".endsAt",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="!self.patients.exists(p, p.username.lowerAscii() == self.doctor.username.lowerAscii())",message="the doctor cannot be one of the patients",fieldPath=".patients",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="!sets.intersects(self.patients.map(p, p.username != p.username.lowerAscii(), p.username.lowerAscii()), self.patients.map(p, p.username)) && !sets.intersects(self.patients.map(p, p.username == p.username.upperAscii(), p.username.lowerAscii()), self.patients.map(p, p.username != p.username.upperAscii(), p.username.lowerAscii())) && !sets.intersects(self.patients.map(p, p.username.matches('^[A-Z]'), p.username.lowerAscii()), self.patients.map(p, !p.username.matches('^[A-Z]'), p.username.lowerAscii()))",message="a patient is listed twice: uppercase and lowercase letters are equivalent",fieldPath=".patients",reason=FieldValueInvalid
type DoctorAssignmentSpec struct {
	// doctor is the doctor who is assigned. You may replace the doctor: the assignments of the previous doctor end.
	// +required
	Doctor UserReference `json:"doctor"`

	// patients lists the patients whom the doctor is assigned to, each once.
	// +required
	// +listType=map
	// +listMapKey=username
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=500
	Patients []UserReference `json:"patients"`

	// reason says why the doctor is assigned, for readers of the history. Everybody who can read this object can read
	// it: give an organizational reason such as "primary care", never a diagnosis.
	// +optional
	// +kubebuilder:validation:MaxLength=500
	Reason string `json:"reason,omitempty"`

	// startsAt is the time when the assignments begin. If it is unset, they begin at once.
	// +optional
	StartsAt *metav1.Time `json:"startsAt,omitempty"`

	// endsAt is the time when the assignments end. If it is unset, they last as long as this object.
	// +optional
	EndsAt *metav1.Time `json:"endsAt,omitempty"`

	// deletionPolicy says what happens to the assignments when this object is deleted: Release ends them, Retain leaves
	// them active without an owning object.
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

// DeletionPolicy says what happens to the assignments when their object is deleted.
//
// +kubebuilder:validation:Enum=Release;Retain
type DeletionPolicy string

// The deletion policies.
const (
	// DeletionPolicyRelease ends the assignments that the object owns.
	DeletionPolicyRelease DeletionPolicy = "Release"
	// DeletionPolicyRetain leaves them active.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// DoctorAssignmentStatus reports how much of the spec is in force.
type DoctorAssignmentStatus struct {
	// observedGeneration is the generation of the spec that this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready (every patient is assigned), Reconciling (the controller is still working)
	// and Stalled (only a change of the spec can help).
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// assigned is the number of the spec's patients with an assignment to the doctor. It includes assignments that have not
	// started yet, and those that this object does not own.
	// +optional
	Assigned int32 `json:"assigned"`

	// total is the number of patients in the spec.
	// +optional
	Total int32 `json:"total"`

	// unassigned lists the patients that are not assigned: the first 20, sorted by username.
	// It is empty if the doctor is the reason.
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
	// reason says why: PatientNotFound (no user has the username) or NotAPatient (the user has another role).
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
