//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"
	"time"
)

const sample = "config/samples/doctorassignment.yaml"

// install installs the release into a namespace that enforces the Pod Security level restricted.
func install(t *testing.T, c cluster) {
	const labels = "pod-security.kubernetes.io/enforce=restricted"
	if _, err := c.kubectl(t.Context(), "create", "namespace", namespace); err != nil {
		t.Fatal(err)
	}
	if _, err := c.kubectl(t.Context(), "label", "namespace", namespace, labels); err != nil {
		t.Fatal(err)
	}
	if err := c.deploy(t.Context(), c.present); err != nil {
		t.Fatal(err)
	}
}

func helmTest(t *testing.T, c cluster) {
	if out, err := c.helm(t.Context(), "test", release, "--logs", "--timeout", "1m"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// walkThrough runs the work of a patient and of a doctor whom an administrator assigns.
func walkThrough(t *testing.T, c cluster) {
	ctx := t.Context()
	patient, doctor := c.mustRegister(t, "patient1", "PATIENT"), c.mustRegister(t, "doctor1", "DOCTOR")
	record, err := c.createRecord(ctx, patient)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.readRecord(ctx, doctor, record, http.StatusNotFound); err != nil {
		t.Error(err)
	}
	if err := c.assign(ctx, c.administrator(t), doctor, patient); err != nil {
		t.Fatal(err)
	}
	if err := c.readRecord(ctx, doctor, record, http.StatusOK); err != nil {
		t.Error(err)
	}
	if err := c.comment(ctx, doctor, record); err != nil {
		t.Error(err)
	}
	if _, err := c.createRecord(ctx, patient); err != nil {
		t.Error(err)
	}
	c.awaitNotified(t, doctor, "PATIENT_ASSIGNED", 1)
	c.awaitNotified(t, doctor, "NEW_RECORD", 1)
	c.awaitNotified(t, patient, "COMMENT_ADDED", 1)
}

func declare(t *testing.T, c cluster) { c.declareAndEnd(t, "declared") }

// declareAndEnd assigns a new doctor to a new patient with an object, and ends the assignment by deleting it.
func (c cluster) declareAndEnd(t *testing.T, name string) {
	t.Helper()
	ctx := t.Context()
	patient, doctor := c.mustRegister(t, name+"-patient", "PATIENT"), c.mustRegister(t, name+"-doctor", "DOCTOR")
	record, err := c.createRecord(ctx, patient)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.kubectlInput(ctx, declaration(name, doctor, patient), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	c.awaitReady(t, name)
	if err := c.readRecord(ctx, doctor, record, http.StatusOK); err != nil {
		t.Error(err)
	}
	c.awaitNotified(t, doctor, "PATIENT_ASSIGNED", 1)
	c.awaitNotified(t, patient, "PATIENT_ASSIGNED", 1)
	if _, err := c.kubectl(ctx, "delete", "doctorassignment", name, "--timeout=30s"); err != nil {
		t.Fatal(err)
	}
	if err := c.readRecord(ctx, doctor, record, http.StatusNotFound); err != nil {
		t.Errorf("after the object is gone: %v", err)
	}
}

// applySample applies the sample object of the repository. Its users have registered in the walkthrough.
func applySample(t *testing.T, c cluster) {
	if err := c.apply(t.Context(), sample); err != nil {
		t.Fatal(err)
	}
	c.awaitReady(t, "primary-care")
}

func declaration(name string, doctor, patient account) []byte {
	return fmt.Appendf(nil, `{"apiVersion": "healthrecords.io/v1alpha1", "kind": "DoctorAssignment",
		"metadata": {"name": %q}, "spec": {"doctor": {"username": %q}, "patients": [{"username": %q}]}}`,
		name, doctor.username, patient.username)
}

func (c cluster) awaitReady(t *testing.T, name string) {
	t.Helper()
	if _, err := c.kubectl(t.Context(), "wait", "--for=condition=Ready", "--timeout=30s", "doctorassignment/"+name); err != nil {
		t.Fatal(err)
	}
}

func (c cluster) awaitNotified(t *testing.T, a account, kind string, want int) {
	t.Helper()
	await(t, 30*time.Second, func(ctx context.Context) error { return c.notified(ctx, a, kind, want) })
}

func (c cluster) mustRegister(t *testing.T, username, userType string) account {
	t.Helper()
	a, err := c.register(t.Context(), username, userType)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// administrator logs in with the password that the chart generated.
func (c cluster) administrator(t *testing.T) account {
	t.Helper()
	a, err := c.logIn(t.Context(), "admin", c.administratorsPassword(t))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (c cluster) administratorsPassword(t *testing.T) string {
	t.Helper()
	encoded, err := c.kubectl(t.Context(), "get", "secret", object("admin"), "--output=jsonpath={.data.password}")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return string(secret)
}

// assign lets the user by assign the doctor to the patient.
func (c cluster) assign(ctx context.Context, by, doctor, patient account) error {
	return c.expect(ctx, http.StatusOK, call{
		method: http.MethodPost, path: "/auth/assign-doctor/", token: by.token,
		body: map[string]any{"patient_id": patient.profileID, "doctor_id": doctor.profileID},
	}, nil)
}
