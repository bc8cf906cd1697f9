package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

func TestReconcileSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	type want struct {
		reason   string
		stalled  bool
		assigned int32
		problems []v1alpha1.AssignmentProblem
		after    time.Duration // of the next pass, before jitter
		event    string
	}
	const quarter = 15 * time.Second
	for name, c := range map[string]struct {
		options []func(*v1alpha1.DoctorAssignment)
		want    want
	}{
		"unknown doctor": {
			[]func(*v1alpha1.DoctorAssignment){withDoctor("nobody")},
			want{
				reason: v1alpha1.ReasonDoctorNotFound, after: quarter, event: "Warning DoctorNotFound",
				problems: []v1alpha1.AssignmentProblem{{Doctor: "nobody", Reason: "DoctorNotFound"}},
			},
		},
		"a patient as doctor": {
			[]func(*v1alpha1.DoctorAssignment){withDoctor("patient2")},
			want{
				reason: v1alpha1.ReasonNotADoctor, stalled: true, event: "Warning NotADoctor",
				problems: []v1alpha1.AssignmentProblem{{Doctor: "patient2", Reason: "NotADoctor"}},
			},
		},
		"unverified doctor": {
			[]func(*v1alpha1.DoctorAssignment){withDoctor("unverified")},
			want{
				reason: v1alpha1.ReasonDoctorNotVerified, after: quarter, event: "Warning DoctorNotVerified",
				problems: []v1alpha1.AssignmentProblem{{Doctor: "unverified", Reason: "DoctorNotVerified"}},
			},
		},
		"some patients": {
			[]func(*v1alpha1.DoctorAssignment){withPatients("stranger", "patient1")},
			want{
				reason: v1alpha1.ReasonPairsNotAssigned, assigned: 1, after: quarter, event: "Warning PairsNotAssigned",
				problems: []v1alpha1.AssignmentProblem{{Patient: "stranger", Reason: "PatientNotFound"}},
			},
		},
		"a doctor as patient": {
			[]func(*v1alpha1.DoctorAssignment){withPatients("stranger", "patient1", "doctor2")},
			want{
				reason: v1alpha1.ReasonNotAPatient, stalled: true, assigned: 1, after: quarter, event: "Warning NotAPatient",
				problems: []v1alpha1.AssignmentProblem{
					{Patient: "doctor2", Reason: "NotAPatient"}, {Patient: "stranger", Reason: "PatientNotFound"},
				},
			},
		},
		"only a doctor as patient": {
			[]func(*v1alpha1.DoctorAssignment){withPatients("patient1", "doctor2")},
			want{
				reason: v1alpha1.ReasonNotAPatient, stalled: true, assigned: 1, event: "Warning NotAPatient",
				problems: []v1alpha1.AssignmentProblem{{Patient: "doctor2", Reason: "NotAPatient"}},
			},
		},
		"a team whose patients are unknown": {
			[]func(*v1alpha1.DoctorAssignment){withTeam("nobody", "doctor1"), withPatients("stranger")},
			want{
				reason: v1alpha1.ReasonPairsNotAssigned, after: quarter, event: "Warning PairsNotAssigned",
				problems: []v1alpha1.AssignmentProblem{
					{Doctor: "nobody", Reason: "DoctorNotFound"}, {Patient: "stranger", Reason: "PatientNotFound"},
				},
			},
		},
		"a team in part": {
			[]func(*v1alpha1.DoctorAssignment){withTeam("nobody", "doctor1", "unverified"), withPatients("patient1", "patient2")},
			want{
				reason: v1alpha1.ReasonPairsNotAssigned, assigned: 2, after: quarter, event: "Warning PairsNotAssigned",
				problems: []v1alpha1.AssignmentProblem{
					{Doctor: "nobody", Reason: "DoctorNotFound"}, {Doctor: "unverified", Reason: "DoctorNotVerified"},
				},
			},
		},
		"a team of unknown doctors": {
			[]func(*v1alpha1.DoctorAssignment){withTeam("nobody", "unverified")},
			want{
				reason: v1alpha1.ReasonDoctorNotFound, after: quarter, event: "Warning DoctorNotFound",
				problems: []v1alpha1.AssignmentProblem{
					{Doctor: "nobody", Reason: "DoctorNotFound"}, {Doctor: "unverified", Reason: "DoctorNotVerified"},
				},
			},
		},
		"suspended": {
			[]func(*v1alpha1.DoctorAssignment){withSuspend(true)},
			want{reason: v1alpha1.ReasonSuspended, stalled: true, event: "Normal Suspended"},
		},
		"suspended until the end": {
			[]func(*v1alpha1.DoctorAssignment){withSuspend(true), withPeriod(nil, new(epoch().Add(time.Hour)))},
			want{reason: v1alpha1.ReasonSuspended, stalled: true, after: time.Hour, event: "Normal Suspended"},
		},
		"suspended and ended": {
			[]func(*v1alpha1.DoctorAssignment){withSuspend(true), withPeriod(nil, new(epoch()))},
			want{reason: v1alpha1.ReasonEnded, stalled: true, event: "Normal Ended"},
		},
		"invalid": {
			[]func(*v1alpha1.DoctorAssignment){withPatients("doctor1")},
			want{reason: v1alpha1.ReasonInvalid, stalled: true, event: "Warning Invalid"},
		},
		"invalid until the end": {
			[]func(*v1alpha1.DoctorAssignment){withPatients("doctor1"), withPeriod(nil, new(epoch().Add(time.Hour)))},
			want{reason: v1alpha1.ReasonInvalid, stalled: true, after: time.Hour, event: "Warning Invalid"},
		},
		"invalid and ended": {
			[]func(*v1alpha1.DoctorAssignment){withPatients("doctor1"), withPeriod(nil, new(epoch()))},
			want{reason: v1alpha1.ReasonEnded, stalled: true, event: "Normal Ended"},
		},
		"yet to start": {
			[]func(*v1alpha1.DoctorAssignment){withPeriod(new(epoch().Add(time.Second)), new(epoch().Add(time.Hour)))},
			want{reason: v1alpha1.ReasonScheduled, after: time.Second, event: "Normal Scheduled"},
		},
		"yet to start, later": {
			[]func(*v1alpha1.DoctorAssignment){withPeriod(new(epoch().Add(24*time.Hour)), nil)},
			want{reason: v1alpha1.ReasonScheduled, after: 24 * time.Hour, event: "Normal Scheduled"},
		},
		"ended": {
			[]func(*v1alpha1.DoctorAssignment){withPeriod(nil, new(epoch()))},
			want{reason: v1alpha1.ReasonEnded, stalled: true, event: "Normal Ended"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, newObject("a", c.options...))
			da, after := b.expectPass(t, "a")

			expectCondition(t, da, v1alpha1.ReadyCondition, metav1.ConditionFalse, c.want.reason)
			doing := v1alpha1.ReconcilingCondition
			if c.want.stalled {
				doing = v1alpha1.StalledCondition
			}
			expectCondition(t, da, doing, metav1.ConditionTrue, c.want.reason)
			if da.Status.Assigned != c.want.assigned || da.Status.ObservedGeneration != 1 {
				t.Errorf("status is %+v", da.Status)
			}
			if diff := cmp.Diff(c.want.problems, da.Status.Problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if most := c.want.after + c.want.after/10; after < c.want.after || after > most {
				t.Errorf("the next pass is after %v, want %v to %v", after, c.want.after, most)
			}
			if got := b.drainEvents(); !slices.Contains(got, c.want.event) {
				t.Errorf("events are %v", got)
			}
		})
	}
}

func TestReconcileMapsEachCode(t *testing.T) {
	t.Parallel()
	const secret = "canary: Jane Doe, HIV positive"
	cause := errors.New(secret)
	for name, c := range map[string]struct {
		fault   error
		status  metav1.ConditionStatus
		reason  string
		stalled bool
		retries string // "never", "later" or "backs off"
	}{
		"invalid":     {clinic.Invalid("reason", "control characters are not allowed"), metav1.ConditionFalse, v1alpha1.ReasonInvalid, true, "never"},
		"not found":   {clinic.NotFound("user"), metav1.ConditionFalse, v1alpha1.ReasonConflict, false, "later"},
		"superseded":  {clinic.Conflict("superseded", "later"), metav1.ConditionFalse, v1alpha1.ReasonSuperseded, false, "later"},
		"conflict":    {clinic.Conflict("overlap", "it overlaps"), metav1.ConditionFalse, v1alpha1.ReasonConflict, false, "later"},
		"unavailable": {clinic.Unavailable(cause), metav1.ConditionUnknown, v1alpha1.ReasonUnavailable, false, "backs off"},
		"internal":    {clinic.Internal(cause), metav1.ConditionUnknown, v1alpha1.ReasonInternalError, false, "backs off"},
		"forbidden":   {clinic.Forbidden("no"), metav1.ConditionUnknown, v1alpha1.ReasonInternalError, false, "backs off"},
		"foreign":     {cause, metav1.ConditionUnknown, v1alpha1.ReasonInternalError, false, "backs off"},
		"wrapped":     {fmt.Errorf("%s: %w", secret, clinic.Unavailable(cause)), metav1.ConditionUnknown, v1alpha1.ReasonUnavailable, false, "backs off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, newObject("a"))
			b.clinic.fault = c.fault
			result, err := b.pass(t, "a")
			da := b.get(t, "a")
			checkConditions(t, da)

			expectCondition(t, da, v1alpha1.ReadyCondition, c.status, c.reason)
			if status, _ := condition(da, v1alpha1.StalledCondition); (status == metav1.ConditionTrue) != c.stalled {
				t.Errorf("Stalled is %s", status)
			}
			if got := retries(result, err); got != c.retries {
				t.Errorf("the object is tried again: %s, want %s", got, c.retries)
			}
			if da.Status.ObservedGeneration != 1 {
				t.Errorf("observedGeneration is %d", da.Status.ObservedGeneration)
			}
			said := fmt.Sprint(err, da.Status, <-b.events.Events)
			if strings.Contains(said, "canary") {
				t.Errorf("the cause got out: %s", said)
			}
		})
	}
}

func retries(result ctrl.Result, err error) string {
	switch {
	case err != nil:
		return "backs off"
	case result.RequeueAfter > 0:
		return "later"
	default:
		return "never"
	}
}
