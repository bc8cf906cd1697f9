package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Finalizer keeps a DoctorAssignment until its assignments are released or retained.
const Finalizer = "healthrecords.io/assignments"

// RequestedByAnnotation names the Kubernetes user who created the object or last changed its spec. An admission policy of the
// chart stamps it; what a client sends is replaced.
const RequestedByAnnotation = "healthrecords.io/requested-by"

// DoctorAssignment declares that one or more doctors are assigned to some patients and so may read their health records.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=da,categories=healthrecords
// +kubebuilder:printcolumn:name="Doctor",type=string,JSONPath=`.status.doctor`
// +kubebuilder:printcolumn:name="Pairs",type=integer,JSONPath=`.status.total`
// +kubebuilder:printcolumn:name="Assigned",type=integer,JSONPath=`.status.assigned`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Start",type=string,JSONPath=`.spec.startsAt`,priority=1
// +kubebuilder:printcolumn:name="End",type=string,JSONPath=`.spec.endsAt`,priority=1
// +kubebuilder:printcolumn:name="Requested by",type=string,JSONPath=`.metadata.annotations.healthrecords\.io/requested-by`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type DoctorAssignment struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec declares which doctors are assigned to which patients.
	// +required
	Spec DoctorAssignmentSpec `json:"spec"`
	// status reports how much of the spec is in force. Its default is for tools that take an object without a status for
	// finished.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status DoctorAssignmentStatus `json:"status,omitzero"`
}

// DoctorAssignmentSpec declares which doctors are assigned to which patients, and when.
//
// The API server limits what a rule may cost, so no rule compares the patients with each other. The controller refuses what the
// rules leave: a patient who is listed twice, as Patient1 and as patient1.
//
// +kubebuilder:validation:XValidation:rule="has(self.doctor) != has(self.doctors)",message="set exactly one of doctor and doctors",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="!has(self.startsAt) || !has(self.endsAt) || self.endsAt > self.startsAt",message="endsAt must be later than startsAt",fieldPath=".endsAt",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="!has(self.doctors) || self.doctors.all(d, self.doctors.exists_one(e, d.username.lowerAscii() == e.username.lowerAscii()))",message="a doctor is listed twice: uppercase and lowercase letters are equivalent",fieldPath=".doctors",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="!has(self.doctor) || !self.patients.exists(p, p.username.lowerAscii() == self.doctor.username.lowerAscii())",message="the doctor cannot be one of the patients",fieldPath=".patients",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="!has(self.doctors) || !sets.intersects(self.doctors.map(d, d.username.lowerAscii()), self.patients.map(p, p.username.lowerAscii()))",message="a doctor cannot be one of the patients",fieldPath=".patients",reason=FieldValueInvalid
type DoctorAssignmentSpec struct {
	// doctor is the doctor who is assigned. You may replace the doctor: the assignments of the previous doctor end when those
	// of the new one begin.
	// +optional
	Doctor *UserReference `json:"doctor,omitempty"`

	// doctors is a team: each of the doctors is assigned to each of the patients. Set either doctor or doctors.
	// +optional
	// +listType=map
	// +listMapKey=username
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	Doctors []UserReference `json:"doctors,omitempty"`

	// patients lists the patients whom the doctors are assigned to, each once.
	// +required
	// +listType=map
	// +listMapKey=username
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5000
	Patients []UserReference `json:"patients"`

	// reason says why the doctors are assigned, for readers of the history. Everybody who can read this object can read
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

	// suspend ends this object's claims at once and keeps the object. Set it to false to claim the assignments again.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// adopt takes over the claims that were made over REST for these doctors and patients: they end when the claims of this
	// object begin, so access has no gap.
	// +optional
	Adopt bool `json:"adopt,omitempty"`

	// deletionPolicy says what happens to the assignments when this object is deleted: Release ends this object's claims,
	// Retain turns them into claims that an administrator can end over REST.
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
	// DeletionPolicyRelease ends the claims of the object.
	DeletionPolicyRelease DeletionPolicy = "Release"
	// DeletionPolicyRetain turns them into claims of the REST API.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// DoctorAssignmentStatus reports how much of the spec is in force. A pair is one doctor and one patient of the spec.
type DoctorAssignmentStatus struct {
	// observedGeneration is the generation of the spec that the controller tried to carry out last; -1 before the first time.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready (the doctors have access to the patients now), Reconciling (the controller is still working)
	// and Stalled (only a change of the spec, or an administrator, can help).
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// doctor is the username of the doctor; of a team, that of the first and the number of the others.
	// +optional
	Doctor string `json:"doctor,omitempty"`

	// total is the number of pairs in the spec.
	// +optional
	Total int32 `json:"total"`

	// assigned is the number of pairs whose doctor has access to the patient now, by this object's claim or by another one.
	// While the database does not answer, this and the next fields are those of the last time when it did.
	// +optional
	Assigned int32 `json:"assigned"`

	// claims is the number of pairs that this object claims, also for a later time.
	// +optional
	Claims int32 `json:"claims"`

	// shared is the number of pairs of the spec that others claim, too: other objects, or the REST API.
	// +optional
	Shared int32 `json:"shared"`

	// problems say why pairs are not assigned: the first 20, the gravest first, then sorted by username.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Problems []AssignmentProblem `json:"problems,omitempty"`
}

// MaxProblems bounds the list of problems in the status.
const MaxProblems = 20

// AssignmentProblem is a reason why a doctor, a patient, or one pair of them cannot be assigned.
type AssignmentProblem struct {
	// doctor is the doctor's username in the spec, if the problem is about a doctor.
	// +optional
	Doctor string `json:"doctor,omitempty"`
	// patient is the patient's username in the spec, if the problem is about a patient.
	// +optional
	Patient string `json:"patient,omitempty"`
	// reason is DoctorNotFound, NotADoctor, DoctorNotVerified, PatientNotFound, NotAPatient, or, for a pair,
	// EndedByAdministrator.
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
