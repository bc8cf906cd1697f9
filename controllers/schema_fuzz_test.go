package controllers

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// FuzzSchema compares what the API server refuses with what the Go check refuses. It asks a real API server, which evaluates
// the rules as users meet them, with its budget of cost; its libraries would add k8s.io/apiserver to the module.
func FuzzSchema(f *testing.F) {
	for _, names := range [][3]string{
		{"doctor1", "", "patient1"},
		{"", "doctor1,doctor2", "patient1,Patient2"},
		{"", "Doctor1,dOCTOR1", "patient1"},
		{"doctor1", "doctor2", "patient1"},
		{"doctor1", strings.Repeat("d", 151), "patient1"},
		{"", "", "patient1"},
		{"Doctor1", "", "patient1,doctor1"},
		{"", "doctor1,doctor2", "patient1,DOCTOR2"},
		{"doctor1", "", "Patient1,patient1"},
		{"doctor1", "", "patient1,patient1"},
		{"doctor 1", "", "patient1"},
		{"doctor1\n", "", "İ"},
		{"K", "", "k,\u212a"},
		{strings.Repeat("d", 151), "", strings.Repeat("p", 150)},
	} {
		f.Add(names[0], names[1], names[2], uint32(0), uint32(0))
	}
	f.Add("doctor1", "", "patient1", uint32(2), uint32(1))
	f.Add("doctor1", "", "patient1", uint32(2), uint32(2))
	f.Add("doctor1", "", "patient1", uint32(2), uint32(3))
	f.Add("doctor1", "", "patient1", uint32(0), uint32(1))
	api, err := client.New(testkit.ControlPlane(f), client.Options{Scheme: newScheme(f)})
	if err != nil {
		f.Fatal(err)
	}
	asked := 0
	f.Fuzz(func(t *testing.T, doctor, team, patients string, start, end uint32) {
		da := &v1alpha1.DoctorAssignment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", GenerateName: "fuzz-", UID: "uid"}}
		if doctor != "" {
			da.Spec.Doctor = &v1alpha1.UserReference{Username: doctor}
		}
		da.Spec.Doctors, da.Spec.Patients = split(team), split(patients)
		da.Spec.StartsAt, da.Spec.EndsAt = secondOf(start), secondOf(end)
		declared := (&reconciler{}).declaration(da, clinic.Owner{UID: "uid"})
		checked := declared.Validate()
		if asked++; asked > maxAsked {
			return
		}
		da.UID = ""
		err := api.Create(t.Context(), da, client.DryRunAll)
		if err != nil && !apierrors.IsInvalid(err) {
			t.Fatalf("the API server says %v", err)
		}
		ambiguous := (doctor != "") == (team != "") // the Go check sees one form, and the API server may find another fault first
		switch {
		case err != nil && checked == nil && !ambiguous:
			t.Errorf("only the API server refuses doctor %q, doctors %q, patients %q, start %d, end %d: %v", doctor, team, patients, start, end, err)
		case err == nil && checked != nil && !onlyCase(checked, declared.Patients):
			t.Errorf("only the Go check refuses doctor %q, doctors %q, patients %q, start %d, end %d: %v", doctor, team, patients, start, end, checked)
		case err == nil && ambiguous:
			t.Errorf("doctor %q and doctors %q are taken, not exactly one of them", doctor, team)
		}
	})
}

// maxAsked bounds the requests, each of which takes the API server some milliseconds.
const maxAsked = 20_000

func split(names string) []v1alpha1.UserReference {
	if names == "" {
		return nil
	}
	return references(strings.Split(names, ","))
}

// secondOf returns the nth second of this millennium; nil for 0.
func secondOf(n uint32) *metav1.Time {
	if n == 0 {
		return nil
	}
	return new(metav1.NewTime(time.Date(2001, time.January, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)))
}

// onlyCase reports whether the only fault is that a patient is listed twice in different cases, which no rule can find at an
// acceptable cost.
func onlyCase(err error, patients []string) bool {
	var known *clinic.Error
	if !errors.As(err, &known) || len(known.Fields) != 1 || known.Fields[0].Field != "patients" {
		return false
	}
	lower := []string{}
	for _, name := range patients {
		lower = append(lower, strings.ToLower(name))
	}
	slices.Sort(lower)
	return len(slices.Compact(lower)) < len(patients)
}
