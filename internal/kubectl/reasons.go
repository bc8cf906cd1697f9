package kubectl

import "github.com/healthrecords/healthrecords/api/v1alpha1"

// Reasons that the plugin gives itself, for what no condition says.
const (
	notObserved  = "NotObserved"
	outdated     = "Outdated"
	beingDeleted = "BeingDeleted"
)

// explained is the text about a reason: what it means, and what would mend it.
type explained struct{ meaning, remedy string }

// patientNotFound is a reason of problems only.
const patientNotFound = "PatientNotFound"

// formerDoctor is what a mistyped name in spec.doctor does not end.
const formerDoctor = " A doctor whom spec.doctor named before keeps access until the new one has it."

// reasonText explains a reason of the Ready condition.
func reasonText(reason string) explained {
	if text, is := settledText(reason); is {
		return text
	}
	if text, is := waitingText(reason); is {
		return text
	}
	return explained{
		"This version of the plugin does not know the reason. It may be older than the controller.",
		"read the message below and `kubectl describe da`. Install the plugin of the controller's release.",
	}
}

// settledText explains the reasons that stay until somebody acts, or until a stated time.
func settledText(reason string) (explained, bool) {
	switch reason {
	case v1alpha1.ReasonAssigned:
		return explained{"Every doctor of the object has access to every patient.", ""}, true
	case v1alpha1.ReasonScheduled:
		return explained{
			"The assignments are recorded, but they have not begun, so this object gives no access yet.",
			"wait, or remove spec.startsAt to let them begin at once.",
		}, true
	case v1alpha1.ReasonEnded:
		return explained{
			"The assignments have ended, so this object gives no access anymore.",
			"set spec.endsAt to a later time or remove it; access then begins again. Otherwise, delete the object.",
		}, true
	case v1alpha1.ReasonSuspended:
		return explained{
			"spec.suspend is true, so this object claims nothing.",
			"set spec.suspend to false or remove it.",
		}, true
	case v1alpha1.ReasonInvalid:
		return explained{
			"The spec breaks a rule, so it is not carried out. The message says which one.",
			"change the spec.",
		}, true
	case v1alpha1.ReasonNotADoctor:
		return explained{
			"A user whom the spec names as a doctor has another role. This does not hinder the other pairs." + formerDoctor,
			"name a doctor in their place, or remove them from the spec.",
		}, true
	case v1alpha1.ReasonNotAPatient:
		return explained{
			"A user whom the spec names as a patient has another role. This does not hinder the other pairs.",
			"remove them from spec.patients.",
		}, true
	case v1alpha1.ReasonEndedByAdministrator:
		return explained{
			"An administrator ended assignments of this object by force. The controller does not claim these pairs again by itself.",
			"ask the administrators why. One of them can lift the hold with DELETE /api/assignments/{id}/hold/. Any change of the spec claims the pairs again, too.",
		}, true
	case v1alpha1.ReasonDeleted:
		return explained{
			"The object is deleted and holds no assignments anymore. It disappears when its last finalizer is removed.",
			"if it stays, see metadata.finalizers: another tool has not removed its own.",
		}, true
	}
	return explained{}, false
}

// waitingText explains the reasons that can disappear without a change of the spec.
func waitingText(reason string) (explained, bool) {
	switch reason {
	case v1alpha1.ReasonPairsNotAssigned:
		return explained{
			"At least one pair of a doctor and a patient is not assigned. The controller tries again by itself.",
			"see the problems below. Nothing needs to change in the object if its names are right.",
		}, true
	case v1alpha1.ReasonDoctorNotFound:
		return explained{
			"No active user has the doctor's username, so no pair is assigned. The controller tries again by itself." + formerDoctor,
			"correct the username in the spec, or let the doctor register. If the account is disabled, an administrator can enable it.",
		}, true
	case v1alpha1.ReasonDoctorNotVerified:
		return explained{
			"No administrator has verified the doctor's license, so no pair is assigned. The controller tries again by itself." + formerDoctor,
			"ask an administrator to verify the license with POST /api/doctors/{id}/verify/.",
		}, true
	case v1alpha1.ReasonSuperseded:
		return explained{
			"Another controller, which began later, has carried out this spec or a later one.",
			"wait: that controller writes the status. If this stays, check that the controllers' Lease has one holder.",
		}, true
	case v1alpha1.ReasonConflict:
		return explained{
			"Another change of the same assignments happened at the same time. The controller tries again by itself.",
			"wait some seconds, then repeat the command.",
		}, true
	case v1alpha1.ReasonUnavailable:
		return explained{
			"The controller's database did not answer, so it is not known whether the doctors have access. If the object is being deleted, the deletion waits for the database.",
			"wait; if this stays, ask those who operate the platform.",
		}, true
	case v1alpha1.ReasonInternalError:
		return explained{
			"Something failed inside the platform, so it is not known whether the doctors have access. The controller tries again by itself.",
			"ask those who operate the platform: the controller's log has the details.",
		}, true
	case notObserved:
		return explained{
			"No controller has looked at the object yet.",
			"wait some seconds. If this stays, check that the controller runs and watches this namespace.",
		}, true
	case outdated:
		return explained{
			"The status describes an earlier spec: no controller has carried out the latest change yet.",
			"wait some seconds. If this stays, check that the controller runs and watches this namespace.",
		}, true
	case beingDeleted:
		return explained{
			"The object is being deleted. It stays until the controller has released or retained its assignments.",
			"wait. If this stays, check that the controller runs and reaches its database.",
		}, true
	}
	return explained{}, false
}

// problemText explains the reason of a problem in the status.
func problemText(reason string) explained {
	switch reason {
	case v1alpha1.ReasonDoctorNotFound:
		return explained{"no active user has this name", "correct the name, or let the doctor register"}
	case v1alpha1.ReasonNotADoctor:
		return explained{"the user is no doctor", "name a doctor instead"}
	case v1alpha1.ReasonDoctorNotVerified:
		return explained{"the license is not verified", "an administrator verifies the license"}
	case patientNotFound:
		return explained{"no user has this name", "correct the name, or let the patient register"}
	case v1alpha1.ReasonNotAPatient:
		return explained{"the user is no patient", "remove the name from spec.patients"}
	case v1alpha1.ReasonEndedByAdministrator:
		return explained{"an administrator ended it by force", "an administrator lifts the hold, or the spec changes"}
	}
	return explained{}
}
