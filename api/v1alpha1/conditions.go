package v1alpha1

// The condition types of a DoctorAssignment. An object always has all three, in this order.
const (
	// ReadyCondition is True while every doctor of the spec has access to every patient.
	ReadyCondition = "Ready"
	// ReconcilingCondition is True while the controller still works on the object and tries again by itself.
	ReconcilingCondition = "Reconciling"
	// StalledCondition is True when only a change of the spec, or an administrator, can help.
	StalledCondition = "Stalled"
)

// The reasons of the Ready condition.
const (
	// ReasonAssigned means that every doctor has access to every patient. Ready is True.
	ReasonAssigned = "Assigned"
	// ReasonScheduled means that every pair is claimed and startsAt is in the future.
	ReasonScheduled = "Scheduled"
	// ReasonPairsNotAssigned means that some pairs are not assigned and may become so by themselves; status.problems says why.
	ReasonPairsNotAssigned = "PairsNotAssigned"
	// ReasonDoctorNotFound means that no user has the doctor's username. Of a team, no doctor can be assigned.
	ReasonDoctorNotFound = "DoctorNotFound"
	// ReasonDoctorNotVerified means that the doctor's license is not verified. Of a team, no doctor can be assigned.
	ReasonDoctorNotVerified = "DoctorNotVerified"
	// ReasonNotADoctor means that a user named as a doctor has another role. Stalled is True.
	ReasonNotADoctor = "NotADoctor"
	// ReasonNotAPatient means that a user named as a patient has another role. Stalled is True.
	ReasonNotAPatient = "NotAPatient"
	// ReasonEndedByAdministrator means that an administrator ended claims of the object by force. Stalled is True.
	ReasonEndedByAdministrator = "EndedByAdministrator"
	// ReasonSuspended means that spec.suspend is true. Stalled is True.
	ReasonSuspended = "Suspended"
	// ReasonEnded means that endsAt has passed. Stalled is True.
	ReasonEnded = "Ended"
	// ReasonInvalid means that the spec cannot be carried out as it is. Stalled is True.
	ReasonInvalid = "Invalid"
	// ReasonSuperseded means that a controller that began later has carried out a later spec.
	ReasonSuperseded = "Superseded"
	// ReasonDeleted means that the object is deleted and has no claims anymore.
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
