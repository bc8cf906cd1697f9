package controllers

import (
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// outcome is the result of one pass over an object. Its message is a fixed sentence, so that no text of the database gets
// into a status or an event.
type outcome struct {
	ready           metav1.ConditionStatus
	reason, message string
	stalled         bool // only a change of the spec can help
	backOff         bool // the pass failed, and says nothing about the spec
}

// reconciling reports whether the controller will try again by itself.
func (o outcome) reconciling() bool { return o.ready != metav1.ConditionTrue && !o.stalled }

// waits reports whether the object waits for a change elsewhere whose time is unknown.
func (o outcome) waits() bool { return o.reconciling() && o.reason != v1alpha1.ReasonScheduled }

func (o outcome) eventType() string {
	switch o.reason {
	case v1alpha1.ReasonAssigned, v1alpha1.ReasonScheduled, v1alpha1.ReasonExpired, v1alpha1.ReasonDeleted:
		return corev1.EventTypeNormal
	default:
		return corev1.EventTypeWarning
	}
}

// notReady is the outcome of an object that waits for something.
func notReady(reason, message string) outcome {
	return outcome{ready: metav1.ConditionFalse, reason: reason, message: message}
}

func stalled(reason, message string) outcome {
	return outcome{ready: metav1.ConditionFalse, reason: reason, message: message, stalled: true}
}

func failed(reason, message string) outcome {
	return outcome{ready: metav1.ConditionUnknown, reason: reason, message: message, backOff: true}
}

// declarationOutcome returns the outcome of a declaration. It uses the time of the database.
func declarationOutcome(spec *v1alpha1.DoctorAssignmentSpec, result clinic.DeclarationResult) outcome {
	progress := fmt.Sprintf("%d of %d patients are assigned", result.Assigned, len(spec.Patients))
	switch {
	case spec.EndsAt != nil && !result.At.Before(spec.EndsAt.Time):
		return stalled(v1alpha1.ReasonExpired, "The assignments ended at spec.endsAt. To begin them again, set a later endsAt.")
	case result.Doctor != "":
		return doctorOutcome(result.Doctor)
	case len(result.Unassigned) > 0:
		return notReady(v1alpha1.ReasonPatientsNotAssigned,
			progress+"; status.unassigned says why the others are not. The controller tries again until all are assigned.")
	case spec.StartsAt != nil && result.At.Before(spec.StartsAt.Time):
		return notReady(v1alpha1.ReasonScheduled, "The assignments are recorded and begin at spec.startsAt.")
	default:
		return outcome{ready: metav1.ConditionTrue, reason: v1alpha1.ReasonAssigned, message: progress + "."}
	}
}

func doctorOutcome(problem clinic.DoctorProblem) outcome {
	switch problem {
	case clinic.DoctorNotFound:
		return notReady(v1alpha1.ReasonDoctorNotFound,
			"No user has the username in spec.doctor. The controller tries again until the user registers.")
	case clinic.NotADoctor:
		return notReady(v1alpha1.ReasonNotADoctor, "The user in spec.doctor is not a doctor.")
	case clinic.DoctorNotVerified:
		return notReady(v1alpha1.ReasonDoctorNotVerified,
			"The doctor's license is not verified. The controller tries again until an administrator verifies it.")
	default:
		return failed(v1alpha1.ReasonInternalError, internalMessage)
	}
}

const internalMessage = "An internal error occurred; the controller's log has the details. The controller tries again."

// errorOutcome is the only place where the codes of package clinic become conditions.
func errorOutcome(err error) outcome {
	switch clinic.CodeOf(err) {
	case clinic.CodeInvalid:
		return stalled(v1alpha1.ReasonInvalid, "The spec cannot be carried out"+faults(err)+".")
	case clinic.CodeNotFound, clinic.CodeGone, clinic.CodeConflict, clinic.CodePreconditionFailed:
		return notReady(v1alpha1.ReasonConflict, "Another change happened at the same time. The controller tries again.")
	case clinic.CodeUnavailable:
		return failed(v1alpha1.ReasonUnavailable, "The database does not answer. The controller tries again.")
	default:
		return failed(v1alpha1.ReasonInternalError, internalMessage)
	}
}

// faults lists the messages for the fields, which quote no input.
func faults(err error) string {
	var known *clinic.Error
	if !errors.As(err, &known) {
		return ""
	}
	var b strings.Builder
	for _, f := range known.Fields {
		b.WriteString("; " + f.Field + ": " + f.Message)
	}
	return b.String()
}

// public returns only the clinic.Error of an error, because the result is logged: the text of a clinic.Error quotes no row.
func public(err error) error {
	var known *clinic.Error
	if errors.As(err, &known) {
		return known
	}
	return clinic.Internal(err)
}

// count puts the numbers of a result into the status.
func count(da *v1alpha1.DoctorAssignment, result clinic.DeclarationResult) {
	da.Status.Assigned = int32(result.Assigned)    //nolint:gosec // at most 500
	da.Status.Total = int32(len(da.Spec.Patients)) //nolint:gosec // at most 500
	da.Status.Unassigned = nil
	for _, u := range result.Unassigned[:min(len(result.Unassigned), v1alpha1.MaxUnassigned)] {
		da.Status.Unassigned = append(da.Status.Unassigned,
			v1alpha1.UnassignedPatient{Username: u.Username, Reason: string(u.Reason)})
	}
}

// setConditions writes all three conditions, always in the same order.
func setConditions(da *v1alpha1.DoctorAssignment, o outcome, now time.Time) {
	set := func(kind string, status metav1.ConditionStatus, reason, message string) {
		apimeta.SetStatusCondition(&da.Status.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: message,
			ObservedGeneration: da.Generation, LastTransitionTime: metav1.NewTime(now),
		})
	}
	abnormal := func(kind string, holds bool) {
		if holds {
			set(kind, metav1.ConditionTrue, o.reason, o.message)
		} else {
			set(kind, metav1.ConditionFalse, v1alpha1.ReasonAsExpected, "")
		}
	}
	set(v1alpha1.ReadyCondition, o.ready, o.reason, o.message)
	abnormal(v1alpha1.ReconcilingCondition, o.reconciling())
	abnormal(v1alpha1.StalledCondition, o.stalled)
}
