package v1alpha1

// The condition types of a DoctorAssignment. An object always has all three, in this order.
const (
	// ReadyCondition is True when every patient is assigned and the assignments are in force.
	ReadyCondition = "Ready"
	// ReconcilingCondition is True while the controller still works on the object and tries again by itself.
	ReconcilingCondition = "Reconciling"
	// StalledCondition is True when only a change of the spec can help.
	StalledCondition = "Stalled"
)

// The reasons of the Ready condition.
const (
	// ReasonAssigned means that every patient is assigned. Ready is True.
	ReasonAssigned = "Assigned"
	// ReasonScheduled means that every assignment is recorded and startsAt is in the future.
	ReasonScheduled = "Scheduled"
	// ReasonExpired means that endsAt has passed. Stalled is True.
	ReasonExpired = "Expired"
	// ReasonInvalid means that the spec cannot be carried out as it is. Stalled is True.
	ReasonInvalid = "Invalid"
	// ReasonDoctorNotFound means that no user has the doctor's username.
	ReasonDoctorNotFound = "DoctorNotFound"
	// ReasonNotADoctor means that the user in spec.doctor has another role.
	ReasonNotADoctor = "NotADoctor"
	// ReasonDoctorNotVerified means that the doctor's license is not verified.
	ReasonDoctorNotVerified = "DoctorNotVerified"
	// ReasonPatientsNotAssigned means that some patients are not assigned: status.unassigned names them.
	ReasonPatientsNotAssigned = "PatientsNotAssigned"
	// ReasonDeleted means that the object is deleted and holds no assignments anymore.
	ReasonDeleted = "Deleted"
	// ReasonConflict means that another change happened at the same time.
	ReasonConflict = "Conflict"
	// ReasonUnavailable means that the database did not answer. Ready is Unknown.
	ReasonUnavailable = "Unavailable"
	// ReasonInternalError means that something failed inside the platform; the controller's log has the details. Ready is
	// Unknown.
	ReasonInternalError = "InternalError"
)

// ReasonAsExpected is the reason of a Reconciling or Stalled condition that is False.
const ReasonAsExpected = "AsExpected"
