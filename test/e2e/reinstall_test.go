//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// reinstall uninstalls the release and installs it again. The CRD with its objects, the Secrets and the volume must stay, and
// the new release must use them.
func reinstall(t *testing.T, c cluster) {
	ctx := t.Context()
	patient, doctor := c.mustRegister(t, "patient3", "PATIENT"), c.mustRegister(t, "doctor3", "DOCTOR")
	if _, err := c.kubectlInput(ctx, declaration("kept", doctor, patient), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	c.awaitReady(t, "kept")
	before := c.uid(t, "kept")
	if _, err := c.helm(ctx, "uninstall", release, "--wait", "--timeout", "2m"); err != nil {
		t.Fatal(err)
	}
	await(t, time.Minute, func(ctx context.Context) error {
		out, err := c.kubectl(ctx, "get", "pods", "--output=name", pods("server"))
		if err == nil && out != "" {
			err = fmt.Errorf("there are still %s", out)
		}
		return err
	})
	if after := c.uid(t, "kept"); after != before {
		t.Errorf("uninstalling made %s of the object %s", after, before)
	}
	if err := c.deploy(ctx, c.present); err != nil {
		t.Fatal(err)
	}
	c.awaitReady(t, "kept")
	if after := c.uid(t, "kept"); after != before {
		t.Errorf("installing made %s of the object %s", after, before)
	}
	c.awaitAnswer(t)
	patient, err := c.logIn(ctx, patient.username, password)
	if err != nil {
		t.Fatalf("the database is not back: %v", err)
	}
	doctor, err = c.logIn(ctx, doctor.username, password)
	if err != nil {
		t.Fatal(err)
	}
	record, err := c.createRecord(ctx, patient)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.readRecord(ctx, doctor, record, http.StatusOK); err != nil {
		t.Error(err)
	}
	c.awaitNotified(t, doctor, "PATIENT_ASSIGNED", 1)
}

func (c cluster) uid(t *testing.T, name string) string {
	t.Helper()
	uid, err := c.kubectl(t.Context(), "get", "doctorassignment", name, "--output=jsonpath={.metadata.uid}")
	if err != nil || strings.TrimSpace(uid) == "" {
		t.Fatal(errors.Join(fmt.Errorf("the object %s is not there", name), err))
	}
	return uid
}

// awaitAnswer waits until the Service leads to a server. Nodes learn about its pods shortly after they are ready.
func (c cluster) awaitAnswer(t *testing.T) {
	t.Helper()
	await(t, 30*time.Second, func(ctx context.Context) error {
		return c.expect(ctx, http.StatusUnauthorized, call{method: http.MethodGet, path: "/auth/profile/"}, nil)
	})
}
