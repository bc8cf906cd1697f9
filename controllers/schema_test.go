package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

type mutation = func(*v1alpha1.DoctorAssignment)

func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	noon := time.Date(2030, time.June, 1, 12, 0, 0, 0, time.UTC)
	for name, refusal := range map[string]struct {
		mutation       mutation
		field, message string
	}{
		"an end before the start": {
			withPeriod(&noon, new(noon.Add(-time.Second))),
			"spec.endsAt", "endsAt must be later than startsAt",
		},
		"an end at the start": {withPeriod(&noon, &noon), "spec.endsAt", "endsAt must be later than startsAt"},
		"the doctor as patient": {
			withPatients("patient1", "doctor1"),
			"spec.patients", "the doctor cannot be one of the patients",
		},
		"the doctor as patient in another case": {
			withPatients("patient1", "Doctor1"),
			"spec.patients", "the doctor cannot be one of the patients",
		},
		"a patient twice in other cases": {
			withPatients("Patient1", "patient2", "patient1"),
			"spec.patients", "a patient is listed twice",
		},
		"a patient twice, once in uppercase": {
			withPatients("Patient1", "PATIENT1"),
			"spec.patients", "a patient is listed twice",
		},
		"a patient twice, once with a capital": {
			withPatients("Patient1", "pAtient1"),
			"spec.patients", "a patient is listed twice",
		},
		"a patient twice in the costliest list": {
			withPatients(append(costliest()[:499], "Ab"+costliest()[498][2:])...),
			"spec.patients", "a patient is listed twice",
		},
		"a patient twice":   {withPatients("patient1", "patient2", "patient1"), "spec.patients[2]", "Duplicate value"},
		"no patient":        {withPatients(), "spec.patients", ""},
		"501 patients":      {withPatients(manyNames(501)...), "spec.patients", "at most 500"},
		"no doctor":         {withDoctor(""), "spec.doctor.username", "at least 1 chars"},
		"a long doctor":     {withDoctor(strings.Repeat("d", 151)), "spec.doctor.username", "150"},
		"a doctor's space":  {withDoctor("doctor 1"), "spec.doctor.username", "should match '^[A-Za-z0-9_.@+-]+$'"},
		"a patient's slash": {withPatients("patient/1"), "spec.patients[0].username", "should match '^[A-Za-z0-9_.@+-]+$'"},
		"a long patient":    {withPatients(strings.Repeat("p", 151)), "spec.patients[0].username", "150"},
		"a long reason": {
			func(da *v1alpha1.DoctorAssignment) { da.Spec.Reason = strings.Repeat("r", 501) },
			"spec.reason", "500",
		},
		"an unknown deletion policy": {
			func(da *v1alpha1.DoctorAssignment) { da.Spec.DeletionPolicy = "Destroy" },
			"spec.deletionPolicy", `supported values: "Release", "Retain"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.dryRun(t, refusal.mutation)
			if !apierrors.IsInvalid(err) {
				t.Fatalf("the API server said %v", err)
			}
			if !hasCause(err, refusal.field, refusal.message) {
				t.Errorf("%s is not refused with %q, but: %v", refusal.field, refusal.message, err)
			}
		})
	}
}

// dryRun asks the API server whether it would accept an object.
func (c *cluster) dryRun(t *testing.T, mutations ...mutation) error {
	t.Helper()
	da := newObject("a", mutations...)
	da.ObjectMeta = metav1.ObjectMeta{Namespace: c.namespace, GenerateName: "a-"}
	return c.client.Create(t.Context(), da, client.DryRunAll)
}

// hasCause reports whether err names the field with the message.
func hasCause(err error, field, message string) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	for _, cause := range status.Status().Details.Causes {
		if cause.Field == field && strings.Contains(cause.Message, message) {
			return true
		}
	}
	return false
}

// manyNames returns n different usernames of the maximum length.
func manyNames(n int) []string {
	names := make([]string, 0, n)
	for i := range n {
		names = append(names, fmt.Sprintf("%0150d", i))
	}
	return names
}

// costliest returns 500 usernames of the maximum length, all with uppercase letters: half begin with one, and have no
// lowercase ones.
func costliest() []string {
	names := manyNames(500)
	for i, name := range names {
		names[i] = "A" + name[1:]
		if i%2 == 0 {
			names[i] = "aB" + name[2:]
		}
	}
	return names
}

func TestSchemaTakes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	noon := time.Date(2030, time.June, 1, 12, 0, 0, 0, time.UTC)
	for name, mutation := range map[string]mutation{
		"500 patients":             withPatients(manyNames(500)...),
		"the costliest patients":   withPatients(costliest()...),
		"what the controller sees": withPatients("PatientOne", "Patientone"),
		"every character":          withDoctor("Az09_.@+-"),
		"an end alone":             withPeriod(nil, &noon),
		"a start alone":            withPeriod(&noon, nil),
		"an end just after":        withPeriod(&noon, new(noon.Add(time.Second))),
		"a reason of any alphabet": func(da *v1alpha1.DoctorAssignment) { da.Spec.Reason = strings.Repeat("ü", 500) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := c.dryRun(t, mutation); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSchemaDefaultsTheDeletionPolicy(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	da := c.create(t, "a", func(da *v1alpha1.DoctorAssignment) { da.Spec.DeletionPolicy = "" })
	if da.Spec.DeletionPolicy != v1alpha1.DeletionPolicyRelease {
		t.Errorf("deletionPolicy is %q", da.Spec.DeletionPolicy)
	}
}

func TestSchemaKeepsTheStatusFromThoseWhoWriteTheSpec(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	da := c.create(t, "a", func(da *v1alpha1.DoctorAssignment) { da.Status.Assigned = 7 })
	if da.Status.Assigned != 0 {
		t.Errorf("status is %+v", da.Status)
	}
}

func TestSchemaMergesThePatientsOfSeveralManagers(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for _, manager := range []string{"clinic-a", "clinic-b"} {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": v1alpha1.GroupVersion.String(), "kind": "DoctorAssignment",
			"metadata": map[string]any{"namespace": c.namespace, "name": "shared"},
			"spec": map[string]any{
				"doctor":   map[string]any{"username": "doctor1"},
				"patients": []any{map[string]any{"username": "patient-of-" + manager}},
			},
		}}
		err := c.client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(manager))
		if err != nil {
			t.Fatal(err)
		}
	}
	da := &v1alpha1.DoctorAssignment{}
	if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: c.namespace, Name: "shared"}, da); err != nil {
		t.Fatal(err)
	}
	want := []v1alpha1.UserReference{{Username: "patient-of-clinic-a"}, {Username: "patient-of-clinic-b"}}
	if !slices.Equal(da.Spec.Patients, want) {
		t.Errorf("patients are %v", da.Spec.Patients)
	}
}
