package controllers

import (
	"errors"
	"fmt"
	"slices"
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
	stalled         bool // only a change of the spec, or an administrator, can help
	hopeful         bool // though it is stalled: pairs that have another problem may become assigned by themselves
	backOff         bool // the pass failed, and says nothing about the spec
}

// reconciling reports whether the controller will try again by itself.
func (o outcome) reconciling() bool { return o.ready != metav1.ConditionTrue && !o.stalled }

// waits reports whether the object waits for a change elsewhere whose time is unknown.
func (o outcome) waits() bool {
	return o.hopeful || o.reconciling() && o.reason != v1alpha1.ReasonScheduled
}

func (o outcome) eventType() string {
	switch o.reason {
	case v1alpha1.ReasonAssigned, v1alpha1.ReasonScheduled, v1alpha1.ReasonSuspended, v1alpha1.ReasonEnded, v1alpha1.ReasonDeleted:
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

// declarationOutcome returns the outcome of a declaration: of several reasons, the one that the reader has to deal with first.
// It uses the time of the database.
func declarationOutcome(da *v1alpha1.DoctorAssignment, result clinic.DeclarationResult) outcome {
	spec := &da.Spec
	progress := fmt.Sprintf("%d of %d pairs are assigned", result.Assigned, result.Total)
	switch {
	case spec.EndsAt != nil && !result.At.Before(spec.EndsAt.Time):
		return stalled(v1alpha1.ReasonEnded, "The claims ended at spec.endsAt. To assign the doctors again, set a later endsAt."+others(result))
	case spec.Suspend:
		return stalled(v1alpha1.ReasonSuspended, "The object is suspended and claims nothing. To claim the assignments, set spec.suspend to false."+others(result))
	}
	if o, found := stalledByProblem(result, progress); found {
		o.hopeful = mayImprove(result)
		return o
	}
	switch {
	case everyDoctor(da, result):
		return doctorOutcome(da, result)
	case len(result.Problems) > 0:
		return notReady(v1alpha1.ReasonPairsNotAssigned,
			progress+"; status.problems says why the others are not. The controller tries again until all are assigned.")
	case spec.StartsAt != nil && result.At.Before(spec.StartsAt.Time):
		return notReady(v1alpha1.ReasonScheduled, "All pairs are claimed from spec.startsAt on.")
	case result.Assigned < result.Total:
		return notReady(v1alpha1.ReasonPairsNotAssigned, progress+". The controller tries again until all are assigned.")
	default:
		return outcome{ready: metav1.ConditionTrue, reason: v1alpha1.ReasonAssigned, message: progress + "."}
	}
}

// others says that an object without claims does not mean that nobody has access.
func others(result clinic.DeclarationResult) string {
	if result.Assigned == 0 {
		return ""
	}
	return fmt.Sprintf(" Through claims of others, %d of %d pairs are still assigned.", result.Assigned, result.Total)
}

// stalledByProblem returns the outcome of problems that do not go away by themselves. The Declarer puts them first.
func stalledByProblem(result clinic.DeclarationResult, progress string) (outcome, bool) {
	const see = "; status.problems names the others. "
	for _, problem := range result.Problems {
		switch problem.Reason {
		case clinic.EndedByAdministrator:
			return stalled(v1alpha1.ReasonEndedByAdministrator, progress+
				"; an administrator ended claims of this object by force. It claims these pairs again when the spec changes, or an administrator lifts the hold."), true
		case clinic.NotADoctor:
			return stalled(v1alpha1.ReasonNotADoctor, progress+see+"A user named as a doctor is not a doctor."), true
		case clinic.NotAPatient:
			return stalled(v1alpha1.ReasonNotAPatient, progress+see+"A user named as a patient is not a patient."), true
		case clinic.DoctorNotFound, clinic.DoctorNotVerified, clinic.PatientNotFound:
		}
	}
	return outcome{}, false
}

// mayImprove reports whether some problem may go away by itself. The list may be too short to tell.
func mayImprove(result clinic.DeclarationResult) bool {
	return result.Troubled > len(result.Problems) || slices.ContainsFunc(result.Problems, func(p clinic.DeclarationProblem) bool {
		return p.Reason == clinic.DoctorNotFound || p.Reason == clinic.DoctorNotVerified || p.Reason == clinic.PatientNotFound
	})
}

// everyDoctor reports whether no doctor of the spec can be assigned. Of a team, the list may be too short to name all of them.
func everyDoctor(da *v1alpha1.DoctorAssignment, result clinic.DeclarationResult) bool {
	named := 0
	for _, problem := range result.Problems {
		if problem.Reason == clinic.DoctorNotFound || problem.Reason == clinic.DoctorNotVerified {
			named++
		}
	}
	return named > 0 && (named == len(doctors(da)) || named == clinic.MaxProblems && result.Claims == 0)
}

func doctorOutcome(da *v1alpha1.DoctorAssignment, result clinic.DeclarationResult) outcome {
	unknown := slices.ContainsFunc(result.Problems, func(p clinic.DeclarationProblem) bool { return p.Reason == clinic.DoctorNotFound })
	switch {
	case unknown && da.Spec.Doctor == nil:
		return notReady(v1alpha1.ReasonDoctorNotFound, "No doctor in spec.doctors can be assigned; status.problems says why. The controller tries again.")
	case unknown:
		return notReady(v1alpha1.ReasonDoctorNotFound,
			"No active user has the username in spec.doctor. The controller tries again until the user registers or is enabled.")
	case da.Spec.Doctor == nil:
		return notReady(v1alpha1.ReasonDoctorNotVerified,
			"The license of no doctor in spec.doctors is verified. The controller tries again until an administrator verifies one.")
	default:
		return notReady(v1alpha1.ReasonDoctorNotVerified,
			"The doctor's license is not verified. The controller tries again until an administrator verifies it.")
	}
}

// errorOutcome is the only place where the codes of package clinic become conditions.
func errorOutcome(err error) outcome {
	if clinic.ReasonOf(err) == "superseded" {
		return notReady(v1alpha1.ReasonSuperseded, "Another controller, which began later, has carried out this spec or a later one. This one tries again.")
	}
	switch clinic.CodeOf(err) {
	case clinic.CodeInvalid:
		return stalled(v1alpha1.ReasonInvalid, "The spec cannot be carried out"+faults(err)+".")
	case clinic.CodeNotFound, clinic.CodeGone, clinic.CodeConflict, clinic.CodePreconditionFailed:
		return notReady(v1alpha1.ReasonConflict, "Another change happened at the same time. The controller tries again.")
	case clinic.CodeUnavailable:
		return failed(v1alpha1.ReasonUnavailable, "The database does not answer. The controller tries again.")
	default:
		return failed(v1alpha1.ReasonInternalError, "An internal error occurred; the controller's log has the details. The controller tries again.")
	}
}

// releaseOutcome is the outcome of an object that cannot be deleted yet.
func releaseOutcome(err error) outcome {
	o := errorOutcome(err)
	o.stalled = false
	o.message += " Until then, the deletion waits: the object stays until its claims have ended or are retained."
	return o
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

// total puts what the spec itself says into the status.
func total(da *v1alpha1.DoctorAssignment) {
	named := doctors(da)
	da.Status.Doctor, da.Status.Total = "", int32(len(named)*len(da.Spec.Patients)) //nolint:gosec // at most 250,000
	if len(named) > 0 {
		da.Status.Doctor = named[0].Username
	}
	if len(named) > 1 {
		da.Status.Doctor += fmt.Sprintf(" +%d", len(named)-1)
	}
}

// count puts the numbers of a result into the status.
func count(da *v1alpha1.DoctorAssignment, result clinic.DeclarationResult) {
	da.Status.Assigned = int32(result.Assigned) //nolint:gosec // at most 250,000
	da.Status.Claims = int32(result.Claims)     //nolint:gosec // at most 250,000
	da.Status.Shared = int32(result.Shared)     //nolint:gosec // at most 250,000
	da.Status.Problems = nil
	for _, p := range result.Problems[:min(len(result.Problems), v1alpha1.MaxProblems)] {
		da.Status.Problems = append(da.Status.Problems, v1alpha1.AssignmentProblem{Doctor: p.Doctor, Patient: p.Patient, Reason: string(p.Reason)})
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
