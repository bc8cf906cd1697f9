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
		reason     string
		stalled    bool
		assigned   int32
		unassigned []v1alpha1.UnassignedPatient
		after      time.Duration // of the next pass, before jitter
		event      string
	}
	const minute, quarter = time.Minute, 15 * time.Second
	for name, c := range map[string]struct {
		options []func(*v1alpha1.DoctorAssignment)
		want    want
	}{
		"unknown doctor": {
			[]func(*v1alpha1.DoctorAssignment){withDoctor("nobody")},
			want{reason: v1alpha1.ReasonDoctorNotFound, after: quarter, event: "Warning DoctorNotFound"},
		},
		"a patient as doctor": {
			[]func(*v1alpha1.DoctorAssignment){withDoctor("patient2")},
			want{reason: v1alpha1.ReasonNotADoctor, after: quarter, event: "Warning NotADoctor"},
		},
		"unverified doctor": {
			[]func(*v1alpha1.DoctorAssignment){withDoctor("unverified")},
			want{reason: v1alpha1.ReasonDoctorNotVerified, after: quarter, event: "Warning DoctorNotVerified"},
		},
		"some patients": {
			[]func(*v1alpha1.DoctorAssignment){withPatients("stranger", "patient1", "doctor2")},
			want{
				reason: v1alpha1.ReasonPatientsNotAssigned, assigned: 1, after: quarter, event: "Warning PatientsNotAssigned",
				unassigned: []v1alpha1.UnassignedPatient{
					{Username: "doctor2", Reason: "NotAPatient"}, {Username: "stranger", Reason: "PatientNotFound"},
				},
			},
		},
		"yet to start": {
			[]func(*v1alpha1.DoctorAssignment){withPeriod(new(epoch().Add(time.Second)), new(epoch().Add(time.Hour)))},
			want{reason: v1alpha1.ReasonScheduled, assigned: 1, after: time.Second, event: "Normal Scheduled"},
		},
		"yet to start, later": {
			[]func(*v1alpha1.DoctorAssignment){withPeriod(new(epoch().Add(24*time.Hour)), nil)},
			want{reason: v1alpha1.ReasonScheduled, assigned: 1, after: minute, event: "Normal Scheduled"},
		},
		"ended": {
			[]func(*v1alpha1.DoctorAssignment){withPeriod(nil, new(epoch()))},
			want{reason: v1alpha1.ReasonExpired, stalled: true, event: "Normal Expired"},
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
			if diff := cmp.Diff(c.want.unassigned, da.Status.Unassigned); diff != "" {
				t.Errorf("unassigned (-want +got):\n%s", diff)
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
			if observed := da.Status.ObservedGeneration == 1; observed == (c.retries == "backs off") {
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
